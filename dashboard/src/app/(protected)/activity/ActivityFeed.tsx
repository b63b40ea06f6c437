"use client";

import { useState } from "react";
import { CallRow } from "@/components/activity/CallRow";
import { UndoSince } from "@/components/activity/UndoSince";
import { Button } from "@/components/Button";
import { ConnectionStatus } from "@/components/dashboard/ConnectionStatus";
import { ReadState } from "@/components/ReadState";
import { useToast } from "@/components/Toast";
import { useActivity, useClientNames } from "@/hooks/useActivity";
import { useHydrated } from "@/hooks/useHydrated";
import { useUndo } from "@/hooks/useUndo";
import { byDay, clientName, dayName } from "@/lib/activity";
import type { Activity } from "@/lib/api/dashboard";

const EVERYTHING = "*";

interface Props {
  me: string;
  initial?: Activity;
  /** The clients with which the person changed something lately. */
  clients: string[];
  initialNames: Record<string, string>;
}

/** The feed: one client or everything, by day, each call with a button that takes it back. */
export function ActivityFeed({ me, initial, clients, initialNames }: Props) {
  const [client, choose] = useState(EVERYTHING);
  const filter = client === EVERYTHING ? "" : `&${new URLSearchParams({ client, person: me })}`;
  const { changes, zone, hasMore, more, error, connection, refresh, retry } = useActivity(filter, initial);
  const names = useClientNames(changes, initialNames);
  const [toast, show] = useToast();
  const undo = useUndo(show, refresh);
  const hydrated = useHydrated();

  return (
    <>
      <div className="mt-6 flex flex-wrap items-center justify-between gap-x-6 gap-y-3">
        <select
          aria-label="Whose changes"
          value={client}
          disabled={!hydrated}
          onChange={(event) => choose(event.target.value)}
          className="h-9 max-w-full rounded-lg border border-line-strong bg-surface px-2.5 text-sm text-ink"
        >
          <option value={EVERYTHING}>Everyone, with every client</option>
          {clients.map((id) => (
            <option key={id} value={id}>
              You, with {clientName(id, names)}
            </option>
          ))}
        </select>
        <ConnectionStatus connection={connection} />
      </div>
      {client !== EVERYTHING && (
        <UndoSince
          key={client}
          client={client}
          name={clientName(client, names)}
          onDone={show}
          refresh={refresh}
        />
      )}
      {!changes ? (
        <section aria-label="Changes" className="mt-6 rounded-2xl border border-line bg-surface shadow-card">
          <ReadState what="what changed" error={error} onRetry={retry} />
        </section>
      ) : changes.length === 0 ? (
        <p className="mt-6 rounded-2xl border border-line bg-surface px-6 py-16 text-center text-sm text-muted shadow-card">
          Nothing has changed yet. What you or an AI client does to a task appears here at once.
        </p>
      ) : (
        byDay(changes, zone).map(({ date, calls }) => (
          <section key={date} aria-labelledby={`day-${date}`} className="mt-8">
            <h2 id={`day-${date}`} className="text-sm font-semibold">
              {dayName(date, zone, hydrated ? new Date() : undefined)}
            </h2>
            <ul className="mt-2 divide-y divide-line border-y border-line">
              {calls.map((call) => (
                <CallRow key={call.id} call={call} names={names} zone={zone} onUndo={undo} />
              ))}
            </ul>
          </section>
        ))
      )}
      {hasMore && (
        <div className="mt-6 text-center">
          <Button look="secondary" onClick={more}>
            Show older changes
          </Button>
        </div>
      )}
      {toast}
    </>
  );
}
