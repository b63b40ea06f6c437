"use client";

import { useCallback } from "react";
import type { Message } from "@/components/Toast";
import { type Change, writeBridge } from "@/lib/api/dashboard";

/** A function that takes back a change with everything that the same call changed, and tells what became of it. */
export function useUndo(show: (message: Message) => void, refresh: () => void) {
  return useCallback(
    async (change: Change): Promise<void> => {
      const version = change.event_type === "task_deleted" ? "" : `?expected_version=${change.version}`;
      try {
        const { reverted } = await writeBridge<{ reverted: unknown[] }>(
          "POST",
          `/activity/${change.id}/undo${version}`,
        );
        const count = reverted.length > 1 ? ` (${reverted.length} changes)` : "";
        show({
          text: (
            <>
              Undone{count}: {<bdi>{change.title}</bdi>}
            </>
          ),
        });
      } catch (failure) {
        show({
          text: (failure as Error).message.replace(/; get_task shows its history\./, "."),
          tone: "problem",
        });
      }
      refresh();
    },
    [show, refresh],
  );
}
