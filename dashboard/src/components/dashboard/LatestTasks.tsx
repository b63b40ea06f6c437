"use client";

import { Users } from "lucide-react";
import Link from "next/link";
import type { Task } from "@/lib/api/dashboard";
import { Due } from "../tasks/Due";
import { STATUS } from "../tasks/status";

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
          <Link href={`/tasks/${task.id}`} className="hover:underline">
            <bdi title={task.title}>{task.title}</bdi>
          </Link>
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
