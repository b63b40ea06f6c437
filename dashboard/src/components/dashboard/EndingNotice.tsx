import { personTimeZone } from "@/lib/api/server";
import { keepAccount } from "@/lib/actions";
import { Button } from "../Button";

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
        {/* A form, so that no page has to load scripts for it. */}
        <form action={keepAccount}>
          <Button type="submit" look="secondary">
            Keep my account
          </Button>
        </form>
      </div>
    </section>
  );
}
