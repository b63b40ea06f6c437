import { dayIn, momentAt, offsetMinutes, timeIn } from "./timezones";

/** What a line of quick add says: `Call the bank tomorrow 5pm #money`. */
export interface QuickTask {
  title: string;
  tags: string[];
  /** A date, or a moment with its offset. */
  due?: string;
}

/** Reads dates in words, in the person's time zone, and tags. The library is loaded when it is first needed. */
export async function readQuickAdd(line: string, zone: string, now: Date): Promise<QuickTask> {
  const chrono = await import("chrono-node/en");
  const tags = [...line.matchAll(TAG)].map(([, tag]) => tag as string);
  const text = line.replace(TAG, " ");
  const reference = { instant: now, timezone: offsetMinutes(zone, now) };
  const found = chrono.casual.parse(text, reference, { forwardDate: true }).at(-1);
  if (!found) return { title: tidy(text), tags };
  const title = tidy(text.slice(0, found.index) + " " + text.slice(found.index + found.text.length));
  // A line that is nothing but a date is a title.
  if (!title) return { title: tidy(text), tags };
  return { title, tags, due: dueOf(found.start, zone) };
}

const TAG = /(?<=^|\s)#([^\s#]{1,50})(?=\s|$)/g;

interface Components {
  get: (part: "year" | "month" | "day" | "hour" | "minute") => number | null;
  isCertain: (part: "hour" | "timezoneOffset") => boolean;
  date: () => Date;
}

function dueOf(start: Components, zone: string): string {
  if (start.isCertain("timezoneOffset") && start.isCertain("hour")) {
    const at = start.date();
    return momentAt(zone, dayIn(zone, at), timeIn(zone, at));
  }
  const part = (name: "year" | "month" | "day") => String(start.get(name)).padStart(2, "0");
  const date = `${part("year")}-${part("month")}-${part("day")}`;
  if (!start.isCertain("hour")) return date;
  return momentAt(zone, date, timeOf(start.get("hour") ?? 0, start.get("minute") ?? 0));
}

function timeOf(hour: number, minute: number): string {
  return `${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}`;
}

function tidy(text: string): string {
  return text
    .replace(/\s+/g, " ")
    .trim()
    .replace(/\s+(on|at|by|due|until)$/i, "");
}
