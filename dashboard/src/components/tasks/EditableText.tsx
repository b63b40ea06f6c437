"use client";

import { type KeyboardEvent, useState } from "react";
import { useHydrated } from "@/hooks/useHydrated";
import { type BridgeError } from "@/lib/api/dashboard";
import { Button } from "../Button";
import { Notice } from "../Notice";

interface Draft {
  text: string;
  /** What stood there when the person began to write. */
  from: string;
}

/**
 * Text that is edited where it stands and saved when the person leaves it. If somebody else changed it meanwhile, the
 * person chooses: what they wrote is never lost or put over it silently.
 */
export function EditableText(props: {
  label: string;
  value: string;
  mayEdit: boolean;
  multiline?: boolean;
  maxLength?: number;
  onSave: (text: string) => Promise<void>;
  className: string;
}) {
  const { label, value, mayEdit, multiline, maxLength, onSave, className } = props;
  const hydrated = useHydrated();
  const [draft, setDraft] = useState<Draft>();
  const [problem, setProblem] = useState<string>();

  async function save(force = false) {
    if (!draft) return;
    const text = multiline ? draft.text.trimEnd() : draft.text.replace(/\s+/g, " ").trim();
    if (text === value || (!text && !multiline)) return drop();
    if (!force && draft.from !== value) return setProblem("Somebody changed this while you were writing.");
    try {
      await onSave(text);
      drop();
    } catch (error) {
      const { status, message } = error as BridgeError;
      setProblem(status === 409 ? "Somebody changed this task meanwhile." : message);
    }
  }

  function drop() {
    setDraft(undefined);
    setProblem(undefined);
  }

  function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>) {
    if (event.key === "Escape") drop();
    const finished = event.key === "Enter" && (multiline ? event.ctrlKey || event.metaKey : true);
    // While an input method composes, Enter chooses a character.
    if (!finished || event.nativeEvent.isComposing) return;
    event.preventDefault();
    event.currentTarget.blur();
  }

  return (
    <div className="min-w-0 flex-1">
      <textarea
        aria-label={label}
        dir="auto"
        rows={1}
        value={draft?.text ?? value}
        placeholder={mayEdit ? `Add a ${label.toLowerCase()}` : ""}
        maxLength={maxLength}
        readOnly={!mayEdit}
        disabled={!hydrated}
        onChange={({ target }) =>
          setDraft((earlier) => ({ text: target.value, from: earlier?.from ?? value }))
        }
        onBlur={() => void save()}
        onKeyDown={onKeyDown}
        className={`-mx-2 -my-1 field-sizing-content w-[calc(100%+1rem)] resize-none rounded-lg bg-transparent px-2 py-1 wrap-anywhere text-ink placeholder:font-normal placeholder:text-muted read-write:hover:bg-raised focus-visible:bg-surface focus-visible:outline-offset-0 ${className}`}
      />
      {problem && draft && (
        <div className="mt-2">
          <Notice tone="problem">
            <p>{problem}</p>
            {draft.from !== value && (
              <p className="mt-1 line-clamp-3 wrap-anywhere">
                It is now: <bdi>{value || "empty"}</bdi>
              </p>
            )}
            <div className="mt-3 flex flex-wrap gap-2">
              <Button look="secondary" onClick={() => void save(true)}>
                Save mine
              </Button>
              <Button look="secondary" onClick={drop}>
                Discard mine
              </Button>
            </div>
          </Notice>
        </div>
      )}
    </div>
  );
}
