"use client";

import { useHydrated } from "@/hooks/useHydrated";
import { byDay, dayName } from "@/lib/activity";
import type { Change } from "@/lib/api/dashboard";
import { CallRow } from "../activity/CallRow";
import { Button } from "../Button";

/** All that became of a task, by day, newest first. */
export function TaskHistory(props: {
  changes: Change[];
  hasMore: boolean;
  more: () => void;
  names: Record<string, string>;
  zone: string;
  onUndo: (change: Change) => Promise<void>;
}) {
  const { changes, names, zone, onUndo } = props;
  const hydrated = useHydrated();
  return (
    <section aria-labelledby="history" className="mt-10">
      <h2 id="history" className="text-[15px] font-semibold tracking-tight">
        History
      </h2>
      {byDay(changes, zone).map(({ date, calls }) => (
        <section key={date} aria-labelledby={`day-${date}`} className="mt-4">
          <h3 id={`day-${date}`} className="text-[13px] font-medium text-muted">
            {dayName(date, zone, hydrated ? new Date() : undefined)}
          </h3>
          <ul className="mt-1 divide-y divide-line border-y border-line">
            {calls.map((call) => (
              <CallRow key={call.id} call={call} names={names} zone={zone} onUndo={onUndo} onTaskPage />
            ))}
          </ul>
        </section>
      ))}
      {props.hasMore && (
        <div className="mt-4 text-center">
          <Button look="secondary" onClick={props.more}>
            Show older changes
          </Button>
        </div>
      )}
    </section>
  );
}
