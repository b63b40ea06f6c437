"use client";

import { useCallback, useRef, useState } from "react";
import {
  type Activity,
  BridgeError,
  browserBridge,
  type ChangedTask,
  readBridge,
  type TaskChange,
  type TaskPage,
  writeBridge,
} from "@/lib/api/dashboard";
import { withChange } from "@/lib/tasks";
import { type Live, useLive } from "./useLive";

/** A task, or that it is deleted and may be restored. */
export type TaskState = TaskPage | { deleted: true; title: string };

interface EditedTask extends Live {
  state?: TaskState;
  /** Changes the task at once on the screen, then on the server; rejects, with the screen as before, if that fails. */
  save: (change: TaskChange) => Promise<ChangedTask>;
  /** Reads another page of the history. */
  more: () => void;
}

/** Everything of one task, kept current. */
export function useTask(id: number, initial?: TaskState): EditedTask {
  const [read, setRead] = useState(initial);
  const [pending, setPending] = useState<TaskChange[]>([]);
  const pages = useRef(1);
  const version = useRef(initial && "version" in initial ? initial.version : 0);
  const queue = useRef<Promise<unknown>>(Promise.resolve());

  const load = useCallback(async () => {
    const state = await readTask(id, pages.current);
    if ("version" in state) {
      // An older answer that arrives late would show the value from before a change.
      if (state.version < version.current) return;
      version.current = state.version;
    }
    setRead(state);
  }, [id]);
  const live = useLive(load, "task", initial === undefined);
  const { refresh } = live;

  const save = useCallback(
    (change: TaskChange) => {
      setPending((earlier) => [...earlier, change]);
      // One after the other: each change expects the version that the one before it made.
      const saved = queue.current.then(async () => {
        try {
          const expected = { ...change, expected_version: version.current };
          const changed = await writeBridge<ChangedTask>("PATCH", `/tasks/${id}`, expected);
          version.current = Math.max(version.current, changed.version);
          setRead(
            (earlier) =>
              earlier && ({ ...withChange(earlier, change), version: changed.version } as TaskState),
          );
          return changed;
        } finally {
          setPending((earlier) => earlier.filter((one) => one !== change));
          refresh();
        }
      });
      queue.current = saved.catch(() => undefined);
      return saved;
    },
    [id, refresh],
  );

  const more = useCallback(() => {
    pages.current += 1;
    refresh();
  }, [refresh]);

  return { ...live, state: read && pending.reduce(withChange, read), save, more };
}

async function readTask(id: number, pages: number): Promise<TaskState> {
  try {
    const task = await readBridge<TaskPage>(browserBridge, `/tasks/${id}`);
    for (let page = 1; page < pages && task.history_cursor; page++) {
      const cursor = encodeURIComponent(task.history_cursor);
      const older = await readBridge<Activity>(
        browserBridge,
        `/activity?task_id=${id}&limit=50&cursor=${cursor}`,
      );
      task.history = [...task.history, ...older.changes];
      task.history_cursor = older.next_cursor;
    }
    return task;
  } catch (error) {
    if (!(error instanceof BridgeError) || error.status !== 404) throw error;
    const { changes } = await readBridge<Activity>(browserBridge, `/activity?task_id=${id}&limit=1`);
    if (!changes[0]?.deleted) throw error;
    return { deleted: true, title: changes[0].title };
  }
}
