"use client";

import { Search } from "lucide-react";
import dynamic from "next/dynamic";
import { useEffect, useRef, useState } from "react";
import { useToast } from "../Toast";

// Read when it is first opened: no page waits for it.
const CommandMenu = dynamic(() => import("./CommandMenu").then((loaded) => loaded.CommandMenu), {
  ssr: false,
});

/** A button, and Ctrl+K or ⌘K, that open what leads everywhere. */
export function CommandKey() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isUsed, setUsed] = useState(false);
  const [toast, show] = useToast();

  function open() {
    setUsed(true);
    if (!dialog.current?.open) dialog.current?.showModal();
  }

  useEffect(() => {
    function onKeyDown(event: KeyboardEvent) {
      if (
        event.key.toLowerCase() !== "k" ||
        !(event.ctrlKey || event.metaKey) ||
        event.altKey ||
        event.shiftKey
      )
        return;
      event.preventDefault();
      open();
    }
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, []);

  return (
    <>
      <button
        type="button"
        aria-label="Search and commands"
        aria-haspopup="dialog"
        aria-keyshortcuts="Control+K Meta+K"
        title="Search and commands (Ctrl K)"
        onClick={open}
        className="grid size-8 place-items-center rounded-full text-muted hover:bg-raised hover:text-ink"
      >
        <Search className="size-[18px]" strokeWidth={1.75} aria-hidden="true" />
      </button>
      <dialog
        ref={dialog}
        aria-label="Search and commands"
        className="mx-auto mt-[10dvh] mb-auto min-h-16 w-[calc(100%-2rem)] max-w-xl rounded-2xl border border-line bg-surface p-3 text-ink shadow-card backdrop:bg-black/40 open:animate-appear"
      >
        {isUsed && <CommandMenu dialog={dialog} show={show} />}
      </dialog>
      {toast}
    </>
  );
}
