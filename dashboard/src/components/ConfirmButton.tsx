"use client";

import { type ComponentProps, useId, useRef, useState, useTransition } from "react";
import { BridgeError } from "@/lib/api/dashboard";
import { Button } from "./Button";
import { Notice } from "./Notice";

interface Props {
  label: string;
  /** Distinguishes the buttons of a list for screen readers. */
  subject: string;
  title: string;
  text: string;
  action: () => Promise<void>;
  look?: ComponentProps<typeof Button>["look"];
}

/** A button for an action that cannot be undone: it asks for confirmation and reports failure. */
export function ConfirmButton({ label, subject, title, text, action, look = "secondary" }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const [problem, setProblem] = useState<string>();
  const [busy, start] = useTransition();

  function confirm() {
    setProblem(undefined);
    start(async () => {
      try {
        await action();
        dialog.current?.close();
      } catch (error) {
        setProblem(
          error instanceof BridgeError
            ? error.message
            : "That did not work: the server could not be reached. Try again.",
        );
      }
    });
  }

  return (
    <>
      <Button
        look={look}
        aria-label={`${label} ${subject}`}
        aria-haspopup="dialog"
        onClick={() => dialog.current?.showModal()}
      >
        {label}
      </Button>
      <dialog
        ref={dialog}
        role="alertdialog"
        aria-labelledby={`${id}-title`}
        aria-describedby={`${id}-text`}
        className="m-auto w-[calc(100%-2rem)] max-w-md rounded-2xl border border-line bg-surface p-6 text-ink shadow-card backdrop:bg-black/40 backdrop:backdrop-blur-[2px] open:animate-appear"
      >
        <h2 id={`${id}-title`} className="text-lg font-semibold tracking-tight text-balance wrap-anywhere">
          {title}
        </h2>
        <p id={`${id}-text`} className="mt-2 text-sm leading-relaxed text-muted">
          {text}
        </p>
        {problem && (
          <div className="mt-4">
            <Notice tone="problem">{problem}</Notice>
          </div>
        )}
        <div className="mt-6 flex justify-end gap-3">
          <Button look="secondary" onClick={() => dialog.current?.close()}>
            Cancel
          </Button>
          <Button look="danger" disabled={busy} onClick={confirm}>
            {label}
          </Button>
        </div>
      </dialog>
    </>
  );
}
