"use client";

import { useCallback, useEffect, useRef, useState } from "react";
import useSWR from "swr";
import {
  type BridgeError,
  browserBridge,
  loadSnapshot,
  SignedOutError,
  type Snapshot,
} from "@/lib/api/dashboard";
import { connectLive } from "@/lib/websocket/client";

/** live: changes are pushed; polling: asked for every five seconds; offline: neither works, the last numbers stay. */
export type Connection = "connecting" | "live" | "polling" | "offline";

export interface Dashboard {
  snapshot?: Snapshot;
  /** Why there is nothing newer to show. */
  error?: BridgeError;
  connection: Connection;
  /** The session is over: nothing will change here until somebody signs in. */
  signedOut: boolean;
  retry: () => void;
}

const POLL_MS = 5_000;
/** A burst of events is read at its start and then at most this often. */
const BURST_MS = 700;

/** The numbers of a team (or of the person), kept current by the socket, or by polling while it is away. */
export function useDashboard(teamId: string | null, initial?: Snapshot): Dashboard {
  const [live, setLive] = useState<boolean>();
  const [ended, setEnded] = useState(false);
  const { data, error, mutate } = useSWR<Snapshot, Error>(
    ["dashboard", teamId],
    () => loadSnapshot(browserBridge, teamId),
    {
      fallbackData: initial,
      revalidateOnMount: !initial,
      refreshInterval: live ? 0 : POLL_MS,
      // Polling is the retry; a second schedule would only add load.
      shouldRetryOnError: false,
      dedupingInterval: 500,
    },
  );

  const refresh = useRef(mutate);
  useEffect(() => {
    refresh.current = mutate;
  }, [mutate]);
  useEffect(
    () =>
      watch(
        () => void refresh.current(),
        setLive,
        () => setEnded(true),
      ),
    [],
  );

  const retry = useCallback(() => void mutate(), [mutate]);
  const signedOut = ended || error instanceof SignedOutError;
  const failed = error && !signedOut ? (error as BridgeError) : undefined;
  return { snapshot: data, error: failed, connection: judge(live, failed !== undefined), signedOut, retry };
}

function judge(live: boolean | undefined, failed: boolean): Connection {
  if (live) return "live";
  if (failed) return "offline";
  return live === undefined ? "connecting" : "polling";
}

function watch(refresh: () => void, onLive: (live: boolean) => void, onSignedOut: () => void): () => void {
  const paced = pace(refresh, BURST_MS);
  const stop = connectLive({
    url: `${window.location.origin.replace(/^http/, "ws")}/api/ws`,
    token: browserBridge.token,
    onChange: paced.call,
    onLive,
    onSignedOut,
  });
  return () => {
    stop();
    paced.cancel();
  };
}

/** Call at once, then at most once per `ms`, and never lose the last call. */
function pace(call: () => void, ms: number): { call: () => void; cancel: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let again = false;
  function run(): void {
    again = false;
    call();
    timer = setTimeout(() => {
      timer = undefined;
      if (again) run();
    }, ms);
  }
  return {
    call: () => {
      if (timer) again = true;
      else run();
    },
    cancel: () => clearTimeout(timer),
  };
}
