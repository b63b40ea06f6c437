"use client";

import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, useState } from "react";
import { useHydrated } from "@/hooks/useHydrated";
import type { ListedTask } from "@/lib/api/dashboard";
import type { Status } from "./status";
import { TaskRow } from "./TaskRow";

/** Rows that the server renders: enough for a screen. */
const SERVED = 40;
const ROW_HEIGHT = 44;

interface Props {
  tasks: ListedTask[];
  total: number;
  zone: string;
  glowing: ReadonlySet<number>;
  /** The task that the keyboard has reached. */
  active?: number;
  /** The focus came to a task in another way. */
  onReach: (id: number) => void;
  onTick: (task: ListedTask, status: Status) => void;
  /** The index of the last row on the screen. */
  onSeen: (index: number) => void;
}

/** A list of any length: only the rows on the screen exist. */
export function TaskList(props: Props) {
  // Its rows have positions as styles, which the content security policy allows only to scripts.
  if (useHydrated()) return <VirtualList {...props} />;
  return (
    <ul aria-label="Tasks">
      {props.tasks.slice(0, SERVED).map((task) => (
        <li key={task.id}>
          <TaskRow task={task} zone={props.zone} onTick={props.onTick} />
        </li>
      ))}
    </ul>
  );
}

function VirtualList({ tasks, total, zone, glowing, active, onReach, onTick, onSeen }: Props) {
  const list = useRef<HTMLUListElement>(null);
  const [top, setTop] = useState(0);
  useEffect(() => {
    // What is above the list, such as the filters, changes its height.
    const observer = new ResizeObserver(() =>
      setTop(Math.round((list.current?.getBoundingClientRect().top ?? 0) + window.scrollY)),
    );
    observer.observe(document.body);
    return () => observer.disconnect();
  }, []);
  const rows = useWindowVirtualizer({
    count: tasks.length,
    estimateSize: () => ROW_HEIGHT,
    getItemKey: (index) => tasks[index]?.id ?? index,
    overscan: 12,
    scrollMargin: top,
    // The header above and, on a phone, the navigation below cover some of the window.
    scrollPaddingStart: 72,
    scrollPaddingEnd: 96,
  });
  const shown = rows.getVirtualItems();
  const end = shown.at(-1)?.index ?? 0;
  useEffect(() => onSeen(end), [end, onSeen]);

  const place = active === undefined ? -1 : tasks.findIndex(({ id }) => id === active);
  useEffect(() => {
    if (place < 0) return;
    rows.scrollToIndex(place, { align: "auto" });
    const frame = requestAnimationFrame(() => document.getElementById(`task-${active}`)?.focus());
    return () => cancelAnimationFrame(frame);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- only a move of the keyboard moves the focus
  }, [active]);

  return (
    <ul
      ref={list}
      aria-label="Tasks"
      className="relative"
      style={{ height: rows.getTotalSize() }}
      onFocus={({ target }) => {
        const id = target.id.match(/^task-(\d+)$/)?.[1];
        if (id) onReach(Number(id));
      }}
    >
      {shown.map(({ key, index, start }) => {
        const task = tasks[index] as ListedTask;
        return (
          <li
            key={key}
            ref={rows.measureElement}
            data-index={index}
            aria-setsize={total}
            aria-posinset={index + 1}
            className="absolute inset-x-0 top-0"
            style={{ transform: `translateY(${start - top}px)` }}
          >
            <TaskRow task={task} zone={zone} glows={glowing.has(task.id)} onTick={onTick} />
          </li>
        );
      })}
    </ul>
  );
}
