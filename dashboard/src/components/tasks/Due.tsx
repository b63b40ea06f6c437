"use client";

import { useHydrated } from "@/hooks/useHydrated";
import { dayIn, timeIn } from "@/lib/timezones";

const DAY = 86_400_000;

/** When a task is due: near days by name, late ones marked. */
export function Due({ due, done, zone }: { due: string; done: boolean; zone: string }) {
  // The server and the browser may disagree on what is today, so relative days appear after hydration.
  const hydrated = useHydrated();
  const moment = new Date(due);
  const allDay = due.length === 10;
  const day = allDay ? due : dayIn(zone, moment);
  const plain = new Date(day).toLocaleDateString("en", { day: "numeric", month: "short", timeZone: "UTC" });
  if (!hydrated) return <time dateTime={due}>{plain}</time>;

  const now = new Date();
  const days = Math.round((Date.parse(day) - Date.parse(dayIn(zone, now))) / DAY);
  const late = !done && (days < 0 || (!allDay && moment < now));
  const time = allDay ? "" : `, ${timeIn(zone, moment)}`;
  return (
    <time dateTime={due} className={late ? "font-medium text-danger" : "inline-block first-letter:uppercase"}>
      {late ? "Overdue since " : ""}
      {nearDay(days) ?? plain}
      {time}
    </time>
  );
}

function nearDay(days: number): string | undefined {
  return { "-1": "yesterday", "0": "today", "1": "tomorrow" }[String(days)];
}
