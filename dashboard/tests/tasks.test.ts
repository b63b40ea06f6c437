import { expect, test } from "vitest";
import { attribution, summaryOf } from "@/lib/activity";
import type { Change, ListedTask } from "@/lib/api/dashboard";
import { readQuickAdd } from "@/lib/due-words";
import {
  bridgeQuery,
  filterQuery,
  NO_FILTER,
  readFilter,
  type TaskFilter,
  withStatus,
} from "@/lib/task-filter";
import { withTasks } from "@/lib/task-order";
import { ago, withChange } from "@/lib/tasks";
import { momentAt } from "@/lib/timezones";

test.each([
  ["Europe/Berlin", "2026-01-15", "17:00", "2026-01-15T17:00:00+01:00"],
  ["Europe/Berlin", "2026-07-15", "17:00", "2026-07-15T17:00:00+02:00"],
  // Clocks go forward at 02:00 on 29 March 2026, and back at 03:00 on 25 October 2026.
  ["Europe/Berlin", "2026-03-29", "01:30", "2026-03-29T01:30:00+01:00"],
  ["Europe/Berlin", "2026-03-29", "03:30", "2026-03-29T03:30:00+02:00"],
  ["Europe/Berlin", "2026-10-25", "03:30", "2026-10-25T03:30:00+01:00"],
  ["America/New_York", "2026-12-01", "09:05", "2026-12-01T09:05:00-05:00"],
  ["Asia/Kathmandu", "2026-12-01", "09:05", "2026-12-01T09:05:00+05:45"],
  ["UTC", "2026-12-01", "00:00", "2026-12-01T00:00:00+00:00"],
])("a clock in %s on %s at %s is %s", (zone, date, time, moment) => {
  expect(momentAt(zone, date, time)).toBe(moment);
});

test("a change on the screen keeps the other fields, and null empties one", () => {
  const task = { id: 7, title: "One", due: "2026-03-01", tags: ["a"] };
  expect(withChange(task, { title: "Two", due: null, tags: null, expected_version: 3 })).toEqual({
    id: 7,
    title: "Two",
    due: undefined,
    tags: [],
  });
  expect(task.title).toBe("One");
});

test("ages are rounded down to one unit", () => {
  const now = new Date("2026-03-02T12:00:00Z");
  const aged = (text: string) => ago(new Date(text), now);
  expect(aged("2026-03-02T11:59:30Z")).toBe("just now");
  expect(aged("2026-03-02T11:58:01Z")).toBe("1 minute ago");
  expect(aged("2026-03-02T09:30:00Z")).toBe("2 hours ago");
  expect(aged("2026-02-28T09:30:00Z")).toBe("2 days ago");
  expect(aged("2026-03-02T12:00:05Z")).toBe("just now");
});

test("an attribution says who did it, with what and for whom", () => {
  const change = {
    event_type: "task_updated",
    own: true,
    client: "x1",
    user_id: "bea",
    undoes: false,
  } as Change;
  const names = { x1: "Claude" };
  expect(attribution(change, names)).toBe("Changed by Claude, for you");
  expect(attribution({ ...change, client: "dashboard" }, names)).toBe("Changed by you");
  expect(attribution({ ...change, event_type: "task_completed" }, names)).toBe(
    "Completed by Claude, for you",
  );
  expect(attribution({ ...change, own: false, user_name: "Bea" }, names)).toBe("Changed by Bea, with Claude");
  expect(attribution({ ...change, own: false, client: "dashboard" }, names)).toBe("Changed by bea");
  expect(attribution({ ...change, undoes: true, client: "dashboard" }, names)).toBe("Changed back by you");
});

const NOW = new Date("2026-03-04T22:30:00Z"); // Wednesday; in Tokyo it is Thursday 07:30

test.each([
  ["Call the bank tomorrow 5pm", "UTC", { title: "Call the bank", due: "2026-03-05T17:00:00+00:00" }],
  ["Call the bank tomorrow 5pm", "Asia/Tokyo", { title: "Call the bank", due: "2026-03-06T17:00:00+09:00" }],
  ["Water the plants today", "Asia/Tokyo", { title: "Water the plants", due: "2026-03-05" }],
  ["Pay rent on Friday", "UTC", { title: "Pay rent", due: "2026-03-06" }],
  ["Send it on 29 March at 9:15", "Europe/Berlin", { title: "Send it", due: "2026-03-29T09:15:00+02:00" }],
  ["Stretch in 2 hours", "Europe/Berlin", { title: "Stretch", due: "2026-03-05T01:30:00+01:00" }],
  ["Buy 3 apples", "UTC", { title: "Buy 3 apples" }],
  ["Tomorrow", "UTC", { title: "Tomorrow" }],
])("quick add reads %j in %s", async (line, zone, task) => {
  expect(await readQuickAdd(line, zone, NOW)).toEqual({ tags: [], ...task });
});

test("quick add reads tags", async () => {
  expect(await readQuickAdd("Pay #money the C#minor bill #two-words tomorrow", "UTC", NOW)).toEqual({
    title: "Pay the C#minor bill",
    tags: ["money", "two-words"],
    due: "2026-03-05",
  });
});

test("a filter in the address is read back, and unknown values are left out", () => {
  const filter: TaskFilter = { ...NO_FILTER, status: "all", due: "overdue", q: "a & b", team: "7" };
  expect(filterQuery(filter)).toBe("status=all&due=overdue&q=a+%26+b&team=7");
  expect(readFilter(new URLSearchParams(filterQuery(filter)))).toEqual(filter);
  expect(readFilter(new URLSearchParams("status=toString&sort=x&team=1;2&due=soon"))).toEqual(NO_FILTER);
  expect(bridgeQuery(filter)).toBe("status=all&sort=created&due=overdue&search=a+%26+b&team_id=7");
  expect(bridgeQuery(NO_FILTER)).toBe("status=pending&sort=created");
});

test("when and by whom tasks were completed is asked where completed tasks are listed", () => {
  const query = "status=completed&from=2026-02-28&to=2026-12-31&by=ada&with=claude";
  const filter = readFilter(new URLSearchParams(query));
  expect(filterQuery(filter)).toBe(query);
  expect(bridgeQuery(filter)).toBe(
    "status=completed&sort=created&completed_after=2026-02-28&completed_before=2027-01-01&completed_by=ada&completed_with=claude",
  );
  expect(withStatus(filter, "open")).toEqual(NO_FILTER);
  expect(readFilter(new URLSearchParams("from=2026-02-28&by=ada"))).toEqual(NO_FILTER);
  expect(readFilter(new URLSearchParams("status=all&from=2026-13-01&to=soon"))).toEqual({
    ...NO_FILTER,
    status: "all",
  });
});

test("a changed task is put where the server would list it", () => {
  const row = (id: number, due?: string, priority: ListedTask["priority"] = "medium"): ListedTask => ({
    id,
    title: `Task ${id}`,
    status: "pending",
    priority,
    due,
    tags: [],
    access: "owner",
    version: 1,
    created_at: `2026-03-01T10:00:0${id}Z`,
    updated_at: "2026-03-01T10:00:00Z",
  });
  const ids = (list: ListedTask[]) => list.map(({ id }) => id);
  const byDue = [row(1, "2026-03-01"), row(2, "2026-03-01T12:00:00+00:00"), row(4, "2026-03-02"), row(3)];
  expect(ids(withTasks(byDue, [row(5, "2026-03-01T20:00:00+00:00")], "due", "UTC"))).toEqual([1, 2, 5, 4, 3]);
  // In Tokyo 2 March begins at 15:00 UTC.
  expect(ids(withTasks(byDue, [row(5, "2026-03-01T20:00:00+00:00")], "due", "Asia/Tokyo"))).toEqual([
    1, 2, 4, 5, 3,
  ]);
  expect(ids(withTasks(byDue, [row(1)], "due", "UTC"))).toEqual([2, 4, 1, 3]);
  const newest = [row(4), row(2), row(1)];
  expect(ids(withTasks(newest, [row(3)], "created", "UTC"))).toEqual([4, 3, 2, 1]);
  expect(
    ids(withTasks([row(4, undefined, "urgent"), row(2)], [row(3, undefined, "high")], "priority", "UTC")),
  ).toEqual([4, 3, 2]);
});

test("a summary counts what each client did", () => {
  const by = (client: string, event_type: string) => ({ client, event_type, own: true }) as Change;
  const changes = [
    by("x1", "task_completed"),
    by("x1", "task_created"),
    by("x1", "task_completed"),
    by("Cursor", "task_updated"),
  ];
  expect(summaryOf(changes, { x1: "Claude" })).toBe("Claude completed 2, added 1; Cursor changed 1");
});
