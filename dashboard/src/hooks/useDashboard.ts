"use client";

import { useCallback, useEffect, useRef, useState } from "react";
import { type BridgeError, browserBridge, loadSnapshot, type Snapshot } from "@/lib/api/dashboard";
import type { Connection } from "@/lib/connection";
import { useLive } from "./useLive";

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
  const [failed, setFailed] = useState<TeamId>();
  const shown = useRef(teamId);

  const load = useCallback(async (): Promise<void> => {
    try {
      const snapshot = await loadSnapshot(browserBridge, teamId);
      setSnapshots((earlier) => new Map(earlier).set(teamId, snapshot));
    } catch (error) {
      setFailed(teamId);
      throw error;
    }
  }, [teamId]);
  const { error, connection, signedOut, refresh, retry } = useLive(load, "task", !initial);

  useEffect(() => {
    if (shown.current === teamId) return;
    shown.current = teamId;
    refresh();
  }, [teamId, refresh]);

  const snapshot = snapshots.get(teamId);
  return { snapshot, error: failed === teamId ? error : undefined, connection, signedOut, retry };
}
