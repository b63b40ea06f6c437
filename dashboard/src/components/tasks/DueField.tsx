"use client";

import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { dayIn, momentAt, timeIn } from "@/lib/timezones";
import { Button } from "../Button";

const fieldClass =
  "h-9 min-w-0 rounded-lg border border-line-strong bg-surface px-2.5 text-sm text-ink hover:border-ink disabled:opacity-70";

const TYPING_MS = 800;

/** A date, with a time if the person wants one; both in the person's time zone. `children` tells it in words. */
export function DueField(props: {
  due?: string | null;
  zone: string;
  disabled: boolean;
  onChange: (due: string | null) => void;
  children: ReactNode;
}) {
  const { due, zone, disabled, onChange } = props;
  const id = useId();
  const [draft, setDraft] = useState<{ date: string; time: string }>();
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const at = due && due.length > 10 ? new Date(due) : undefined;
  const date = at ? dayIn(zone, at) : (due ?? "");
  const time = at ? timeIn(zone, at) : "";

  function write(newDate: string, newTime: string) {
    setDraft({ date: newDate, time: newTime });
    clearTimeout(timer.current);
    // Each digit that is typed makes another date, such as one in the year 20.
    timer.current = setTimeout(() => commit(newDate, newTime), TYPING_MS);
  }

  function commit(newDate: string, newTime: string) {
    clearTimeout(timer.current);
    setDraft(undefined);
    if (newDate < "1970" || (newDate === date && newTime === time)) return;
    onChange(newTime ? momentAt(zone, newDate, newTime) : newDate);
  }

  return (
    <div>
      <label htmlFor={id} className="mb-1 block text-[13px] text-muted">
        Due
      </label>
      <div className="flex gap-2">
        <input
          id={id}
          type="date"
          value={draft?.date ?? date}
          disabled={disabled}
          onChange={(event) => write(event.target.value, draft?.time ?? time)}
          onBlur={() => draft && commit(draft.date, draft.time)}
          className={`${fieldClass} flex-1`}
        />
        {due && (
          <input
            type="time"
            aria-label="Due time"
            value={draft?.time ?? time}
            disabled={disabled}
            onChange={(event) => write(draft?.date ?? date, event.target.value)}
            onBlur={() => draft && commit(draft.date, draft.time)}
            className={fieldClass}
          />
        )}
      </div>
      {due && (
        <p className="mt-1 flex items-center justify-between gap-2 text-[13px] text-muted">
          {props.children}
          {!disabled && (
            <Button look="quiet" className="-mr-2 h-7 px-2 text-[13px]" onClick={() => onChange(null)}>
              No date
            </Button>
          )}
        </p>
      )}
    </div>
  );
}
