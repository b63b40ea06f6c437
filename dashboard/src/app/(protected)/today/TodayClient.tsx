"use client";

import Link from "next/link";
import { type ReactNode, useCallback, useRef } from "react";
import { CallRow } from "@/components/activity/CallRow";
import { ConnectionStatus } from "@/components/dashboard/ConnectionStatus";
import { ReadState } from "@/components/ReadState";
import { QuickAdd } from "@/components/tasks/QuickAdd";
import { TaskRow } from "@/components/tasks/TaskRow";
import { useToast } from "@/components/Toast";
import { useClientNames } from "@/hooks/useActivity";
import { useBridge } from "@/hooks/useBridge";
import { useHydrated } from "@/hooks/useHydrated";
import { useSaves } from "@/hooks/useSaves";
import { useShortcuts } from "@/hooks/useShortcuts";
import { useTick } from "@/hooks/useTick";
import { useUndo } from "@/hooks/useUndo";
import { byDay, dayName, summaryOf } from "@/lib/activity";
import type { ListedTask, Today } from "@/lib/api/dashboard";
import { dayIn } from "@/lib/timezones";

interface Props {
  initial?: Today;
  initialNames: Record<string, string>;
  initialZone: string;
}

/** What is late, due today or begun, and beside it what agents changed since yesterday, each with undo. */
export function TodayClient({ initial, initialNames, initialZone }: Props) {
  const { data, error, connection, refresh, retry } = useBridge<Today>("/today", "task", initial);
  const zone = data ? (data.timezone ?? "UTC") : initialZone;
  const names = useClientNames(data?.changes, initialNames);
  const [toast, show] = useToast();
  const { save, edited } = useSaves(refresh);
  const tick = useTick(save, refresh, show);
  const undo = useUndo(show, refresh);
  const hydrated = useHydrated();
  const quickAdd = useRef<HTMLInputElement>(null);
  useShortcuts({ c: () => quickAdd.current?.focus() });
  const onTick = useCallback(
    (task: ListedTask, status: ListedTask["status"]) => void tick(task, status),
    [tick],
  );

  const late = new Set(data?.overdue.map(({ id }) => id));
  // What was due earlier today is late as well, and shown there.
  const today = data?.due_today.filter(({ id }) => !late.has(id)) ?? [];
  const shown = new Set([...late, ...today.map(({ id }) => id)]);
  const begun = data?.in_progress.filter(({ id }) => !shown.has(id)) ?? [];
  const list = (rows: ListedTask[]) =>
    rows
      .map(edited)
      .filter(({ status }) => status !== "completed")
      .map((task) => (
        <li key={task.id}>
          <TaskRow task={task} zone={zone} onTick={onTick} />
        </li>
      ));

  return (
    <>
      <div className="flex flex-wrap items-baseline justify-between gap-x-6 gap-y-1">
        <h1 className="text-2xl font-semibold tracking-tight">Today</h1>
        <ConnectionStatus connection={connection} />
      </div>
      <div className="mt-5">
        <QuickAdd
          field={quickAdd}
          zone={zone}
          standard={{ due: dayIn(zone, new Date()) }}
          show={show}
          onAdded={refresh}
        />
      </div>
      {!data ? (
        <ReadState what="your day" error={error} onRetry={retry} />
      ) : (
        <div className="mt-4 grid grid-cols-[minmax(0,1fr)] items-start gap-x-12 gap-y-10 lg:grid-cols-[minmax(0,1.3fr)_minmax(0,1fr)]">
          <div className="grid grid-cols-[minmax(0,1fr)] gap-8">
            {data.overdue_count + data.due_today_count + data.in_progress_count === 0 && (
              <p className="py-6 text-[15px] text-muted">Nothing is late, due today or in progress.</p>
            )}
            <Group title="Overdue" count={data.overdue_count} href="/tasks?due=overdue&sort=due">
              {list(data.overdue)}
            </Group>
            <Group
              title="Due today"
              count={data.due_today_count - (data.due_today.length - today.length)}
              href="/tasks?due=today&sort=due"
            >
              {list(today)}
            </Group>
            <Group
              title="In progress"
              count={data.in_progress_count - (data.in_progress.length - begun.length)}
              href="/tasks?status=in_progress&sort=updated"
            >
              {list(begun)}
            </Group>
          </div>
          <section aria-labelledby="agents">
            <h2 id="agents" className="text-[15px] font-semibold tracking-tight">
              What agents changed
            </h2>
            <p className="mt-1 text-sm leading-6 text-muted" data-testid="summary">
              {data.changes.length === 0
                ? "Nothing since yesterday."
                : `Since yesterday: ${summaryOf(data.changes, names)}.`}
            </p>
            {byDay(data.changes, zone).map(({ date, calls }) => (
              <section key={date} aria-labelledby={`day-${date}`} className="mt-4">
                <h3 id={`day-${date}`} className="text-[13px] font-medium text-muted">
                  {dayName(date, zone, hydrated ? new Date() : undefined)}
                </h3>
                <ul className="mt-1 divide-y divide-line border-y border-line">
                  {calls.map((call) => (
                    <CallRow key={call.id} call={call} names={names} zone={zone} onUndo={undo} />
                  ))}
                </ul>
              </section>
            ))}
            <p className="mt-4 text-sm">
              <Link href="/activity" className="font-medium text-muted hover:text-ink hover:underline">
                {data.has_more_changes ? "All changes, also earlier ones" : "All changes"}
              </Link>
            </p>
          </section>
        </div>
      )}
      {toast}
    </>
  );
}

function Group(props: { title: string; count: number; href: string; children: ReactNode[] }) {
  const { title, count, href, children } = props;
  if (children.length === 0) return null;
  return (
    <section aria-label={title}>
      <h2 className="border-b border-line pb-1.5 text-[15px] font-semibold tracking-tight">
        {title}
        <span className="ml-2 text-[13px] font-normal text-muted tabular-nums">
          {count.toLocaleString("en")}
        </span>
      </h2>
      <ul className="mt-1">{children}</ul>
      {count > children.length && (
        <p className="mt-2 px-2 text-sm">
          <Link href={href} className="font-medium text-muted hover:text-ink hover:underline">
            Show all {count.toLocaleString("en")}
          </Link>
        </p>
      )}
    </section>
  );
}
