"use client";

import { useCallback, useEffect, useRef, useState } from "react";
import { type BridgeError, SignedOutError } from "@/lib/api/dashboard";
import { type Connection, connectionState } from "@/lib/connection";
import { Refresher } from "@/lib/refresh";
import type { LinkState, News } from "@/lib/websocket/client";
import { listenLive } from "@/lib/websocket/shared";

let leaving = false;

/** The person signs out in this tab, and sees that page instead of the one about a session that has ended. */
export function expectSignOut(): void {
  leaving = true;
}

export interface Live {
  /** Why the last read failed. */
  error?: BridgeError;
  connection: Connection;
  /** The session has ended: nothing changes here until the person signs in again. */
  signedOut: boolean;
  /** What is shown may be out of date. */
  refresh: () => void;
  /** The person asked for a read. */
  retry: () => void;
}

/**
 * Calls `load` when something changes for the person, and from time to time; while there is no live socket, every five
 * seconds. `load` stores what it reads, and rejects when it fails. `empty`: there is nothing to show yet. `about`: what
 * kind of change matters here. `heard` gets the id of each changed task, and nothing if any may have changed.
 */
export function useLive(
  load: () => Promise<void>,
  about: Exclude<News, "any">,
  empty: boolean,
  heard?: (taskId?: number) => void,
): Live {
  const [error, setError] = useState<BridgeError>();
  const [link, setLink] = useState<LinkState>("connecting");
  const [signedOut, setSignedOut] = useState(false);
  const [startsEmpty] = useState(empty);
  const latest = useRef(load);
  const latestHeard = useRef(heard);
  const refresher = useRef<Refresher>(undefined);

  useEffect(() => {
    latest.current = load;
    latestHeard.current = heard;
  }, [load, heard]);

  useEffect(() => {
    leaving = false;
    async function read(): Promise<void> {
      try {
        await latest.current();
        setError(undefined);
      } catch (failure) {
        if (failure instanceof SignedOutError) setSignedOut(true);
        else setError(failure as BridgeError);
        throw failure;
      }
    }

    const current = new Refresher(read, () => document.hidden);
    refresher.current = current;
    if (startsEmpty) current.changed();
    const stop = listenLive({
      onChange: (news, taskId) => {
        if (news !== about && news !== "any") return;
        latestHeard.current?.(taskId);
        current.changed();
      },
      onLink: (changed) => {
        setLink(changed);
        current.setLive(changed === "live");
      },
      onSignedOut: () => setSignedOut(true),
    });
    const onVisibility = () => current.visibilityChanged();
    document.addEventListener("visibilitychange", onVisibility);
    return () => {
      document.removeEventListener("visibilitychange", onVisibility);
      stop();
      current.stop();
    };
  }, [about, startsEmpty]);

  useEffect(() => {
    // A full page load clears the previous person's data from memory.
    if (signedOut && !leaving)
      window.location.assign(new URL("/sign-in?reason=ended", window.location.origin));
  }, [signedOut]);

  return {
    error: signedOut ? undefined : error,
    connection: connectionState(link, error),
    signedOut,
    refresh: useCallback(() => refresher.current?.changed(), []),
    retry: useCallback(() => refresher.current?.retry(), []),
  };
}
