import type { BridgeError } from "./api/dashboard";
import type { LinkState } from "./websocket/client";

/** Whether the numbers on the screen are current, and how they are kept current. */
export interface Connection {
  /**
   * live: changes are pushed; polling: read every five seconds; refused: too many requests (429); failing: the server
   * answers with errors; offline: it does not answer. In the last three states the page keeps the numbers it has.
   */
  state: "connecting" | "live" | "polling" | "refused" | "failing" | "offline";
  /** One or two sentences for the person at the screen. */
  detail: string;
}

const BY_LINK: Record<LinkState, Connection> = {
  connecting: { state: "connecting", detail: "Changes will appear by themselves." },
  live: { state: "live", detail: "Changes appear as they happen." },
  disconnected: {
    state: "polling",
    detail: "The live connection is down; the numbers are read every five seconds.",
  },
  limited: {
    state: "polling",
    detail: "Five other windows of yours are live already. Close one of them to make this one live.",
  },
  paused: {
    state: "polling",
    detail: "The server receives no changes right now; the numbers are read every five seconds.",
  },
};

/** The state to show. A failed read takes precedence over the state of the socket. */
export function connectionState(link: LinkState, error: BridgeError | undefined): Connection {
  if (!error) return BY_LINK[link];
  const state = error.status === 429 ? "refused" : error.status === 0 ? "offline" : "failing";
  return { state, detail: `${error.message} The numbers may be old; this page tries again by itself.` };
}
