import { readSession } from "../session-lock";
import type { components } from "./schema";

/** Reads the bridge of the Python server. Used by the browser and for the first render on the server. */

type Schemas = components["schemas"];

export type Snapshot = Schemas["DashboardSnapshot"];
export type Task = Schemas["TaskBrief"];
export type Team = Schemas["TeamBrief"];
export type TrendDay = Schemas["DayCount"];
export type PersonSettings = Schemas["Settings"];
export type Offer = Schemas["Offer"];
export type Offers = Schemas["OfferList"];
export type Answered = Schemas["InvitationList"];
export type TeamDetail = Schemas["ListedTeam"];
export type Teams = Schemas["Teams"];
export type Member = Schemas["Member"];
export type Change = Schemas["Change"];
export type Activity = Schemas["Activity"];
export type ActiveClients = Schemas["ActiveClients"];
export type UndoPreview = Schemas["UndoPreview"];
export type AuditLog = Schemas["AuditLog"];
export type AuditEntry = Schemas["AuditEntryView"];
export type Usage = Schemas["Usage"];
export type UndoneSince = Schemas["UndoneSince"];
export type TaskPage = Schemas["TaskPageView"];
export type TaskChange = Schemas["TaskChange"];
export type NewTask = Schemas["AddedTask"];
export type ChangedTask = Schemas["TaskCompleted"];
export type ListedTask = Schemas["ListedTask"];
export type Today = Schemas["TodayView"];
export type TaskRows = Schemas["TaskRows"];
export type TaskBriefly = Schemas["TaskView"];
export type Conversation = Schemas["ConversationView"];
export type ConversationRows = Schemas["ConversationRows"];
export type ConversationMatches = Schemas["ConversationMatches"];
export type ConversationPart = Schemas["ConversationPageView"];
export type FoundMessage = Schemas["FoundMessage"];
export type Message = Schemas["MessageView"];
export type LinkedTask = Schemas["LinkedTask"];
export type NamedPerson = Schemas["NamedPerson"];

/** How to reach the bridge: an origin (empty: the page's own) and a source of access tokens. */
export interface Bridge {
  origin: string;
  token: (fresh?: boolean) => Promise<string>;
  timeoutMs: number;
}

/** The session has ended; the person must sign in again. */
export class SignedOutError extends Error {}

/** The bridge refused, failed or could not be reached (status 0). The message is shown to the person. */
export class BridgeError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** The server's `Retry-After`, in milliseconds. */
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }
}

const UNREACHABLE = "The task server cannot be reached.";

/** Read the snapshot of one team, or of the person without a team. Throws BridgeError or SignedOutError. */
export async function loadSnapshot(bridge: Bridge, teamId: string | null): Promise<Snapshot> {
  const team: Record<string, string> = teamId ? { team_id: teamId } : {};
  const query = new URLSearchParams({ days: "14", limit: "8", ...team });
  return readBridge(bridge, `/snapshot?${query}`);
}

/** GET below /api/dashboard. Throws BridgeError or SignedOutError. */
export async function readBridge<Answer>(bridge: Bridge, path: string): Promise<Answer> {
  return ask(bridge, "GET", path);
}

/**
 * Change something through the bridge. The token in the header, and no cookie, proves who asks, so no other site can
 * send the request (CSRF). Throws BridgeError or SignedOutError.
 */
export async function writeBridge<Answer>(
  method: "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  content?: object,
): Promise<Answer> {
  return ask(browserBridge, method, path, content);
}

async function ask<Answer>(bridge: Bridge, method: string, path: string, content?: object): Promise<Answer> {
  const url = `${bridge.origin}/api/dashboard${path}`;
  let response = await send(bridge, method, url, await bridge.token(), content);
  // The cached token may be signed with an old key or have expired; a new one settles it.
  if (response.status === 401) response = await send(bridge, method, url, await bridge.token(true), content);
  if (!response.ok) throw await toBridgeError(response);
  return (await response.json().catch(() => {
    throw new BridgeError(0, UNREACHABLE);
  })) as Answer;
}

/**
 * Send a request; GET is repeated once if the connection broke (RFC 9110 section 9.2.2): a proxy may have reused a
 * connection that the server was closing (ECONNRESET).
 */
async function send(
  bridge: Bridge,
  method: string,
  url: string,
  token: string,
  content?: object,
): Promise<Response> {
  const headers: HeadersInit = { Authorization: `Bearer ${token}` };
  if (content) headers["Content-Type"] = "application/json";
  const body = content && JSON.stringify(content);
  for (const last of method === "GET" ? [false, true] : [true]) {
    const signal = AbortSignal.timeout(bridge.timeoutMs);
    try {
      const response = await fetch(url, {
        method,
        headers,
        body,
        cache: "no-store",
        credentials: "omit",
        signal,
      });
      if (!isFromProxy(response)) return response;
    } catch {
      if (signal.aborted) break;
    }
    if (last) break;
  }
  throw new BridgeError(0, UNREACHABLE);
}

/** Whether the error comes from a proxy; the server's own errors are JSON. */
function isFromProxy({ status, headers }: Response): boolean {
  return status >= 500 && !headers.get("content-type")?.startsWith("application/json");
}

/** The error for a response that is not successful. */
export async function toBridgeError(response: Response): Promise<BridgeError> {
  const { status } = response;
  const body = (await response.json().catch(() => ({}))) as Partial<Schemas["Problem"]>;
  const detail = body.detail ?? body.error ?? `The task server answered with status ${status}`;
  const message =
    status >= 500
      ? "The task server, or its database, is not available right now."
      : `${detail.replace(/\.$/, "")}.`;
  return new BridgeError(status, message, retryAfter(response));
}

function retryAfter({ headers }: Response): number | undefined {
  const seconds = Number(headers.get("retry-after"));
  return seconds > 0 ? seconds * 1000 : undefined;
}

/** The bridge as the browser reaches it: same origin, with a five-minute token renewed one minute before it expires. */
export const browserBridge: Bridge = { origin: "", token: accessToken, timeoutMs: 8_000 };

let cached: Promise<string> | undefined;

/** An access token for the bridge; `fresh` discards the one in memory. Throws SignedOutError or BridgeError. */
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
  const response = await readSession(() =>
    fetch("/api/auth/token", { cache: "no-store", signal: AbortSignal.timeout(8_000) }),
  ).catch(() => {
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
