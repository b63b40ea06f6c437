"use client";

import { Trash2 } from "lucide-react";
import { type ReactNode, useId } from "react";
import { useHydrated } from "@/hooks/useHydrated";
import type { TaskChange, TaskPage } from "@/lib/api/dashboard";
import { Button } from "../Button";
import { Due } from "./Due";
import { DueField } from "./DueField";
import { PRIORITIES, STATUS, type Status } from "./status";
import { TagField } from "./TagField";

const selectClass =
  "h-9 w-full rounded-lg border border-line-strong bg-surface px-2.5 text-sm text-ink hover:border-ink disabled:opacity-70";

/** Status, due date, priority, assignee and tags of a task, each changed at once; and what only its owner may do. */
export function TaskFields(props: {
  task: TaskPage;
  me: string;
  zone: string;
  mayEdit: boolean;
  onChange: (change: TaskChange) => void;
  onDelete: () => void;
}) {
  const { task, me, zone, mayEdit, onChange } = props;
  const hydrated = useHydrated();
  const disabled = !hydrated || !mayEdit;
  const person = task.people.find(({ user_id }) => user_id === task.assignee);
  return (
    <section aria-label="Fields" className="grid gap-4 lg:row-span-2">
      <Row label="Status">
        {(id) => (
          <select
            id={id}
            value={task.status}
            disabled={disabled}
            onChange={(event) => onChange({ status: event.target.value as Status })}
            className={selectClass}
          >
            {Object.entries(STATUS).map(([value, { label }]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        )}
      </Row>
      <DueField due={task.due} zone={zone} disabled={disabled} onChange={(due) => onChange({ due })}>
        {task.due && <Due due={task.due} done={task.status === "completed"} zone={zone} />}
      </DueField>
      {task.recurrence && (
        <div className="text-sm">
          <p className="text-[13px] text-muted">Repeats</p>
          <p className="mt-0.5 wrap-anywhere">{task.recurrence}</p>
        </div>
      )}
      <Row label="Priority">
        {(id) => (
          <select
            id={id}
            value={task.priority}
            disabled={disabled}
            onChange={(event) => onChange({ priority: event.target.value as TaskPage["priority"] })}
            className={`${selectClass} capitalize`}
          >
            {PRIORITIES.map((value) => (
              <option key={value} value={value}>
                {value}
              </option>
            ))}
          </select>
        )}
      </Row>
      <Row label="Assignee">
        {(id) => (
          <select
            id={id}
            value={task.assignee ?? ""}
            disabled={disabled}
            onChange={(event) => onChange({ assignee: event.target.value || null })}
            className={selectClass}
          >
            <option value="">Nobody</option>
            {task.assignee && !person && <option value={task.assignee}>{task.assignee}</option>}
            {task.people.map(({ user_id, name, email }) => (
              <option key={user_id} value={user_id}>
                {name ?? email ?? user_id}
                {user_id === me ? " (you)" : ""}
              </option>
            ))}
          </select>
        )}
      </Row>
      <TagField tags={task.tags} disabled={disabled} onChange={(tags) => onChange({ tags })} />
      {task.access === "owner" ? (
        <Button look="secondary" className="mt-2" disabled={!hydrated} onClick={props.onDelete}>
          <Trash2 className="size-4 text-muted" aria-hidden="true" />
          Delete task
        </Button>
      ) : (
        <p className="text-[13px] leading-5 text-muted">
          {task.access === "view"
            ? "You may read this task, not change it."
            : "Only its owner may delete it."}
        </p>
      )}
    </section>
  );
}

function Row({ label, children }: { label: string; children: (id: string) => ReactNode }) {
  const id = useId();
  return (
    <div>
      <label htmlFor={id} className="mb-1 block text-[13px] text-muted">
        {label}
      </label>
      {children(id)}
    </div>
  );
}
