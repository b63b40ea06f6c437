/** The bridge of the Python server, as the dashboard reads it. The same calls serve the browser and the first render. */

export interface Statistics {
  total_tasks: number;
  pending_tasks: number;
  completed_tasks: number;
  shared_tasks: number;
}

export interface TrendDay {
  /** A day in the person's time zone, `2026-02-07`. */
  date: string;
  created: number;
  completed: number;
}

export interface Task {
  id: number;
  title: string;
  status: "pending" | "in_progress" | "completed";
  priority: "low" | "medium" | "high" | "urgent";
  /** A date, or a date and time with an offset. */
  due?: string;
  tags: string[];
  parent_id?: number;
  access: "owner" | "edit" | "view";
}

export interface Team {
  id: number;
  name: string;
  role: string;
}

/** Everything the page shows, of one moment. The last day of the trend is today. */
export interface Snapshot {
  statistics: Statistics;
  trend: TrendDay[];
  /** The newest tasks; `task_count` counts all of them. */
  tasks: Task[];
  task_count: number;
  /** At most a hundred; `team_count` counts all of them. */
  teams: Team[];
  team_count: number;
  /** IANA name of the zone that the person's days are in; UTC without one. */
  timezone?: string;
}

/** A way to the bridge: an origin (empty: the page's own) and a source of access tokens. */
export interface Bridge {
  origin: string;
  token: (fresh?: boolean) => Promise<string>;
  timeoutMs: number;
}

/** The session is over; only signing in again helps. */
export class SignedOutError extends Error {}

/** The bridge refused, failed or could not be reached (status 0). The message is for the person at the screen. */
export class BridgeError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** How long the server asked to wait, in milliseconds. */
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

const UNREACHABLE = "The task server cannot be reached.";

/** Read the snapshot of one team, or of the person without a team. Raises BridgeError or SignedOutError. */
export async function loadSnapshot(bridge: Bridge, teamId: string | null): Promise<Snapshot> {
  const team: Record<string, string> = teamId ? { team_id: teamId } : {};
  const query = new URLSearchParams({ days: "14", limit: "8", ...team });
  const url = `${bridge.origin}/api/dashboard/snapshot?${query}`;
  let response = await ask(bridge, url, await bridge.token());
  // The key or the clock may have moved under a cached token; a fresh one settles it.
  if (response.status === 401) response = await ask(bridge, url, await bridge.token(true));
  if (!response.ok) throw await explain(response);
  return (await response.json().catch(() => {
    throw new BridgeError(0, UNREACHABLE);
  })) as Snapshot;
}

/**
 * Ask, and once more if the connection broke: that is what happens when a proxy uses one that the server is just
 * closing (ECONNRESET), and a GET may be repeated (RFC 9110 section 9.2.2).
 */
async function ask(bridge: Bridge, url: string, token: string): Promise<Response> {
  const headers = { Authorization: `Bearer ${token}` };
  for (const last of [false, true]) {
    const signal = AbortSignal.timeout(bridge.timeoutMs);
    try {
      const response = await fetch(url, { headers, cache: "no-store", credentials: "omit", signal });
      if (!isFromProxy(response)) return response;
    } catch {
      if (signal.aborted) break;
    }
    if (last) break;
  }
  throw new BridgeError(0, UNREACHABLE);
}

/** A failure of what stands between; the server's own are JSON. */
function isFromProxy({ status, headers }: Response): boolean {
  return status >= 500 && !headers.get("content-type")?.startsWith("application/json");
}

/** Why the bridge did not do it. */
export async function explain(response: Response): Promise<BridgeError> {
  const { status } = response;
  const body = (await response.json().catch(() => ({}))) as { error?: string; detail?: string };
  const detail = body.detail ?? body.error ?? `The task server answered with status ${status}`;
  const message =
    status >= 500 ? "The task server, or its database, is not available right now." : `${detail}.`;
  return new BridgeError(status, message, retryAfter(response));
}

function retryAfter({ headers }: Response): number | undefined {
  const seconds = Number(headers.get("retry-after"));
  return seconds > 0 ? seconds * 1000 : undefined;
}

/** The browser's way to the bridge: same origin, a token of five minutes that is renewed one minute before its end. */
export const browserBridge: Bridge = { origin: "", token: accessToken, timeoutMs: 8_000 };

let cached: Promise<string> | undefined;

/** An access token for the bridge; `fresh` discards the one in memory. Raises SignedOutError or BridgeError. */
export function accessToken(fresh = false): Promise<string> {
  if (fresh || !cached) {
    const asked = requestToken();
    cached = asked;
    asked.then(
      (token) => setTimeout(() => forget(asked), Math.max(0, expiryOf(token) - Date.now() - 60_000)),
      () => forget(asked),
    );
  }
  return cached;
}

function forget(token: Promise<string>): void {
  if (cached === token) cached = undefined;
}

async function requestToken(): Promise<string> {
  const response = await fetch("/api/auth/token", {
    cache: "no-store",
    signal: AbortSignal.timeout(8_000),
  }).catch(() => {
    throw new BridgeError(0, "The dashboard server cannot be reached.");
  });
  if (response.status === 401) throw new SignedOutError("Your session has ended.");
  if (!response.ok)
    throw new BridgeError(response.status, "The session cannot be checked right now.", retryAfter(response));
  return ((await response.json()) as { token: string }).token;
}

/** When a JSON Web Token expires, in milliseconds since 1970 (claim `exp`, RFC 7519 section 4.1.4). */
export function expiryOf(token: string): number {
  const payload = token.split(".")[1] ?? "";
  const { exp } = JSON.parse(atob(payload.replace(/-/g, "+").replace(/_/g, "/"))) as { exp: number };
  return exp * 1000;
}
