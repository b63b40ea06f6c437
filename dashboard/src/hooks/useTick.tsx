"use client";

import { useCallback } from "react";
import type { Message } from "@/components/Toast";
import {
  type Activity,
  type BridgeError,
  browserBridge,
  type ChangedTask,
  type ListedTask,
  readBridge,
  type TaskChange,
  writeBridge,
} from "@/lib/api/dashboard";
import { refusalOf } from "@/lib/tasks";

type Save = (task: ListedTask, change: TaskChange) => Promise<ChangedTask>;

/** A function that completes a task, or opens it again, and offers to take that back. */
export function useTick(save: Save, changed: (id: number) => void, show: (message: Message) => void) {
  return useCallback(
    async (task: ListedTask, status: ListedTask["status"]): Promise<void> => {
      async function undo() {
        try {
          await takeBack(task.id);
        } catch (error) {
          show({ text: refusalOf(error as BridgeError), tone: "problem" });
        }
        changed(task.id);
      }
      try {
        const { next_occurrence: next } = await save(task, { status });
        const done = status === "completed" ? "Completed" : "Open again";
        show({
          text: (
            <>
              {done}: <bdi>{task.title}</bdi>
              {next ? `. The next one is due ${next.due}.` : ""}
            </>
          ),
          undo: () => void undo(),
        });
      } catch (error) {
        show({ text: refusalOf(error as BridgeError), tone: "problem" });
      }
    },
    [save, changed, show],
  );
}

/** Undoes the last change of a task with all that its call did, such as the next occurrence that it added. */
async function takeBack(id: number): Promise<void> {
  const { changes } = await readBridge<Activity>(browserBridge, `/activity?task_id=${id}&limit=1`);
  const last = changes[0];
  if (last) await writeBridge("POST", `/activity/${last.id}/undo?expected_version=${last.version}`);
}
