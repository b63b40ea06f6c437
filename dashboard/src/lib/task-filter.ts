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
}

export const NO_FILTER: TaskFilter = {
  status: "open",
  due: "any",
  sort: "created",
  q: "",
  tag: "",
  team: "",
  assignee: "",
};

/** The filter in an address; what is not known there counts as absent. */
export function readFilter(query: { get: (name: string) => string | null }): TaskFilter {
  const choice = <Known extends object>(name: string, known: Known, standard: keyof Known): keyof Known => {
    const value = query.get(name) ?? "";
    return Object.hasOwn(known, value) ? (value as keyof Known) : standard;
  };
  const team = query.get("team") ?? "";
  return {
    status: choice("status", STATUSES, "open"),
    due: choice("due", DUES, "any"),
    sort: choice("sort", SORTS, "created"),
    q: query.get("q") ?? "",
    tag: query.get("tag") ?? "",
    team: /^[1-9]\d{0,14}$/.test(team) ? team : "",
    assignee: query.get("assignee") ?? "",
  };
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
  ] as const)
    if (value) query.set(name, value);
  return query.toString();
}

/** Whether a task with this status is in the list, as far as the status decides it. */
export function hasStatus(filter: TaskFilter, status: string): boolean {
  if (filter.status === "all") return true;
  return filter.status === "open" ? status !== "completed" : status === filter.status;
}
