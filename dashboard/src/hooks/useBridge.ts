"use client";

import { useCallback, useState } from "react";
import { browserBridge, readBridge } from "@/lib/api/dashboard";
import type { News } from "@/lib/websocket/client";
import { type Live, useLive } from "./useLive";

/** What the bridge answers at `path`, kept current; `initial` is what the server has rendered. See `useLive`. */
export function useBridge<Answer>(
  path: string,
  about: Exclude<News, "any">,
  initial?: Answer,
): Live & { data?: Answer } {
  const [data, setData] = useState(initial);
  const load = useCallback(async () => setData(await readBridge<Answer>(browserBridge, path)), [path]);
  return { ...useLive(load, about, initial === undefined), data };
}
