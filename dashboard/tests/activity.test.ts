import { expect, test } from "vitest";
import { byDay, clientName, dayName, fieldsOf, verbOf } from "@/lib/activity";
import type { Change } from "@/lib/api/dashboard";

const change = (id: number, call: string, at: string, more: Partial<Change> = {}): Change => ({
  id,
  call,
  at,
  event_type: "task_updated",
  user_id: "ada",
  task_id: id,
  title: `Task ${id}`,
  deleted: false,
  version: 1,
  changes: {},
  own: true,
  undone: false,
  undoable: true,
  undoes: false,
  ...more,
});

test("changes are grouped by call, and by day in the person's time zone", () => {
  const changes = [
    change(4, "b", "2026-03-02T01:00:00+00:00"),
    change(3, "a", "2026-03-01T23:30:00+00:00"),
    change(2, "a", "2026-03-01T23:30:00+00:00"),
    change(1, "c", "2026-03-01T10:00:00+00:00"),
  ];
  const shape = (zone: string) =>
    byDay(changes, zone).map(({ date, calls }) => [date, calls.map((call) => call.changes.length)]);
  expect(shape("UTC")).toEqual([
    ["2026-03-02", [1]],
    ["2026-03-01", [2, 1]],
  ]);
  expect(shape("Europe/Berlin")).toEqual([
    ["2026-03-02", [1, 2]],
    ["2026-03-01", [1]],
  ]);
});

test("a call is worded by what it did", () => {
  const verb = (...kinds: string[]) => {
    const changes = kinds.map((event_type, id) => change(id, "a", "2026-03-01T10:00:00Z", { event_type }));
    return verbOf({ id: "a", first: changes[0] as Change, changes });
  };
  expect(verb("task_created", "task_created")).toBe("added");
  expect(verb("task_created", "task_completed")).toBe("completed");
  expect(verb("task_deleted")).toBe("deleted");
  expect(verb("task_updated", "task_created")).toBe("changed");
});

test("fields are shown with the value before and after", () => {
  const changes = {
    due: [null, "2026-03-01"],
    tags: [["a", "b"], []],
    user: "bea",
    status: ["pending", "in_progress"],
  };
  expect(fieldsOf(change(1, "a", "2026-03-01T10:00:00Z", { changes }))).toEqual([
    { label: "due", before: "none", after: "2026-03-01" },
    { label: "tags", before: "a, b", after: "none" },
    { label: "status", before: "pending", after: "in progress" },
  ]);
});

test("days near now have names", () => {
  const now = new Date("2026-03-02T01:00:00Z");
  expect(dayName("2026-03-02", "UTC", now)).toBe("Today");
  expect(dayName("2026-03-01", "UTC", now)).toBe("Yesterday");
  expect(dayName("2026-03-01", "America/New_York", now)).toBe("Today");
  expect(dayName("2026-02-27", "UTC", now)).toBe("Friday, February 27");
});

test("registered clients have their name, others what they are", () => {
  expect(clientName("x1", { x1: "Claude Code" })).toBe("Claude Code");
  expect(clientName("dashboard", {})).toBe("the dashboard");
  expect(clientName(null, {})).toBe("a client without a name");
  expect(clientName("Robot", {})).toBe("Robot");
});
