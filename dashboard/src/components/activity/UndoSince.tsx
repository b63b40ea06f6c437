"use client";

import { useEffect, useState } from "react";
import {
  browserBridge,
  readBridge,
  type UndoneSince,
  type UndoPreview,
  writeBridge,
} from "@/lib/api/dashboard";
import { ConfirmButton } from "../ConfirmButton";
import type { Message } from "../Toast";

const HOUR = 3_600_000;
const SPANS = [
  { label: "in the last hour", ms: HOUR },
  { label: "in the last 24 hours", ms: 24 * HOUR },
  { label: "in the last 7 days", ms: 7 * 24 * HOUR },
];

/** Takes back all that the person did with one client since a moment, after showing how much that is. */
export function UndoSince(props: {
  client: string;
  name: string;
  onDone: (message: Message) => void;
  refresh: () => void;
}) {
  const { client, name } = props;
  const [ms, setMs] = useState(HOUR);
  const [round, setRound] = useState(0);
  const [found, setFound] = useState<{ since: string; preview: UndoPreview } | { problem: string }>();

  useEffect(() => {
    const since = new Date(Date.now() - ms).toISOString();
    let current = true;
    readBridge<UndoPreview>(browserBridge, `/activity/undo?${new URLSearchParams({ client, since })}`).then(
      (preview) => current && setFound({ since, preview }),
      (error: Error) => current && setFound({ problem: error.message }),
    );
    return () => {
      current = false;
    };
  }, [client, ms, round]);

  async function undo(since: string, calls: number) {
    const query = new URLSearchParams({ client, since, expected_calls: String(calls) });
    try {
      const done = await writeBridge<UndoneSince>("POST", `/activity/undo?${query}`);
      const kept = done.kept_calls
        ? ` ${done.kept_calls} stay as they are, because somebody has worked on their tasks since.`
        : "";
      props.onDone({ text: `Undone: ${plural(done.undone_changes, "change")}.${kept}` });
    } finally {
      setRound((earlier) => earlier + 1);
      props.refresh();
    }
  }

  return (
    <section
      aria-label={`Undo what ${name} did`}
      className="mt-4 flex flex-wrap items-center gap-x-4 gap-y-3 rounded-xl bg-raised px-4 py-3 text-sm"
    >
      <label className="flex flex-wrap items-center gap-2">
        All that you did with {name}
        <select
          value={ms}
          onChange={(event) => setMs(Number(event.target.value))}
          className="h-8 rounded-lg border border-line-strong bg-surface px-2 text-sm text-ink"
        >
          {SPANS.map(({ label, ms: length }) => (
            <option key={label} value={length}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <p role="status" className="text-muted">
        {!found
          ? "Counting…"
          : "problem" in found
            ? found.problem
            : found.preview.changes === 0
              ? "nothing to undo"
              : `${plural(found.preview.changes, "change")} to ${plural(found.preview.tasks, "task")}`}
      </p>
      {found && "preview" in found && found.preview.changes > 0 && (
        <ConfirmButton
          label="Undo all"
          subject={`that ${name} did`}
          title={`Undo ${plural(found.preview.changes, "change")} by ${name}?`}
          text={`They concern ${plural(found.preview.tasks, "task")}. What somebody has worked on since stays as it is, and is named afterwards.`}
          action={() => undo(found.since, found.preview.calls)}
        />
      )}
    </section>
  );
}

function plural(count: number, word: string): string {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}
