import { personTimeZone } from "@/lib/api/server";
import { KeepAccountButton } from "./KeepAccountButton";

/** On every page while the account waits to be deleted. */
export async function EndingNotice({ endsAt }: { endsAt: Date }) {
  const timeZone = await personTimeZone().catch(() => "UTC");
  const when = endsAt.toLocaleString("en", { dateStyle: "full", timeStyle: "short", timeZone });
  return (
    <section
      aria-label="Deletion of this account"
      className="border-b border-line bg-danger-soft text-danger"
    >
      <div className="mx-auto flex max-w-6xl flex-wrap items-center justify-between gap-3 px-4 py-3 text-sm sm:px-6">
        <p>This account will be deleted with everything in it on {when}.</p>
        <KeepAccountButton />
      </div>
    </section>
  );
}
