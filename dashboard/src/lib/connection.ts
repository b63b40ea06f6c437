import type { BridgeError } from "./api/dashboard";
import type { Link } from "./websocket/client";

/** Whether the numbers on the screen are current, and what keeps them so. */
export interface Connection {
  /**
   * live: changes are pushed; polling: read every five seconds; refused: too many requests (429); failing: the server
   * answers with errors; offline: it does not answer. In the last three the last numbers stay.
   */
  state: "connecting" | "live" | "polling" | "refused" | "failing" | "offline";
  /** One or two sentences for the person at the screen. */
  detail: string;
}

const BY_LINK: Record<Link, Connection> = {
  connecting: { state: "connecting", detail: "Changes will appear by themselves." },
  live: { state: "live", detail: "Changes appear as they happen." },
  away: {
    state: "polling",
    detail: "The live connection is away; the numbers are read every five seconds.",
  },
  crowded: {
    state: "polling",
    detail: "Five other windows of yours are live already. Close one of them and this one follows.",
  },
  paused: {
    state: "polling",
    detail: "The server does not hear of changes right now; the numbers are read every five seconds.",
  },
};

/** What to say of a live connection and of the last read, which matters more if it failed. */
export function connectionState(link: Link, error: BridgeError | undefined): Connection {
  if (!error) return BY_LINK[link];
  const state = error.status === 429 ? "refused" : error.status === 0 ? "offline" : "failing";
  return { state, detail: `${error.message} The numbers may be old; this page tries again by itself.` };
}
