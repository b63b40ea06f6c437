import { expect, test } from "vitest";
import { attribution } from "@/lib/activity";
import type { Change } from "@/lib/api/dashboard";
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
