"use client";

import { useCallback, useEffect, useRef, useState } from "react";
import {
  browserBridge,
  type ChangedTask,
  type ListedTask,
  readBridge,
  type TaskChange,
  type TaskRows,
} from "@/lib/api/dashboard";
import { bridgeQuery, hasStatus, type TaskFilter } from "@/lib/task-filter";
import { withTasks } from "@/lib/task-order";
import { withChange } from "@/lib/tasks";
import { type Live, useLive } from "./useLive";
import { useSaves } from "./useSaves";

const PAGE = 100;
/** The most that the server gives at once. */
const MOST = 500;
/** With more changed tasks than this, the list is read again. */
const MOST_CHANGED = 100;

interface List {
  query: string;
  tasks: ListedTask[];
  total: number;
  hasMore: boolean;
  zone: string;
}

interface EditedList extends Live {
  tasks?: ListedTask[];
  total: number;
  hasMore: boolean;
  zone: string;
  /** Tasks that somebody else, or an agent, has just changed. */
  glowing: ReadonlySet<number>;
  /** Reads another page, if none is being read. */
  more: () => void;
  /** The last row that is on the screen: as far as this the list is read again when it must be. */
  seen: (index: number) => void;
  /** Changes a task at once on the screen, then on the server; rejects, with the screen as before, if that fails. */
  save: (task: ListedTask, change: TaskChange) => Promise<ChangedTask>;
  /** The person has changed this task elsewhere on the page. */
  changed: (id: number) => void;
}

/** A list of tasks that is read page by page and kept current: of a changed task only its own row is read. */
export function useTaskList(
  filter: TaskFilter,
  initial?: { filter: TaskFilter; rows?: TaskRows },
): EditedList {
  const query = bridgeQuery(filter);
  const [list, setList] = useState<List | undefined>(
    initial?.rows && toList(bridgeQuery(initial.filter), initial.rows),
  );
  const [glowing, setGlowing] = useState<ReadonlySet<number>>(new Set());
  const current = useRef(list);
  const wanted = useRef(filter);
  const dirty = useRef<Set<number> | "all">("all");
  const own = useRef(new Set<number>());
  const last = useRef(0);
  const reading = useRef(false);

  const store = useCallback((next: List) => {
    current.current = next;
    setList(next);
  }, []);

  const load = useCallback(async () => {
    const asked = bridgeQuery(wanted.current);
    const shown = current.current;
    const ids = dirty.current;
    dirty.current = new Set();
    try {
      if (ids === "all" || ids.size === 0 || shown?.query !== asked) {
        store(await readAll(asked, Math.min(last.current + PAGE, shown?.tasks.length ?? PAGE)));
        return;
      }
      const rows = await readRows(`${asked}&limit=${MOST_CHANGED}&ids=${[...ids].join(",")}`);
      if (current.current?.query !== asked) return;
      store(merged(current.current, ids, rows, wanted.current.sort));
      setGlowing(new Set([...ids].filter((id) => !own.current.has(id))));
      own.current = new Set([...own.current].filter((id) => !ids.has(id)));
    } catch (error) {
      dirty.current = "all";
      throw error;
    }
  }, [store]);

  const heard = useCallback((id?: number) => {
    if (id === undefined || dirty.current === "all" || dirty.current.size >= MOST_CHANGED)
      dirty.current = "all";
    else dirty.current.add(id);
  }, []);
  const live = useLive(load, "task", list === undefined, heard);
  const { refresh } = live;

  useEffect(() => {
    if (bridgeQuery(wanted.current) === query) return;
    wanted.current = filter;
    last.current = 0;
    dirty.current = "all";
    refresh();
  }, [filter, query, refresh]);

  const more = useCallback(() => {
    const shown = current.current;
    const end = shown?.tasks.at(-1);
    if (!shown?.hasMore || !end || reading.current) return;
    reading.current = true;
    readRows(`${shown.query}&limit=${PAGE}&after=${end.id}`)
      .then(
        ({ tasks, total_count: total, has_more: hasMore }) => {
          const now = current.current;
          if (now?.query !== shown.query) return;
          const known = new Set(now.tasks.map(({ id }) => id));
          store({
            ...now,
            tasks: [...now.tasks, ...tasks.filter(({ id }) => !known.has(id))],
            total,
            hasMore,
          });
        },
        // The read that useLive repeats tells why, and how it goes on.
        () => heard(),
      )
      .finally(() => {
        reading.current = false;
      });
  }, [heard, store]);

  const changed = useCallback(
    (id: number) => {
      own.current.add(id);
      heard(id);
      refresh();
    },
    [heard, refresh],
  );

  const done = useCallback(
    (id: number, change: TaskChange, after?: ChangedTask) => {
      const now = current.current;
      if (now && after)
        store({ ...now, tasks: now.tasks.map((row) => applied(row, id, change, after.version)) });
      changed(id);
    },
    [changed, store],
  );
  const { save, edited } = useSaves(done);

  const shown = list?.query === query ? list : undefined;
  const tasks = shown?.tasks.map(edited).filter(({ status }) => hasStatus(filter, status));
  return {
    ...live,
    tasks,
    total: (shown?.total ?? 0) - ((shown?.tasks.length ?? 0) - (tasks?.length ?? 0)),
    hasMore: shown?.hasMore ?? false,
    zone: list?.zone ?? "UTC",
    glowing,
    more,
    seen: useCallback((index: number) => {
      last.current = index;
    }, []),
    save,
    changed,
  };
}

function readRows(query: string): Promise<TaskRows> {
  return readBridge<TaskRows>(browserBridge, `/tasks?${query}`);
}

function toList(query: string, { tasks, total_count: total, has_more: hasMore, timezone }: TaskRows): List {
  return { query, tasks, total, hasMore, zone: timezone ?? "UTC" };
}

/** The first `least` tasks or more. */
async function readAll(query: string, least: number): Promise<List> {
  let list: List | undefined;
  do {
    const limit = Math.min(MOST, Math.max(PAGE, least - (list?.tasks.length ?? 0)));
    const end: ListedTask | undefined = list?.tasks.at(-1);
    const next = toList(query, await readRows(`${query}&limit=${limit}${end ? `&after=${end.id}` : ""}`));
    list = { ...next, tasks: [...(list?.tasks ?? []), ...next.tasks] };
  } while (list.hasMore && list.tasks.length < least);
  return list;
}

/** The list with these tasks as they are now: changed, moved, gone or new. What follows its last row is left out. */
function merged(list: List, ids: Set<number>, rows: TaskRows, sort: TaskFilter["sort"]): List {
  const kept = list.tasks.filter(({ id }) => !ids.has(id));
  const tasks = withTasks(kept, rows.tasks, sort, list.zone);
  const end = kept.at(-1);
  const cut = list.hasMore && end ? tasks.findIndex(({ id }) => id === end.id) + 1 : tasks.length;
  return { ...list, tasks: tasks.slice(0, cut), total: rows.total_count };
}

function applied(row: ListedTask, id: number, change: TaskChange, version: number): ListedTask {
  return row.id === id ? { ...withChange(row, change), version } : row;
}
