/** Which tasks the page Tasks shows. The filter is kept in the address of the page. */

export const STATUSES = {
  open: "Open",
  in_progress: "In progress",
  completed: "Completed",
  all: "All",
} as const;
export const DUES = {
  any: "Due any time",
  overdue: "Overdue",
  today: "Due today",
  week: "Due in 7 days",
  none: "Without a date",
} as const;
export const SORTS = {
  created: "Newest first",
  due: "Due first",
  priority: "Urgent first",
  updated: "Last changed first",
} as const;

export interface TaskFilter {
  status: keyof typeof STATUSES;
  due: keyof typeof DUES;
  sort: keyof typeof SORTS;
  q: string;
  tag: string;
  team: string;
  assignee: string;
  /** Completed from this day to that day, both included (2026-03-01). */
  from: string;
  to: string;
  /** The user id of the person who completed it. */
  by: string;
  /** The client with which it was completed, as histories name it. */
  with: string;
}

/** What only completed tasks have; other lists are not asked for it. */
const OF_COMPLETED = { from: "", to: "", by: "", with: "" };

export const NO_FILTER: TaskFilter = {
  status: "open",
  due: "any",
  sort: "created",
  q: "",
  tag: "",
  team: "",
  assignee: "",
  ...OF_COMPLETED,
};

const DAY = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/;

/** The filter in an address; what is not known there counts as absent. */
export function readFilter(query: { get: (name: string) => string | null }): TaskFilter {
  const choice = <Known extends object>(name: string, known: Known, standard: keyof Known): keyof Known => {
    const value = query.get(name) ?? "";
    return Object.hasOwn(known, value) ? (value as keyof Known) : standard;
  };
  const text = (name: string, form: RegExp) => query.get(name)?.match(form)?.[0] ?? "";
  const status = choice("status", STATUSES, "open");
  return {
    status,
    due: choice("due", DUES, "any"),
    sort: choice("sort", SORTS, "created"),
    q: query.get("q") ?? "",
    tag: query.get("tag") ?? "",
    team: text("team", /^[1-9]\d{0,14}$/),
    assignee: query.get("assignee") ?? "",
    ...(mayBeCompleted(status)
      ? {
          from: text("from", DAY),
          to: text("to", DAY),
          by: query.get("by") ?? "",
          with: query.get("with") ?? "",
        }
      : OF_COMPLETED),
  };
}

/** Whether completed tasks are in the list, so that it can be asked when and by whom they were completed. */
export function mayBeCompleted(status: TaskFilter["status"]): boolean {
  return status === "completed" || status === "all";
}

/** The filter with another status, and without what this status cannot have. */
export function withStatus(filter: TaskFilter, status: TaskFilter["status"]): TaskFilter {
  return { ...filter, status, ...(mayBeCompleted(status) ? {} : OF_COMPLETED) };
}

/** The query of an address with this filter, without what is standard: `status=all&q=bank`. */
export function filterQuery(filter: TaskFilter): string {
  const given = Object.entries(filter).filter(
    ([name, value]) => value !== NO_FILTER[name as keyof TaskFilter],
  );
  return new URLSearchParams(given).toString();
}

/** The same for the bridge. */
export function bridgeQuery(filter: TaskFilter): string {
  const query = new URLSearchParams({
    status: filter.status === "open" ? "pending" : filter.status,
    sort: filter.sort,
  });
  if (filter.due !== "any") query.set("due", filter.due);
  for (const [name, value] of [
    ["search", filter.q.trim()],
    ["tag", filter.tag.trim()],
    ["team_id", filter.team],
    ["assignee", filter.assignee],
    ["completed_after", filter.from],
    ["completed_before", filter.to && dayAfter(filter.to)],
    ["completed_by", filter.by],
    ["completed_with", filter.with],
  ] as const)
    if (value) query.set(name, value);
  return query.toString();
}

/** The day after a day; a date that no calendar has, such as 2026-02-30, is left to the server. */
function dayAfter(day: string): string {
  const date = new Date(`${day}T00:00:00Z`);
  if (Number.isNaN(date.getTime())) return day;
  date.setUTCDate(date.getUTCDate() + 1);
  return date.toISOString().slice(0, 10);
}

/** Whether a task with this status is in the list, as far as the status decides it. */
export function hasStatus(filter: TaskFilter, status: string): boolean {
  if (filter.status === "all") return true;
  return filter.status === "open" ? status !== "completed" : status === filter.status;
}
