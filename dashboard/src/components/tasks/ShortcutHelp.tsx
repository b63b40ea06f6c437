"use client";

import type { RefObject } from "react";
import { Button } from "../Button";

const KEYS = [
  ["c", "Add a task"],
  ["j", "Next task"],
  ["k", "Task before"],
  ["e", "Complete the task, or open it again"],
  ["Enter", "Open the task"],
  ["/", "Search"],
  ["Ctrl K or ⌘K", "Search everything, go to a page, add a task"],
  ["?", "This list"],
] as const;

/** The keys of the page. */
export function ShortcutHelp({ dialog }: { dialog: RefObject<HTMLDialogElement | null> }) {
  return (
    <dialog
      ref={dialog}
      aria-labelledby="shortcuts"
      className="m-auto w-[calc(100%-2rem)] max-w-sm rounded-2xl border border-line bg-surface p-6 text-ink shadow-card backdrop:bg-black/40 open:animate-appear"
    >
      <h2 id="shortcuts" className="text-lg font-semibold tracking-tight">
        Keyboard
      </h2>
      <dl className="mt-4 grid grid-cols-[auto_minmax(0,1fr)] items-center gap-x-4 gap-y-2 text-sm">
        {KEYS.map(([key, meaning]) => (
          <div key={key} className="contents">
            <dt>
              <kbd className="inline-block min-w-7 rounded-md border border-line-strong bg-raised px-1.5 text-center font-sans text-[13px] leading-6">
                {key}
              </kbd>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <div className="mt-6 flex justify-end">
        <Button look="secondary" onClick={() => dialog.current?.close()}>
          Close
        </Button>
      </div>
    </dialog>
  );
}
