import { expect, test } from "vitest";
import lock from "../package-lock.json";

interface Entry {
  version?: string;
  resolved?: string;
  optionalDependencies?: Record<string, string>;
}

const packages = lock.packages as Record<string, Entry>;

/** The first versions without published vulnerabilities: session bypass, remote code execution, account take-over. */
test.each([
  ["next", "16.2.5"],
  ["better-auth", "1.4.17"],
])("%s is at least %s", (name, floor) => {
  const found = packages[`node_modules/${name}`]?.version ?? "0";
  expect(found.localeCompare(floor, "en", { numeric: true })).toBeGreaterThanOrEqual(0);
});

test("the lock file names no registry", () => {
  expect(Object.entries(packages).filter(([, entry]) => entry.resolved)).toEqual([]);
});

test("the lock file has the optional packages of every platform, which npm ci requires", () => {
  const wanted = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
  const known = new Set(Object.keys(packages).map((path) => path.split("node_modules/").at(-1)));
  expect(wanted.filter((name) => !known.has(name))).toEqual([]);
});
