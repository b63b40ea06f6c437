import type { Metadata } from "next";
import { cookies } from "next/headers";
import Link from "next/link";
import { buttonClass } from "@/components/Button";
import { MessagePage } from "@/components/MessagePage";
import { auth } from "@/lib/auth";
import { findPending, SIGN_UP_COOKIE } from "@/lib/sign-up";
import { AuthFrame } from "../AuthFrame";
import { VerifyForm } from "./VerifyForm";

export const metadata: Metadata = { title: "Confirm your address" };

/** Where the link of a sign-up leads. Showing the page changes nothing, because mail scanners open links too. */
export default async function VerifyEmailPage({ searchParams }: PageProps<"/verify-email">) {
  const { token } = await searchParams;
  if (typeof token !== "string") return <Expired />;
  const { internalAdapter } = await auth().$context;
  const cookie = (await cookies()).get(SIGN_UP_COOKIE)?.value;
  const found = await findPending(token, cookie, internalAdapter);
  if (!found) return <Expired />;
  return (
    <AuthFrame>
      <VerifyForm token={token} {...found} />
    </AuthFrame>
  );
}

function Expired() {
  return (
    <MessagePage
      title="This link has expired or was used already"
      action={
        <>
          <Link href="/sign-in" className={buttonClass()}>
            Sign in
          </Link>
          <Link href="/sign-up" className={buttonClass("secondary")}>
            Sign up again
          </Link>
        </>
      }
    >
      <p>If you have confirmed your address, sign in. If not, sign up again to get a new link.</p>
    </MessagePage>
  );
}
