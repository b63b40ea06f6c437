import ReconnectingWebSocket from "partysocket/ws";
import { expiryOf, SignedOutError } from "../api/dashboard";

/** A change to a task that the person may see; `user_id` is who made it. */
export interface TaskEvent {
  event_type: "task_created" | "task_updated" | "task_deleted" | "task_completed";
  task_id: number;
  user_id: string;
  timestamp: string;
}

export interface LiveOptions {
  url: string;
  /** An access token; `fresh` asks for one that no socket has used. */
  token: (fresh?: boolean) => Promise<string>;
  /** Something changed, or may have changed while the socket was away. */
  onChange: () => void;
  /** Whether events arrive. */
  onLive: (live: boolean) => void;
  /** The session is over; the socket stays closed. */
  onSignedOut: () => void;
  /** Waits in milliseconds; the defaults are right outside tests. */
  waits?: Partial<typeof WAITS>;
}

const WAITS = {
  /** Before the first try to reconnect, and the most before any. */
  reconnectMin: 500,
  reconnectMax: 10_000,
  /** For the server to say it is ready. */
  ready: 8_000,
  /** Between pings, and for the answer. */
  ping: 25_000,
  pong: 8_000,
  /** Before the token's end, when a new one is sent. */
  renewal: 45_000,
};

const UNAUTHORIZED = 4401;

/**
 * Keep one authenticated socket to `/api/ws` open until the returned function is called.
 *
 * The token is the first message, so it is in no address or log. It is renewed on the same socket before it
 * ends. A lost, silent or refused socket is opened again after a growing, jittered wait.
 */
export function connectLive(options: LiveOptions): () => void {
  const waits = { ...WAITS, ...options.waits };
  let token = "";
  let refused = false;
  let deadline: ReturnType<typeof setTimeout> | undefined;
  let nextPing: ReturnType<typeof setTimeout> | undefined;
  let renewal: ReturnType<typeof setTimeout> | undefined;

  // The token comes before the socket: while there is none, the library's growing wait applies.
  async function prepare(): Promise<string> {
    await takeToken(refused);
    refused = false;
    return options.url;
  }

  async function takeToken(fresh: boolean): Promise<void> {
    try {
      token = await options.token(fresh);
    } catch (error) {
      if (error instanceof SignedOutError) {
        stop();
        options.onSignedOut();
      }
      throw error;
    }
  }

  const socket = new ReconnectingWebSocket(prepare, [], {
    minReconnectionDelay: waits.reconnectMin * (1 + Math.random()),
    maxReconnectionDelay: waits.reconnectMax,
    connectionTimeout: waits.ready,
    // Messages belong to one connection: an old token must not be sent on the next.
    maxEnqueuedMessages: 0,
  });

  function authenticate(): void {
    socket.send(JSON.stringify({ type: "authenticate", token }));
    const left = expiryOf(token) - Date.now();
    renewIn(Math.max(left / 2, left - waits.renewal));
  }

  function renewIn(ms: number): void {
    clearTimeout(renewal);
    renewal = setTimeout(() => {
      takeToken(true).then(authenticate, () => renewIn(waits.reconnectMax));
    }, ms);
  }

  function expectAnswer(within: number): void {
    clearTimeout(deadline);
    deadline = setTimeout(() => socket.reconnect(), within);
  }

  function keepAlive(): void {
    clearTimeout(deadline);
    clearTimeout(nextPing);
    nextPing = setTimeout(() => {
      socket.send(JSON.stringify({ type: "ping" }));
      expectAnswer(waits.pong);
    }, waits.ping);
  }

  function quiet(): void {
    for (const timer of [deadline, nextPing, renewal]) clearTimeout(timer);
  }

  socket.addEventListener("open", () => {
    expectAnswer(waits.ready);
    authenticate();
  });
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(String(data)) as TaskEvent | { type: "ready" | "resync" | "pong" };
    keepAlive();
    if ("type" in message && message.type === "pong") return;
    if ("type" in message && message.type === "ready") options.onLive(true);
    options.onChange();
  });
  socket.addEventListener("close", ({ code }) => {
    quiet();
    refused ||= code === UNAUTHORIZED;
    options.onLive(false);
  });

  function retryNow(): void {
    if (socket.readyState !== WebSocket.OPEN) socket.reconnect();
  }

  function stop(): void {
    globalThis.removeEventListener?.("online", retryNow);
    quiet();
    socket.close();
  }

  globalThis.addEventListener?.("online", retryNow);
  return stop;
}
