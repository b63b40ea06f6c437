"use client";

import { Users } from "lucide-react";
import Link from "next/link";
import type { ListedTask } from "@/lib/api/dashboard";
import { Due } from "./Due";
import { TickButton } from "./TickButton";
import type { Status } from "./status";

/** One task of a list: tick, title, and what is worth knowing beside it. */
export function TaskRow(props: {
  task: ListedTask;
  zone: string;
  glows?: boolean;
  onTick: (task: ListedTask, status: Status) => void;
}) {
  const { task, zone, glows, onTick } = props;
  const done = task.status === "completed";
  const urgent = !done && (task.priority === "urgent" || task.priority === "high");
  return (
    <div
      className={`flex items-start gap-3 rounded-lg px-2 py-2.5 focus-within:bg-raised ${glows ? "animate-glow" : ""}`}
      data-testid="task"
    >
      <TickButton
        status={task.status}
        title={task.title}
        disabled={task.access === "view"}
        onTick={(status) => onTick(task, status)}
      />
      <div className="flex min-w-0 flex-1 flex-wrap items-baseline gap-x-4 gap-y-0.5">
        <Link
          id={`task-${task.id}`}
          href={`/tasks/${task.id}`}
          prefetch={false}
          className={`max-w-full min-w-0 flex-1 basis-48 truncate text-[15px] leading-6 hover:underline ${done ? "text-muted line-through decoration-line-strong" : ""}`}
          title={task.title}
        >
          <bdi>{task.title}</bdi>
        </Link>
        <p className="flex max-w-full min-w-0 items-center gap-x-3 overflow-hidden text-[13px] leading-6 whitespace-nowrap text-muted empty:hidden">
          {task.tags.slice(0, 3).map((tag) => (
            <bdi key={tag} className="max-w-32 truncate">
              #{tag}
            </bdi>
          ))}
          {task.access !== "owner" && (
            <span className="inline-flex items-center gap-1">
              <Users className="size-3.5" aria-hidden="true" />
              Shared with you
            </span>
          )}
          {urgent && (
            <span className="font-medium text-warn">{task.priority === "urgent" ? "Urgent" : "High"}</span>
          )}
          {task.due && <Due due={task.due} done={done} zone={zone} />}
        </p>
      </div>
    </div>
  );
}
