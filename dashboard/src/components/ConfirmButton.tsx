"use client";

import { AlertDialog } from "@base-ui/react/alert-dialog";
import { useState, useTransition } from "react";
import { Button, buttonClass } from "./Button";
import { Notice } from "./Notice";

interface Props {
  label: string;
  /** Tells apart the buttons of a list. */
  subject: string;
  title: string;
  text: string;
  action: () => Promise<void>;
}

/** A button for what cannot be undone: it asks first, and says when it did not work. */
export function ConfirmButton({ label, subject, title, text, action }: Props) {
  const [open, setOpen] = useState(false);
  const [failed, setFailed] = useState(false);
  const [busy, start] = useTransition();

  function confirm() {
    start(async () => {
      try {
        await action();
        setOpen(false);
      } catch {
        setFailed(true);
      }
    });
  }

  return (
    <AlertDialog.Root open={open} onOpenChange={setOpen} onOpenChangeComplete={() => setFailed(false)}>
      <AlertDialog.Trigger className={buttonClass("secondary")} aria-label={`${label} ${subject}`}>
        {label}
      </AlertDialog.Trigger>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className="fixed inset-0 z-40 animate-appear bg-black/35 backdrop-blur-[2px]" />
        <AlertDialog.Popup className="fixed top-1/2 left-1/2 z-50 w-[calc(100%-2rem)] max-w-md -translate-x-1/2 -translate-y-1/2 animate-appear rounded-2xl border border-line bg-surface p-6 shadow-card outline-none">
          <AlertDialog.Title className="text-lg font-semibold tracking-tight text-balance">
            {title}
          </AlertDialog.Title>
          <AlertDialog.Description className="mt-2 text-sm leading-relaxed text-muted">
            {text}
          </AlertDialog.Description>
          {failed && (
            <div className="mt-4">
              <Notice tone="problem">That did not work: the server could not be reached. Try again.</Notice>
            </div>
          )}
          <div className="mt-6 flex justify-end gap-3">
            <AlertDialog.Close className={buttonClass("secondary")}>Cancel</AlertDialog.Close>
            <Button look="danger" disabled={busy} onClick={confirm}>
              {label}
            </Button>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
