import type { BridgeError, TaskChange } from "./api/dashboard";

/** What becomes of a task on the screen before the server has answered. */

/** The task with a change that the server has not confirmed. A null empties the field. */
export function withChange<Shown extends object>(task: Shown, change: TaskChange): Shown {
  const changed = { ...task } as Record<string, unknown>;
  for (const [name, value] of Object.entries(change)) {
    if (name !== "expected_version") changed[name] = value ?? (name === "tags" ? [] : undefined);
  }
  return changed as Shown;
}

/** Why a change of a task did not take place, for the person at the screen. */
export function refusalOf(error: BridgeError): string {
  if (error.status === 409) return "Somebody changed this task meanwhile. Here it is as it is now.";
  return error.message;
}

const UNITS: [unit: Intl.RelativeTimeFormatUnit, ms: number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];

/** How long ago something happened: `2 hours ago`. */
export function ago(at: Date, now: Date): string {
  const ms = Math.max(0, now.getTime() - at.getTime());
  const [unit, size] = UNITS.find(([, length]) => ms >= length) ?? [];
  if (!unit || !size) return "just now";
  return new Intl.RelativeTimeFormat("en", { numeric: "always" }).format(-Math.floor(ms / size), unit);
}
