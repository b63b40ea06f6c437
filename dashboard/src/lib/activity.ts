import type { Change } from "./api/dashboard";
import { dayIn } from "./timezones";

/** How the feed of changes is worded and grouped. */

/** Changes that one call made, newest first. */
export interface Call {
  id: string;
  /** The last change of the call. */
  first: Change;
  changes: Change[];
}

/** The calls of one day in the person's time zone (2026-03-01). */
export interface Day {
  date: string;
  calls: Call[];
}

/** Changes, newest first, by day and call. */
export function byDay(changes: Change[], zone: string): Day[] {
  const days: Day[] = [];
  for (const change of changes) {
    const date = dayIn(zone, new Date(change.at));
    if (days.at(-1)?.date !== date) days.push({ date, calls: [] });
    const { calls } = days.at(-1) as Day;
    const last = calls.at(-1);
    if (last?.id === change.call && last.first.user_id === change.user_id) last.changes.push(change);
    else calls.push({ id: change.call, first: change, changes: [change] });
  }
  return days;
}

const VERBS: Record<string, string> = {
  task_created: "added",
  task_updated: "changed",
  task_completed: "completed",
  task_deleted: "deleted",
  task_restored: "restored",
  task_shared: "shared",
  task_unshared: "stopped sharing",
};

/** What a call did, in one word or two. */
export function verbOf({ first, changes }: Call): string {
  if (changes.some(({ undoes }) => undoes)) return "took back a change of";
  const kinds = new Set(changes.map(({ event_type }) => event_type));
  // A recurring task that is completed also gets its next occurrence.
  if (kinds.has("task_completed")) return "completed";
  return kinds.size === 1 ? (VERBS[first.event_type] ?? "changed") : "changed";
}

const CLIENTS: Record<string, string> = {
  dashboard: "the dashboard",
  stdio: "a client on this machine",
  taskdeck: "a printed token",
  "": "a client without a name",
};

/** A client as people know it. `names` are those of registered clients, by id. */
export function clientName(client: string | null | undefined, names: Record<string, string>): string {
  const id = client ?? "";
  return names[id] ?? CLIENTS[id] ?? id;
}

/** Who did it: a client of the person's, the person themselves on the dashboard, or somebody else with their client. */
export function actorOf(change: Change, names: Record<string, string>): string {
  if (change.own) return change.client === "dashboard" ? "You" : upperFirst(clientName(change.client, names));
  const name = change.user_name ?? change.user_id;
  return change.client === "dashboard" ? name : `${name}, with ${clientName(change.client, names)},`;
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Who made the last change of a task, in words: "Changed by Claude, for you". */
export function attribution(change: Change, names: Record<string, string>): string {
  const verb = change.undoes ? "Changed back" : upperFirst(VERBS[change.event_type] ?? "changed");
  if (!change.own) return `${verb} by ${actorOf(change, names).replace(/,$/, "")}`;
  return change.client === "dashboard"
    ? `${verb} by you`
    : `${verb} by ${clientName(change.client, names)}, for you`;
}

/** How much each client did, in words: "Claude completed 4, added 2; Cursor changed 1". */
export function summaryOf(changes: Change[], names: Record<string, string>): string {
  const clients = new Map<string, Map<string, number>>();
  for (const change of changes) {
    const actor = actorOf(change, names).replace(/,$/, "");
    const verb = VERBS[change.event_type] ?? "changed";
    const counts = clients.get(actor) ?? new Map<string, number>();
    clients.set(actor, counts.set(verb, (counts.get(verb) ?? 0) + 1));
  }
  return [...clients]
    .map(([actor, counts]) => `${actor} ${[...counts].map(([verb, count]) => `${verb} ${count}`).join(", ")}`)
    .join("; ");
}

const FIELDS: Record<string, string> = {
  team_id: "team",
  parent_id: "task above",
  recurrence: "repeats",
  permission: "may",
};

/** The changed fields: a label, and the values before and after as text. */
export function fieldsOf({ changes }: Change): { label: string; before: string; after: string }[] {
  return Object.entries(changes).flatMap(([name, change]) =>
    Array.isArray(change) && change.length === 2
      ? [{ label: FIELDS[name] ?? name, before: asText(change[0]), after: asText(change[1]) }]
      : [],
  );
}

function asText(value: unknown): string {
  if (value === null || value === undefined || value === "") return "none";
  if (Array.isArray(value)) return value.length ? value.join(", ") : "none";
  return String(value).replaceAll("_", " ");
}

/** The day as a heading: Today, Yesterday, or the date; without `now` always the date. */
export function dayName(date: string, zone: string, now?: Date): string {
  const distance = now ? (Date.parse(dayIn(zone, now)) - Date.parse(date)) / 86_400_000 : NaN;
  if (distance === 0) return "Today";
  if (distance === 1) return "Yesterday";
  return new Date(date).toLocaleDateString("en", {
    weekday: "long",
    day: "numeric",
    month: "long",
    year: distance > 300 ? "numeric" : undefined,
    timeZone: "UTC",
  });
}
