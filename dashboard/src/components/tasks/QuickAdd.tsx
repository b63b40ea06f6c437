"use client";

import { type FormEvent, type RefObject, useEffect, useState } from "react";
import { useHydrated } from "@/hooks/useHydrated";
import { type BridgeError, type NewTask, type TaskBriefly, writeBridge } from "@/lib/api/dashboard";
import { type QuickTask, readQuickAdd } from "@/lib/due-words";
import { refusalOf } from "@/lib/tasks";
import { Button } from "../Button";
import { inputClass } from "../Field";
import type { Message } from "../Toast";
import { Due } from "./Due";

/** One line that becomes a task: dates in words and #tags are read from it. */
export function QuickAdd(props: {
  field: RefObject<HTMLInputElement | null>;
  zone: string;
  /** What new tasks on this page have, unless the line says otherwise. */
  standard?: Partial<NewTask>;
  onAdded: (task: TaskBriefly) => void;
  show: (message: Message) => void;
}) {
  const { field, zone, standard, onAdded, show } = props;
  const hydrated = useHydrated();
  const [line, setLine] = useState("");
  const [read, setRead] = useState<{ line: string; task: QuickTask }>();
  const [literal, setLiteral] = useState(false);

  useEffect(() => {
    let current = true;
    if (line.trim())
      void readQuickAdd(line, zone, new Date()).then((task) => current && setRead({ line, task }));
    return () => {
      current = false;
    };
  }, [line, zone]);

  async function add(event: FormEvent) {
    event.preventDefault();
    if (!line.trim()) return;
    const { title, tags, due }: QuickTask = literal
      ? { title: line.trim(), tags: [] }
      : await readQuickAdd(line, zone, new Date());
    const fields: NewTask = { ...standard, title, idempotency_key: crypto.randomUUID() };
    if (due) fields.due = due;
    if (tags.length) fields.tags = [...new Set([...(standard?.tags ?? []), ...tags])];
    setLine("");
    setLiteral(false);
    try {
      onAdded(await writeBridge<TaskBriefly>("POST", "/tasks", fields));
    } catch (error) {
      // What was written comes back, unless the person has begun another line.
      setLine((now) => now || line);
      show({ text: refusalOf(error as BridgeError), tone: "problem" });
    }
  }

  const found = line.trim() && !literal && read?.line === line ? read.task : undefined;
  return (
    <form onSubmit={(event) => void add(event)} aria-label="New task">
      <div className="flex gap-2">
        <input
          ref={field}
          aria-label="New task"
          aria-describedby="quick-add-read"
          placeholder="Add a task: call the bank tomorrow 5pm #money"
          value={line}
          onChange={(event) => {
            setLine(event.target.value);
            setLiteral(false);
          }}
          onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
          disabled={!hydrated}
          maxLength={600}
          dir="auto"
          autoComplete="off"
          className={inputClass}
        />
        <Button type="submit" className="h-10" disabled={!hydrated || !line.trim()}>
          Add
        </Button>
      </div>
      <p id="quick-add-read" role="status" className="mt-1 min-h-6 px-1 text-[13px] leading-6 text-muted">
        {found?.due && (
          <>
            Due <Due due={found.due} done={false} zone={zone} />{" "}
          </>
        )}
        {found?.tags.map((tag) => (
          <bdi key={tag}>#{tag} </bdi>
        ))}
        {found && (found.due || found.tags.length > 0) && (
          <button
            type="button"
            className="ml-2 font-medium text-ink underline underline-offset-2"
            onClick={() => setLiteral(true)}
          >
            Keep as text
          </button>
        )}
      </p>
    </form>
  );
}
