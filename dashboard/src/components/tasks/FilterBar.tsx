"use client";

import { SlidersHorizontal } from "lucide-react";
import { type RefObject, useEffect, useState } from "react";
import { useHydrated } from "@/hooks/useHydrated";
import type { Team } from "@/lib/api/dashboard";
import {
  DUES,
  mayBeCompleted,
  NO_FILTER,
  SORTS,
  STATUSES,
  type TaskFilter,
  withStatus,
} from "@/lib/task-filter";
import { Button } from "../Button";
import { inputClass } from "../Field";

const selectClass =
  "h-9 max-w-full min-w-0 rounded-lg border border-line-strong bg-surface px-2 text-sm text-ink hover:border-ink";
const TYPING_MS = 250;

/** Which tasks are listed, and in which order. On a phone only the search is always there. */
export function FilterBar(props: {
  filter: TaskFilter;
  teams: Team[];
  me: string;
  /** The person's clients, with their names. */
  clients: Record<string, string>;
  search: RefObject<HTMLInputElement | null>;
  onChange: (filter: TaskFilter) => void;
}) {
  const { filter, teams, me, onChange } = props;
  const hydrated = useHydrated();
  const [open, setOpen] = useState(false);
  const set = (change: Partial<TaskFilter>) => onChange({ ...filter, ...change });
  const active = Object.entries(filter).filter(
    ([name, value]) => value !== NO_FILTER[name as keyof TaskFilter],
  ).length;

  return (
    <search className="flex flex-col gap-2 sm:flex-row sm:flex-wrap">
      <div className="flex gap-2 sm:w-56">
        <DelayedInput
          label="Search"
          placeholder="Search"
          type="search"
          value={filter.q}
          field={props.search}
          onChange={(q) => set({ q })}
        />
        <Button
          look="secondary"
          className="h-10 sm:hidden"
          aria-expanded={open}
          aria-controls="filters"
          onClick={() => setOpen(!open)}
        >
          <SlidersHorizontal className="size-4 text-muted" aria-hidden="true" />
          Filters{active > 0 ? ` (${active})` : ""}
        </Button>
      </div>
      <div id="filters" className={`flex-wrap gap-2 ${open ? "flex" : "hidden sm:flex"}`}>
        <Choice
          label="Status"
          value={filter.status}
          options={STATUSES}
          onChange={(status) => onChange(withStatus(filter, status))}
        />
        <Choice label="Due" value={filter.due} options={DUES} onChange={(due) => set({ due })} />
        {teams.length > 0 && (
          <Choice
            label="Team"
            value={filter.team}
            options={{ "": "All teams", ...Object.fromEntries(teams.map(({ id, name }) => [id, name])) }}
            onChange={(team) => set({ team })}
          />
        )}
        <Choice
          label="Assignee"
          value={filter.assignee}
          options={{
            "": "Anybody",
            [me]: "Assigned to me",
            ...(filter.assignee && filter.assignee !== me ? { [filter.assignee]: filter.assignee } : {}),
          }}
          onChange={(assignee) => set({ assignee })}
        />
        <div className="w-32">
          <DelayedInput
            label="Tag"
            placeholder="Tag"
            value={filter.tag}
            onChange={(tag) => set({ tag })}
            small
          />
        </div>
        {mayBeCompleted(filter.status) && <Completion {...props} />}
        <Choice label="Order" value={filter.sort} options={SORTS} onChange={(sort) => set({ sort })} />
        {active > 0 && (
          <Button look="quiet" disabled={!hydrated} onClick={() => onChange(NO_FILTER)}>
            Clear
          </Button>
        )}
      </div>
    </search>
  );
}

const SEPARATOR = " ";

/** When and by whom a task was completed. */
function Completion({ filter, me, clients, onChange }: Parameters<typeof FilterBar>[0]) {
  const chosen = [filter.by, filter.with].join(SEPARATOR).trim();
  const own = Object.entries(clients).map(([id, name]) => [`${me}${SEPARATOR}${id}`, `By me with ${name}`]);
  const options = { "": "By anybody", [me]: "By me", ...Object.fromEntries(own) };
  return (
    <>
      <DayInput
        label="Completed from"
        value={filter.from}
        onChange={(from) => onChange({ ...filter, from })}
      />
      <DayInput label="Completed to" value={filter.to} onChange={(to) => onChange({ ...filter, to })} />
      <Choice
        label="Completed by"
        value={chosen}
        options={Object.hasOwn(options, chosen) ? options : { ...options, [chosen]: chosen }}
        onChange={(value) => {
          const [by = "", ...client] = value.split(SEPARATOR);
          onChange({ ...filter, by, with: client.join(SEPARATOR) });
        }}
      />
    </>
  );
}

function DayInput(props: { label: string; value: string; onChange: (day: string) => void }) {
  const hydrated = useHydrated();
  return (
    <label className="flex h-9 items-center gap-2 text-sm text-muted">
      {props.label}
      <input
        type="date"
        value={props.value}
        disabled={!hydrated}
        onChange={(event) => props.onChange(event.target.value)}
        className={selectClass}
      />
    </label>
  );
}

function Choice<Value extends string>(props: {
  label: string;
  value: Value;
  options: Record<Value, string>;
  onChange: (value: Value) => void;
}) {
  const hydrated = useHydrated();
  return (
    <select
      aria-label={props.label}
      value={props.value}
      disabled={!hydrated}
      onChange={(event) => props.onChange(event.target.value as Value)}
      className={selectClass}
    >
      {Object.entries<string>(props.options).map(([value, label]) => (
        <option key={value} value={value}>
          {label}
        </option>
      ))}
    </select>
  );
}

/** A field that tells what is in it once the person pauses. */
function DelayedInput(props: {
  label: string;
  placeholder: string;
  value: string;
  type?: string;
  small?: boolean;
  field?: RefObject<HTMLInputElement | null>;
  onChange: (value: string) => void;
}) {
  const { label, placeholder, value, type = "text", small, field, onChange } = props;
  const hydrated = useHydrated();
  const [draft, setDraft] = useState<string>();
  useEffect(() => {
    if (draft === undefined) return;
    const timer = setTimeout(() => {
      if (draft !== value) onChange(draft);
      setDraft(undefined);
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [draft, value, onChange]);
  return (
    <input
      ref={field}
      type={type}
      aria-label={label}
      placeholder={placeholder}
      value={draft ?? value}
      disabled={!hydrated}
      maxLength={200}
      autoComplete="off"
      onChange={(event) => setDraft(event.target.value)}
      onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
      className={small ? inputClass.replace("h-10", "h-9") : inputClass}
    />
  );
}
