"use client";

import { useCallback, useRef, useState } from "react";
import { type ChangedTask, type ListedTask, type TaskChange, writeBridge } from "@/lib/api/dashboard";
import { withChange } from "@/lib/tasks";

/** Called when a change is saved, or without `after` when it was refused. */
type Done = (id: number, change: TaskChange, after?: ChangedTask) => void;

/** Changes of listed tasks that are on the screen at once, and are taken from it again if the server refuses them. */
export function useSaves(done: Done) {
  const [pending, setPending] = useState<{ id: number; change: TaskChange }[]>([]);
  const versions = useRef(new Map<number, number>());
  const queue = useRef<Promise<unknown>>(Promise.resolve());

  const save = useCallback(
    (task: ListedTask, change: TaskChange): Promise<ChangedTask> => {
      const entry = { id: task.id, change };
      setPending((earlier) => [...earlier, entry]);
      // One after the other: each change of a task expects the version that the one before it made.
      const saved = queue.current.then(async () => {
        const expected = Math.max(task.version, versions.current.get(task.id) ?? 0);
        let after: ChangedTask | undefined;
        try {
          const fields = { ...change, expected_version: expected };
          after = await writeBridge<ChangedTask>("PATCH", `/tasks/${task.id}`, fields);
          versions.current.set(task.id, after.version);
          return after;
        } finally {
          done(task.id, change, after);
          setPending((earlier) => earlier.filter((one) => one !== entry));
        }
      });
      queue.current = saved.catch(() => undefined);
      return saved;
    },
    [done],
  );

  /** A task as the person has changed it. */
  const edited = (row: ListedTask): ListedTask =>
    pending.reduce((task, { id, change }) => (id === row.id ? withChange(task, change) : task), row);

  return { save, edited };
}
