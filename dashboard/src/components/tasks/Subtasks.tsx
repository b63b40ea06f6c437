"use client";

import Link from "next/link";
import { type FormEvent, useState } from "react";
import { useHydrated } from "@/hooks/useHydrated";
import { type BridgeError, type NewTask, type TaskPage, writeBridge } from "@/lib/api/dashboard";
import { refusalOf } from "@/lib/tasks";
import { Button } from "../Button";
import { inputClass } from "../Field";
import type { Message } from "../Toast";
import { TickButton } from "./TickButton";
import type { Status } from "./status";

/** The tasks right below one: tick, open, add. */
export function Subtasks(props: {
  task: TaskPage;
  mayEdit: boolean;
  onDone: () => void;
  show: (message: Message) => void;
}) {
  const { task, mayEdit, onDone, show } = props;
  const hydrated = useHydrated();
  const [ticked, setTicked] = useState(new Map<number, Status>());
  const [title, setTitle] = useState("");
  const open = task.subtasks.filter(({ status }) => status !== "completed").length;
  const more = task.subtask_count - task.subtasks.length;

  async function tick(id: number, status: Status) {
    setTicked((earlier) => new Map(earlier).set(id, status));
    await write(() => writeBridge("PATCH", `/tasks/${id}`, { status }));
    setTicked((earlier) => new Map([...earlier].filter(([each]) => each !== id)));
  }

  async function add(event: FormEvent) {
    event.preventDefault();
    const fields: NewTask = { title, parent_id: task.id, idempotency_key: crypto.randomUUID() };
    if (task.team_id) fields.team_id = task.team_id;
    if (await write(() => writeBridge("POST", "/tasks", fields))) setTitle("");
  }

  async function write(send: () => Promise<unknown>): Promise<boolean> {
    try {
      await send();
      return true;
    } catch (error) {
      show({ text: refusalOf(error as BridgeError), tone: "problem" });
      return false;
    } finally {
      onDone();
    }
  }

  if (!mayEdit && task.subtask_count === 0) return null;
  return (
    <section aria-labelledby="subtasks">
      <h2 id="subtasks" className="text-[15px] font-semibold tracking-tight">
        Subtasks
        {task.subtask_count > 0 && (
          <span className="ml-2 text-[13px] font-normal text-muted tabular-nums">
            {more > 0 ? `${task.subtask_count} in all` : `${open} of ${task.subtask_count} open`}
          </span>
        )}
      </h2>
      {task.subtasks.length > 0 && (
        <ul className="mt-2 divide-y divide-line border-y border-line">
          {task.subtasks.map((child) => {
            const status = ticked.get(child.id) ?? child.status;
            return (
              <li key={child.id} className="flex items-center gap-3 py-2.5" data-testid="subtask">
                <TickButton
                  status={status}
                  title={child.title}
                  disabled={!mayEdit}
                  onTick={(wanted) => void tick(child.id, wanted)}
                />
                <Link
                  href={`/tasks/${child.id}`}
                  className={`min-w-0 text-[15px] leading-6 wrap-anywhere hover:underline ${status === "completed" ? "text-muted line-through decoration-line-strong" : ""}`}
                >
                  <bdi>{child.title}</bdi>
                </Link>
              </li>
            );
          })}
        </ul>
      )}
      {mayEdit && (
        <form onSubmit={(event) => void add(event)} className="mt-3 flex gap-2">
          <input
            aria-label="New subtask"
            placeholder="Add a subtask"
            value={title}
            onChange={(event) => setTitle(event.target.value)}
            disabled={!hydrated}
            required
            maxLength={500}
            autoComplete="off"
            className={inputClass}
          />
          <Button type="submit" look="secondary" className="h-10" disabled={!hydrated || !title.trim()}>
            Add
          </Button>
        </form>
      )}
    </section>
  );
}
