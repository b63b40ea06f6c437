/** The bridge of the Python server, as the dashboard reads it. The same calls serve the browser and the first render. */

export interface Statistics {
  total_tasks: number;
  pending_tasks: number;
  completed_tasks: number;
  shared_tasks: number;
}

export interface TrendDay {
  /** A UTC day, `2026-02-07`. */
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
  access: "owner" | "edit" | "view";
}

export interface Team {
  id: number;
  name: string;
  role: string;
}

/** Everything the page shows, read together. The last day of the trend is today. */
export interface Snapshot {
  statistics: Statistics;
  trend: TrendDay[];
  tasks: Task[];
  teams: Team[];
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
  ) {
    super(message);
  }
}

/** Read the snapshot of one team, or of the person without a team. Raises BridgeError or SignedOutError. */
export async function loadSnapshot(bridge: Bridge, teamId: string | null): Promise<Snapshot> {
  const team: Record<string, string> = teamId ? { team_id: teamId } : {};
  const [statistics, { days }, { tasks }, { teams }] = await Promise.all([
    get<Statistics>(bridge, "statistics", team),
    get<{ days: TrendDay[] }>(bridge, "trend", { days: "14", ...team }),
    get<{ tasks: Task[] }>(bridge, "tasks", { limit: "8", ...team }),
    get<{ teams: Team[] }>(bridge, "teams", {}),
  ]);
  return { statistics, trend: days, tasks, teams };
}

async function get<T>(bridge: Bridge, path: string, query: Record<string, string>): Promise<T> {
  const url = `${bridge.origin}/api/dashboard/${path}?${new URLSearchParams(query)}`;
  let response = await ask(bridge, url, await bridge.token());
  // The key or the clock may have moved under a cached token; a fresh one settles it.
  if (response.status === 401) response = await ask(bridge, url, await bridge.token(true));
  if (!response.ok) throw new BridgeError(response.status, await explain(response));
  return (await response.json()) as T;
}

async function ask(bridge: Bridge, url: string, token: string): Promise<Response> {
  try {
    return await fetch(url, {
      headers: { Authorization: `Bearer ${token}` },
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(bridge.timeoutMs),
    });
  } catch {
    throw new BridgeError(0, "The task server cannot be reached.");
  }
}

async function explain(response: Response): Promise<string> {
  const body = (await response.json().catch(() => ({}))) as { error?: string; detail?: string };
  if (response.status === 429)
    return "Too many requests in a short time. This page slows down and tries again.";
  if (response.status >= 500) return "The task server, or its database, is not available right now.";
  return body.detail ?? body.error ?? `The task server answered with status ${response.status}.`;
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
  if (!response.ok) throw new BridgeError(response.status, "The session cannot be checked right now.");
  return ((await response.json()) as { token: string }).token;
}

/** When a JSON Web Token expires, in milliseconds since 1970 (claim `exp`, RFC 7519 section 4.1.4). */
export function expiryOf(token: string): number {
  const payload = token.split(".")[1] ?? "";
  const { exp } = JSON.parse(atob(payload.replace(/-/g, "+").replace(/_/g, "/"))) as { exp: number };
  return exp * 1000;
}
