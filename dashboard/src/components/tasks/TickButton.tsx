"use client";

import { useHydrated } from "@/hooks/useHydrated";
import { STATUS, type Status } from "./status";

/** The circle before a title: completes the task, or opens it again. */
export function TickButton(props: {
  status: Status;
  title: string;
  disabled?: boolean;
  onTick: (status: Status) => void;
  className?: string;
}) {
  const { status, title, disabled, onTick, className = "" } = props;
  const hydrated = useHydrated();
  const { Icon, look } = STATUS[status];
  const done = status === "completed";
  return (
    <button
      type="button"
      role="checkbox"
      aria-checked={done}
      aria-label={`Completed: ${title}`}
      disabled={disabled || !hydrated}
      onClick={() => onTick(done ? "pending" : "completed")}
      className={`grid size-6 shrink-0 place-items-center rounded-full enabled:hover:bg-raised ${look} ${className}`}
    >
      <Icon className="size-5" strokeWidth={2} aria-hidden="true" />
    </button>
  );
}
