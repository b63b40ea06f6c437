"use client";

import { useCallback, useEffect, useRef, useState } from "react";
import { nameClients } from "@/app/(protected)/activity/actions";
import { type Activity, browserBridge, type Change, readBridge } from "@/lib/api/dashboard";
import { type Live, useLive } from "./useLive";

interface Feed extends Live {
  changes?: Change[];
  zone: string;
  hasMore: boolean;
  more: () => void;
}

/** The changes that `filter` (a query) chooses, newest first, kept current; `more` reads another page. */
export function useActivity(filter: string, initial?: Activity): Feed {
  const [read, setRead] = useState<{ filter: string; activity: Activity } | undefined>(
    initial && { filter, activity: initial },
  );
  const pages = useRef(1);
  const wanted = useRef(filter);

  const load = useCallback(async () => {
    const asked = wanted.current;
    let activity: Activity = { changes: [] };
    // From the start each time: a change of an older page may have been undone, or pages may have moved.
    for (let page = 0; page < pages.current; page++) {
      const cursor = activity.next_cursor ? `&cursor=${encodeURIComponent(activity.next_cursor)}` : "";
      const next = await readBridge<Activity>(browserBridge, `/activity?limit=50${asked}${cursor}`);
      activity = { ...next, changes: [...activity.changes, ...next.changes] };
      if (!next.next_cursor) break;
    }
    setRead({ filter: asked, activity });
  }, []);
  const live = useLive(load, "task", initial === undefined);
  const { refresh } = live;

  useEffect(() => {
    if (wanted.current === filter) return;
    wanted.current = filter;
    pages.current = 1;
    refresh();
  }, [filter, refresh]);

  const more = useCallback(() => {
    pages.current += 1;
    refresh();
  }, [refresh]);

  const shown = read?.filter === filter ? read.activity : undefined;
  return {
    ...live,
    changes: shown?.changes,
    zone: read?.activity.timezone ?? "UTC",
    hasMore: Boolean(shown?.next_cursor),
    more,
  };
}

/** The names of the clients of these changes or entries, asked for as new ones appear. */
export function useClientNames(
  changes: { client?: string | null }[] | undefined,
  initial: Record<string, string>,
) {
  const [names, setNames] = useState(initial);
  const asked = useRef(new Set(Object.keys(initial)));
  useEffect(() => {
    const unknown = [...new Set(changes?.flatMap(({ client }) => client ?? []))].filter(
      (client) => !asked.current.has(client),
    );
    if (unknown.length === 0) return;
    for (const client of unknown) asked.current.add(client);
    nameClients(unknown).then(
      (found) => setNames((known) => ({ ...known, ...found })),
      () => {
        for (const client of unknown) asked.current.delete(client);
      },
    );
  }, [changes]);
  return names;
}
