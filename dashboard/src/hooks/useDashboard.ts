"use client";

import { useCallback, useEffect, useRef, useState } from "react";
import {
  type BridgeError,
  browserBridge,
  loadSnapshot,
  SignedOutError,
  type Snapshot,
} from "@/lib/api/dashboard";
import { type Connection, connectionState } from "@/lib/connection";
import { Refresher } from "@/lib/refresh";
import type { LinkState } from "@/lib/websocket/client";
import { listenLive } from "@/lib/websocket/shared";

export interface Dashboard {
  snapshot?: Snapshot;
  /** Why the last read failed. */
  error?: BridgeError;
  connection: Connection;
  /** The session has ended: nothing changes here until the person signs in again. */
  signedOut: boolean;
  retry: () => void;
}

type TeamId = string | null;

/** The numbers of a team (or of the person), kept current by the socket, or by polling while there is none. */
export function useDashboard(teamId: TeamId, initial?: Snapshot): Dashboard {
  const [snapshots, setSnapshots] = useState(
    () => new Map<TeamId, Snapshot>(initial ? [[teamId, initial]] : []),
  );
  const [failure, setFailure] = useState<{ teamId: TeamId; error: BridgeError }>();
  const [link, setLink] = useState<LinkState>("connecting");
  const [signedOut, setSignedOut] = useState(false);
  const [empty] = useState(!initial);
  const shown = useRef(teamId);
  const refresher = useRef<Refresher>(undefined);

  useEffect(() => {
    async function load(): Promise<void> {
      const team = shown.current;
      try {
        const snapshot = await loadSnapshot(browserBridge, team);
        setSnapshots((earlier) => new Map(earlier).set(team, snapshot));
        setFailure(undefined);
      } catch (error) {
        if (error instanceof SignedOutError) setSignedOut(true);
        else setFailure({ teamId: team, error: error as BridgeError });
        throw error;
      }
    }

    const current = new Refresher(load, () => document.hidden);
    refresher.current = current;
    if (empty) current.changed();
    const disconnect = listenLive({
      // Members of teams change nothing here, except by a resync.
      onChange: (news) => {
        if (news !== "people") current.changed();
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
      disconnect();
      current.stop();
    };
  }, [empty]);

  useEffect(() => {
    if (shown.current === teamId) return;
    shown.current = teamId;
    refresher.current?.changed();
  }, [teamId]);

  const error = failure?.teamId === teamId && !signedOut ? failure.error : undefined;
  return {
    snapshot: snapshots.get(teamId),
    error,
    connection: connectionState(link, error),
    signedOut,
    retry: useCallback(() => refresher.current?.retry(), []),
  };
}
