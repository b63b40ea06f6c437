"use client";

import { X } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";

const SHOWN_MS = 10_000;

export interface Message {
  text: ReactNode;
  tone?: "info" | "problem";
  /** A button that takes back what the message tells of. */
  undo?: () => void;
}

/** A short message at the lower edge that goes by itself; screen readers announce it. */
export function Toast({ message, onClose }: { message?: Message; onClose: () => void }) {
  useEffect(() => {
    if (!message || message.tone === "problem") return;
    const timer = setTimeout(onClose, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [message, onClose]);
  return (
    <div
      role="status"
      className="pointer-events-none fixed inset-x-4 bottom-20 z-30 flex justify-center sm:bottom-6"
    >
      {message && (
        <div
          data-testid="toast"
          className={`pointer-events-auto flex max-w-xl animate-appear items-start gap-3 rounded-xl px-4 py-3 text-sm shadow-card ${
            message.tone === "problem" ? "bg-danger text-surface" : "bg-ink text-canvas"
          }`}
        >
          <p className="min-w-0 leading-5 wrap-anywhere">{message.text}</p>
          {message.undo && (
            <button
              type="button"
              className="shrink-0 leading-5 font-semibold underline underline-offset-2"
              onClick={() => {
                message.undo?.();
                onClose();
              }}
            >
              Undo
            </button>
          )}
          <button type="button" aria-label="Close the message" onClick={onClose} className="mt-0.5 shrink-0">
            <X className="size-4" aria-hidden="true" />
          </button>
        </div>
      )}
    </div>
  );
}

/** The message of a page, and a function that shows another one. */
export function useToast(): [ReactNode, (message: Message) => void] {
  const [message, show] = useState<Message>();
  const [close] = useState(() => () => show(undefined));
  return [<Toast key="toast" message={message} onClose={close} />, show];
}
