"use client";

import { X } from "lucide-react";
import { type KeyboardEvent, useId, useState } from "react";

/** The tags of a task: Enter or a comma adds what is written, the cross takes one away. */
export function TagField(props: { tags: string[]; disabled: boolean; onChange: (tags: string[]) => void }) {
  const { tags, disabled, onChange } = props;
  const id = useId();
  const [text, setText] = useState("");

  function add() {
    const tag = text.trim().replace(/^#/, "");
    if (tag && !tags.includes(tag)) onChange([...tags, tag]);
    setText("");
  }

  function onKeyDown(event: KeyboardEvent) {
    if ((event.key === "Enter" || event.key === ",") && !event.nativeEvent.isComposing) {
      event.preventDefault();
      add();
    }
    if (event.key === "Backspace" && !text && tags.length > 0) onChange(tags.slice(0, -1));
  }

  return (
    <div>
      <label htmlFor={id} className="mb-1 block text-[13px] text-muted">
        Tags
      </label>
      <div className="flex flex-wrap gap-1.5 rounded-lg border border-line-strong bg-surface p-1.5 focus-within:border-accent hover:border-ink">
        {tags.map((tag) => (
          <span
            key={tag}
            className="inline-flex max-w-full items-center gap-1 rounded-md bg-raised py-0.5 pr-1 pl-2 text-[13px]"
          >
            <bdi className="truncate">{tag}</bdi>
            {!disabled && (
              <button
                type="button"
                aria-label={`Remove the tag ${tag}`}
                onClick={() => onChange(tags.filter((each) => each !== tag))}
                className="grid size-5 place-items-center rounded text-muted hover:text-ink"
              >
                <X className="size-3.5" aria-hidden="true" />
              </button>
            )}
          </span>
        ))}
        <input
          id={id}
          value={text}
          disabled={disabled || tags.length >= 20}
          maxLength={50}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKeyDown}
          onBlur={add}
          autoComplete="off"
          className="h-6 min-w-16 flex-1 bg-transparent px-1 text-sm text-ink outline-none disabled:opacity-70"
        />
      </div>
    </div>
  );
}
