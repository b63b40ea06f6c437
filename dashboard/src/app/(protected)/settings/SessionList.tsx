import { ConfirmButton } from "@/components/ConfirmButton";
import { Moment } from "@/components/Moment";
import { endBrowserSession } from "@/lib/actions";
import type { BrowserSession } from "@/lib/sessions";

/** Where the person is signed in, each with a button that ends it there. */
export function SessionList({ sessions }: { sessions: BrowserSession[] }) {
  return (
    <div>
      <h2 className="text-sm font-medium">Where you are signed in</h2>
      <ul className="mt-3 divide-y divide-line">
        {sessions.map((session) => (
          <li key={session.id} className="flex flex-wrap items-center justify-between gap-3 py-3 last:pb-0">
            <div className="min-w-0">
              <p className="text-sm font-medium wrap-anywhere">
                <bdi>{session.browser}</bdi>
              </p>
              <p className="mt-0.5 text-[13px] text-muted">
                {session.isCurrent ? "this browser" : (session.address ?? "unknown address")} · since{" "}
                <Moment at={session.since} />
              </p>
            </div>
            {!session.isCurrent && (
              <ConfirmButton
                label="End"
                subject={session.browser}
                title="End this session?"
                text="That browser is signed out at once, and its open pages stop showing anything. AI clients stay connected."
                action={endBrowserSession.bind(null, session.id)}
              />
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}
