"use client";

import { Undo2 } from "lucide-react";
import Link from "next/link";
import { useState } from "react";
import { actorOf, type Call, fieldsOf, verbOf } from "@/lib/activity";
import type { Change } from "@/lib/api/dashboard";
import { timeIn } from "@/lib/timezones";
import { Button } from "../Button";

const MOST_TITLES = 5;

/** One call: who did what with which client, the fields before and after, and a button that takes it back. */
export function CallRow(props: {
  call: Call;
  names: Record<string, string>;
  zone: string;
  onUndo: (change: Change) => Promise<void>;
  /** The row is on the page of the task itself, which needs no title and no link. */
  onTaskPage?: boolean;
}) {
  const { call, names, zone, onUndo, onTaskPage } = props;
  const [busy, setBusy] = useState(false);
  const { first } = call;
  const undoable = call.changes.find((change) => change.undoable);
  const undone = first.undone;

  async function undo(change: Change) {
    setBusy(true);
    await onUndo(change);
    setBusy(false);
  }

  return (
    <li className="flex animate-appear items-start gap-3 py-3.5" data-testid="call">
      <Mark name={actorOf(first, names)} />
      <div className="min-w-0 flex-1">
        <p className={`text-[15px] leading-6 wrap-anywhere ${undone ? "text-muted" : ""}`}>
          <bdi className="font-medium">{actorOf(first, names)}</bdi> {verbOf(call)}{" "}
          {onTaskPage ? (
            "this task"
          ) : call.changes.length === 1 ? (
            <Title change={first} />
          ) : (
            `${countOf(call)} tasks`
          )}
        </p>
        {call.changes.length > 1 && !onTaskPage && (
          <ul className="mt-1 text-sm leading-6">
            {call.changes.slice(0, MOST_TITLES).map((change) => (
              <li key={change.id} className="truncate">
                <Title change={change} />
              </li>
            ))}
            {call.changes.length > MOST_TITLES && (
              <li className="text-muted">and {call.changes.length - MOST_TITLES} more</li>
            )}
          </ul>
        )}
        {(call.changes.length === 1 || onTaskPage) && <Fields change={first} />}
        <p className="mt-0.5 text-[13px] text-muted">
          <time dateTime={first.at}>{timeIn(zone, new Date(first.at))}</time>
          {first.own ? "" : ", not yours to undo"}
          {undone ? ", undone" : ""}
        </p>
      </div>
      {undoable && (
        <Button
          look="secondary"
          disabled={busy}
          aria-label={`Undo: ${verbOf(call)} ${first.title}`}
          onClick={() => void undo(undoable)}
        >
          <Undo2 className="size-4 text-muted" aria-hidden="true" />
          Undo
        </Button>
      )}
    </li>
  );
}

function Title({ change }: { change: Change }) {
  return (
    <Link
      href={`/tasks/${change.task_id}`}
      className={change.deleted ? "line-through decoration-line-strong hover:text-muted" : "hover:underline"}
    >
      <bdi>{change.title}</bdi>
    </Link>
  );
}

function Fields({ change }: { change: Change }) {
  const fields = fieldsOf(change);
  if (fields.length === 0) return null;
  return (
    <dl className="mt-1 grid gap-0.5 text-sm leading-6">
      {fields.map(({ label, before, after }) => (
        <div key={label} className="flex flex-wrap gap-x-2">
          <dt className="text-muted">{label}</dt>
          <dd className="min-w-0 wrap-anywhere">
            <del className="text-muted no-underline">
              <bdi>{before}</bdi>
            </del>
            <span aria-hidden="true" className="mx-1.5 text-muted">
              →
            </span>
            <span className="sr-only"> became </span>
            <ins className="no-underline">
              <bdi>{after}</bdi>
            </ins>
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** The first letter of whoever did it: not a picture, which a client could choose to mislead. */
function Mark({ name }: { name: string }) {
  return (
    <span
      aria-hidden="true"
      className="mt-0.5 grid size-7 shrink-0 place-items-center rounded-full bg-raised text-xs font-semibold text-muted uppercase"
    >
      {[...name][0]}
    </span>
  );
}

function countOf({ changes }: Call): number {
  return new Set(changes.map(({ task_id }) => task_id)).size;
}
