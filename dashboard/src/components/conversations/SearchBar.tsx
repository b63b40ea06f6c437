"use client";

import { type RefObject, useEffect, useState } from "react";
import { useHydrated } from "@/hooks/useHydrated";
import { type ConversationSearch, NO_SEARCH, ROLES } from "@/lib/conversations";
import { inputClass } from "../Field";

const TYPING_MS = 250;
const smallClass =
  "h-9 max-w-full min-w-0 rounded-lg border border-line-strong bg-surface px-2 text-sm text-ink hover:border-ink";

/** What to look for in all messages; once there are words, also from whom and when. */
export function SearchBar(props: {
  search: ConversationSearch;
  field: RefObject<HTMLInputElement | null>;
  onChange: (search: ConversationSearch) => void;
}) {
  const { search, field, onChange } = props;
  const hydrated = useHydrated();
  const [draft, setDraft] = useState<string>();
  useEffect(() => {
    if (draft === undefined) return;
    const timer = setTimeout(() => {
      if (draft !== search.q) onChange(draft.trim() ? { ...search, q: draft } : NO_SEARCH);
      setDraft(undefined);
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [draft, search, onChange]);
  const set = (change: Partial<ConversationSearch>) => onChange({ ...search, ...change });

  return (
    <search className="flex flex-col gap-2 sm:flex-row sm:flex-wrap sm:items-center">
      <div className="sm:w-72">
        <input
          ref={field}
          type="search"
          aria-label="Search in conversations"
          placeholder="Search in all messages"
          value={draft ?? search.q}
          disabled={!hydrated}
          maxLength={400}
          dir="auto"
          autoComplete="off"
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
          className={inputClass}
        />
      </div>
      {search.q.trim() && (
        <div className="flex flex-wrap items-center gap-2">
          <select
            aria-label="From"
            value={search.from}
            disabled={!hydrated}
            onChange={(event) => set({ from: event.target.value })}
            className={smallClass}
          >
            <option value="">From anybody</option>
            {Object.entries(ROLES).map(([role, label]) => (
              <option key={role} value={role}>
                From {role === "user" ? "you" : `the ${label.toLowerCase()}`}
              </option>
            ))}
          </select>
          {(["after", "before"] as const).map((name) => (
            <label key={name} className="flex items-center gap-2 text-[13px] text-muted">
              {name === "after" ? "Since" : "Before"}
              <input
                type="date"
                value={search[name]}
                disabled={!hydrated}
                onChange={(event) => set({ [name]: event.target.value })}
                className={smallClass}
              />
            </label>
          ))}
          <select
            aria-label="Order"
            value={search.sort}
            disabled={!hydrated}
            onChange={(event) => set({ sort: event.target.value === "newest" ? "newest" : "best" })}
            className={smallClass}
          >
            <option value="best">Best first</option>
            <option value="newest">Newest first</option>
          </select>
        </div>
      )}
    </search>
  );
}
