"use client";

import { useHydrated } from "@/hooks/useHydrated";
import { attribution } from "@/lib/activity";
import type { Change } from "@/lib/api/dashboard";
import { ago } from "@/lib/tasks";

/** Who changed the task last, with what, and when; undo beside it if the person may. */
export function Attribution(props: {
  change: Change;
  names: Record<string, string>;
  onUndo?: (change: Change) => Promise<void>;
}) {
  const { change, names, onUndo } = props;
  // How long ago it is depends on the clock, which differs between server and browser.
  const hydrated = useHydrated();
  const at = new Date(change.at);
  return (
    <p className="mt-1 text-[13px] leading-5 text-muted" data-testid="attribution">
      <bdi>{attribution(change, names)}</bdi>
      {", "}
      <time dateTime={change.at} title={at.toISOString()}>
        {hydrated ? ago(at, new Date()) : change.at.slice(0, 10)}
      </time>
      {onUndo && change.undoable && change.client !== "dashboard" && (
        <>
          {" · "}
          <button
            type="button"
            className="font-medium text-ink underline underline-offset-2"
            onClick={() => void onUndo(change)}
          >
            Undo
          </button>
        </>
      )}
    </p>
  );
}
