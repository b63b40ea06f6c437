import { expect, test } from "vitest";
import lock from "../package-lock.json";

const packages = lock.packages as Record<string, { version?: string; resolved?: string }>;

/** The first versions without the flaws that were published: session bypass, remote code, account take-over. */
test.each([
  ["next", "16.2.5"],
  ["better-auth", "1.4.17"],
])("%s is at least %s", (name, floor) => {
  const found = packages[`node_modules/${name}`]?.version ?? "0";
  expect(found.localeCompare(floor, "en", { numeric: true })).toBeGreaterThanOrEqual(0);
});

test("the lock names no server to fetch from", () => {
  expect(Object.entries(packages).filter(([, entry]) => entry.resolved)).toEqual([]);
});
