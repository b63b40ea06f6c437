"use client";

import { CircleCheck, CircleDashed, CircleDot, Users } from "lucide-react";
import { useHydrated } from "@/hooks/useHydrated";
import type { Task } from "@/lib/api/dashboard";
import { dayIn, timeIn } from "@/lib/timezones";

const STATUS = {
  pending: { Icon: CircleDashed, label: "Pending", look: "text-line-strong" },
  in_progress: { Icon: CircleDot, label: "In progress", look: "text-warn" },
  completed: { Icon: CircleCheck, label: "Completed", look: "text-accent" },
};

/** The newest tasks, with days in the person's time zone. */
export function LatestTasks({ tasks, zone }: { tasks: Task[]; zone: string }) {
  if (tasks.length === 0)
    return <p className="px-6 py-10 text-center text-sm text-muted">There are no tasks here yet.</p>;
  return (
    <ul className="divide-y divide-line">
      {tasks.map((task) => (
        <Row key={task.id} task={task} zone={zone} />
      ))}
    </ul>
  );
}

function Row({ task, zone }: { task: Task; zone: string }) {
  const { Icon, label, look } = STATUS[task.status];
  const done = task.status === "completed";
  const urgent = !done && (task.priority === "urgent" || task.priority === "high");
  const extras = urgent || task.due || task.tags.length > 0 || task.access !== "owner";
  return (
    <li className="flex animate-appear gap-3 px-5 py-3 sm:px-6">
      <Icon className={`mt-0.5 size-4 shrink-0 ${look}`} strokeWidth={2} aria-hidden="true" />
      <div className="min-w-0 flex-1">
        <p
          className={`truncate text-sm leading-5 ${done ? "text-muted line-through decoration-line-strong" : ""}`}
        >
          <span className="sr-only">{label}: </span>
          <bdi title={task.title}>{task.title}</bdi>
        </p>
        {extras && (
          <p className="mt-1 flex min-w-0 items-center gap-x-2.5 overflow-hidden text-xs whitespace-nowrap text-muted">
            {urgent && (
              <span className="font-medium text-danger">
                {task.priority === "urgent" ? "Urgent" : "High"}
              </span>
            )}
            {task.due && <Due due={task.due} done={done} zone={zone} />}
            {task.access !== "owner" && (
              <span className="inline-flex items-center gap-1">
                <Users className="size-3" aria-hidden="true" />
                Shared with you
              </span>
            )}
            {task.tags.slice(0, 3).map((tag) => (
              <bdi key={tag} className="truncate">
                #{tag}
              </bdi>
            ))}
          </p>
        )}
      </div>
    </li>
  );
}

const DAY = 86_400_000;

function Due({ due, done, zone }: { due: string; done: boolean; zone: string }) {
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
