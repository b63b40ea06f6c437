import ReconnectingWebSocket from "partysocket/ws";
import { expiryOf, SignedOutError } from "../api/dashboard";

/** A change to a task that the person may see; `user_id` is who made it. */
interface TaskEvent {
  event_type: "task_created" | "task_updated" | "task_deleted" | "task_completed";
  task_id: number;
  user_id: string;
  timestamp: string;
}

type Message = TaskEvent | { type: "ready" | "resync" | "paused" | "people" | "conversation" | "pong" };

/** What changed: a task, invitations or members of teams, a conversation, or possibly anything. */
export type News = "task" | "people" | "conversation" | "any";

/**
 * live: changes arrive; paused: the socket is open, but the server receives no changes; limited: the person has as many
 * sockets as the server allows; disconnected: there is no socket.
 */
export type LinkState = "connecting" | "live" | "paused" | "limited" | "disconnected";

export interface LiveOptions {
  url: string;
  /** An access token; `fresh` asks for one that no socket has used. */
  token: (fresh?: boolean) => Promise<string>;
  /** Something changed, or may have changed while there was no socket. `taskId`: the task, if it is one. */
  onChange: (news: News, taskId?: number) => void;
  /** The state of the socket changed. */
  onLink: (link: Exclude<LinkState, "connecting">) => void;
  /** The session is over; the socket stays closed. */
  onSignedOut: () => void;
  /** In milliseconds. Only tests change them. */
  waits?: Partial<typeof WAITS>;
}

const WAITS = {
  /** Before the first attempt to reconnect, and at most before any attempt. */
  reconnectMin: 500,
  reconnectMax: 10_000,
  /** For the server's `ready`. */
  ready: 8_000,
  /** Between pings, and for the answer. */
  ping: 10_000,
  pong: 5_000,
  /** Before the token's end, when a new one is sent. */
  renewal: 45_000,
};

const UNAUTHORIZED = 4401;
const TOO_MANY = 4429;

/**
 * Keep one authenticated socket to `/api/ws` open until the returned function is called.
 *
 * The token is the first message, so that it appears in no URL or log. It is renewed on the same socket before it
 * expires. A lost, silent or refused socket is reopened after a growing, jittered delay.
 */
export function connectLive(options: LiveOptions): () => void {
  const waits = { ...WAITS, ...options.waits };
  let token = "";
  let tokenRefused = false;
  let isReady = false;
  let deadline: ReturnType<typeof setTimeout> | undefined;
  let nextPing: ReturnType<typeof setTimeout> | undefined;
  let renewal: ReturnType<typeof setTimeout> | undefined;

  // Fetched before the socket opens, so that a failure counts for the library's backoff.
  async function prepare(): Promise<string> {
    await takeToken(tokenRefused);
    tokenRefused = false;
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
    // A queued message would carry an old token to the next connection.
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

  function clearTimers(): void {
    for (const timer of [deadline, nextPing, renewal]) clearTimeout(timer);
  }

  socket.addEventListener("open", () => {
    isReady = false;
    expectAnswer(waits.ready);
    authenticate();
  });
  socket.addEventListener("message", ({ data }) => {
    keepAlive();
    receive(JSON.parse(String(data)) as Message);
  });
  socket.addEventListener("close", ({ code }) => {
    clearTimers();
    tokenRefused ||= code === UNAUTHORIZED;
    options.onLink(code === TOO_MANY ? "limited" : "disconnected");
  });

  function receive(message: Message): void {
    if ("task_id" in message) return options.onChange("task", message.task_id);
    switch (message.type) {
      case "pong":
        return;
      case "paused":
        return options.onLink("paused");
      case "people":
      case "conversation":
        return options.onChange(message.type);
      case "ready":
        // After a renewal, `ready` carries no news.
        if (isReady) return;
        isReady = true;
        options.onLink("live");
        break;
      case "resync":
        options.onLink("live");
    }
    options.onChange("any");
  }

  function retryNow(): void {
    if (socket.readyState !== WebSocket.OPEN) socket.reconnect();
  }

  function stop(): void {
    globalThis.removeEventListener?.("online", retryNow);
    clearTimers();
    socket.close();
  }

  globalThis.addEventListener?.("online", retryNow);
  return stop;
}
