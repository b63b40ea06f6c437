import Link from "next/link";
import { buttonClass } from "@/components/Button";
import { MessagePage } from "@/components/MessagePage";

export default function NotFound() {
  return (
    <MessagePage
      title="There is nothing at this address"
      action={
        <Link href="/dashboard" className={buttonClass()}>
          Go to the dashboard
        </Link>
      }
    >
      <p>The page may have moved, or the link may be incomplete.</p>
    </MessagePage>
  );
}
