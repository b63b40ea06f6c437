"use client";

import { useRouter } from "next/navigation";
import { useCallback, useRef, useState } from "react";
import { Button } from "@/components/Button";
import { ConnectionStatus } from "@/components/dashboard/ConnectionStatus";
import { ReadState } from "@/components/ReadState";
import { FilterBar } from "@/components/tasks/FilterBar";
import { QuickAdd } from "@/components/tasks/QuickAdd";
import { ShortcutHelp } from "@/components/tasks/ShortcutHelp";
import { TaskList } from "@/components/tasks/TaskList";
import { useToast } from "@/components/Toast";
import { useShortcuts } from "@/hooks/useShortcuts";
import { useTaskList } from "@/hooks/useTaskList";
import { useTick } from "@/hooks/useTick";
import { type NewTask, type TaskRows, type Team, writeBridge } from "@/lib/api/dashboard";
import { filterQuery, NO_FILTER, type TaskFilter } from "@/lib/task-filter";

/** The next page is read when so few rows are left below the screen. */
const AHEAD = 40;

interface Props {
  me: string;
  initial: { filter: TaskFilter; rows?: TaskRows };
  teams: Team[];
  /** The clients with which the person changed something lately, with their names. */
  clients: Record<string, string>;
  initialZone: string;
}

/** All tasks that the person sees: filters, quick add, and a list that the keyboard works through. */
export function TasksClient({ me, initial, teams, clients, initialZone }: Props) {
  const [filter, setFilter] = useState(initial.filter);
  const list = useTaskList(filter, initial);
  const { tasks, total, hasMore, glowing, more, seen, save, changed, error, retry } = list;
  const zone = initial.rows || tasks ? list.zone : initialZone;
  const [toast, show] = useToast();
  const tick = useTick(save, changed, show);
  const [active, setActive] = useState<number>();
  const search = useRef<HTMLInputElement>(null);
  const quickAdd = useRef<HTMLInputElement>(null);
  const help = useRef<HTMLDialogElement>(null);
  const router = useRouter();

  const choose = useCallback((next: TaskFilter) => {
    setFilter(next);
    setActive(undefined);
    const query = filterQuery(next);
    window.history.replaceState(null, "", query ? `?${query}` : window.location.pathname);
  }, []);

  const length = tasks?.length ?? 0;
  const onSeen = useCallback(
    (index: number) => {
      seen(index);
      if (hasMore && index >= length - AHEAD) more();
    },
    [seen, more, hasMore, length],
  );

  function move(step: number) {
    if (!tasks?.length) return;
    const place = tasks.findIndex(({ id }) => id === active);
    const next = place < 0 ? 0 : Math.min(tasks.length - 1, Math.max(0, place + step));
    setActive(tasks[next]?.id);
  }

  function tickActive() {
    const place = tasks?.findIndex(({ id }) => id === active) ?? -1;
    const task = tasks?.[place];
    if (!task || task.access === "view") return;
    const status = task.status === "completed" ? "pending" : "completed";
    // The task may leave the list: its neighbour takes the focus.
    if (filter.status !== "all") setActive((tasks?.[place + 1] ?? tasks?.[place - 1])?.id);
    void tick(task, status);
  }

  useShortcuts({
    c: () => quickAdd.current?.focus(),
    "/": () => search.current?.focus(),
    "?": () => help.current?.showModal(),
    j: () => move(1),
    k: () => move(-1),
    e: tickActive,
    Enter: () => active !== undefined && router.push(`/tasks/${active}`),
  });

  const standard: Partial<NewTask> = {};
  if (filter.team) standard.team_id = Number(filter.team);
  if (filter.tag) standard.tags = [filter.tag];
  const filtered = filterQuery(filter) !== "";

  return (
    <>
      <div className="flex flex-wrap items-baseline justify-between gap-x-6 gap-y-1">
        <h1 className="text-2xl font-semibold tracking-tight">
          Tasks
          {tasks && (
            <span className="ml-3 text-sm font-normal text-muted tabular-nums" data-testid="total">
              {total.toLocaleString("en")}
            </span>
          )}
        </h1>
        <ConnectionStatus connection={list.connection} />
      </div>
      <div className="mt-5 grid gap-3">
        <QuickAdd
          field={quickAdd}
          zone={zone}
          standard={standard}
          show={show}
          onAdded={(task) => {
            changed(task.id);
            show({
              text: (
                <>
                  Added: <bdi>{task.title}</bdi>
                </>
              ),
              undo: () => void writeBridge("DELETE", `/tasks/${task.id}`).finally(() => changed(task.id)),
            });
          }}
        />
        <FilterBar
          filter={filter}
          teams={teams}
          me={me}
          clients={clients}
          search={search}
          onChange={choose}
        />
      </div>
      <section aria-label="List" className="mt-4 border-t border-line pt-2">
        {!tasks ? (
          <ReadState what="your tasks" error={error} onRetry={retry} />
        ) : tasks.length > 0 ? (
          <TaskList
            tasks={tasks}
            total={total}
            zone={zone}
            glowing={glowing}
            active={active}
            onReach={setActive}
            onTick={(task, status) => void tick(task, status)}
            onSeen={onSeen}
          />
        ) : (
          <div className="px-6 py-16 text-center text-sm text-muted">
            {filtered
              ? "No task is like that."
              : "Nothing is open. Write a task above, or ask your agent to add one."}
            {filtered && (
              <p className="mt-4">
                <Button look="secondary" onClick={() => choose(NO_FILTER)}>
                  Show all open tasks
                </Button>
              </p>
            )}
          </div>
        )}
      </section>
      <ShortcutHelp dialog={help} />
      {toast}
    </>
  );
}
