// @vitest-environment jsdom
import { cleanup, renderHook, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import type { ServerResponse } from "node:http";
import { useDashboard } from "@/hooks/useDashboard";
import { PACE } from "@/lib/refresh";
import { answerJson, FakeServer } from "./server";

declare const jsdom: { reconfigure(options: { url: string }): void };

const server = new FakeServer();
const nodeFetch = globalThis.fetch;
const patient = { timeout: 15_000 };

beforeEach(async () => {
  Object.assign(PACE, { poll: 2_000, jitter: 0 });
  Object.assign(server, { total: 1, signedIn: true, sockets: true, port: 0, failures: [] });
  server.greet = (_token, socket) => socket.send('{"type":"ready"}');
  await server.start();
  jsdom.reconfigure({ url: `${server.origin}/dashboard` });
  // Node's fetch knows no page to be relative to, and does not take jsdom's kind of signal.
  vi.stubGlobal("fetch", (path: string, init: RequestInit) =>
    nodeFetch(new URL(path, server.origin), { ...init, signal: undefined }),
  );
  // Node's socket raises events that the page's event targets do not know.
  vi.stubGlobal("WebSocket", WebSocket);
});

afterEach(async () => {
  cleanup();
  await server.stop();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

function open() {
  const { result } = renderHook(() => useDashboard(null));
  const total = () => result.current.snapshot?.statistics.total_tasks;
  const state = () => result.current.connection.state;
  return { result, total, state };
}

test("an event brings the new numbers while the socket is live", async () => {
  const { total, state } = open();
  await waitFor(() => expect(state()).toBe("live"), patient);
  await waitFor(() => expect(total()).toBe(1), patient);
  server.total = 2;
  server.announce();
  await waitFor(() => expect(total()).toBe(2), patient);
});

test("without the socket the numbers are polled", async () => {
  server.sockets = false;
  const { total, state } = open();
  await waitFor(() => expect(state()).toBe("polling"), patient);
  server.total = 3;
  await waitFor(() => expect(total()).toBe(3), patient);
  expect(state()).toBe("polling");
});

test("without the server the last numbers stay, and it is live again by itself", async () => {
  const { result, total, state } = open();
  await waitFor(() => expect(state()).toBe("live"), patient);
  await waitFor(() => expect(total()).toBe(1), patient);
  await server.stop();
  await waitFor(() => expect(state()).toBe("offline"), patient);
  expect(total()).toBe(1);
  server.total = 4;
  await server.start();
  await waitFor(() => expect(state()).toBe("live"), patient);
  await waitFor(() => expect(total()).toBe(4), patient);
  expect(result.current.error).toBeUndefined();
}, 30_000);

test("a first load that fails is an error that a retry mends", async () => {
  await server.stop();
  const { result, total } = open();
  await waitFor(() => expect(result.current.error?.message).toContain("cannot be reached"), patient);
  expect(total()).toBeUndefined();
  await server.start();
  result.current.retry();
  await waitFor(() => expect(total()).toBe(1), patient);
});

const REFUSAL = "This client made more than 600 requests in a minute. Wait 1 s";

test.each([
  [429, REFUSAL, "refused", REFUSAL],
  [503, "The database cannot be reached.", "failing", "or its database, is not available"],
])(
  "an answer of %i is no live page, and is over when the server says so",
  async (status, detail, kind, told) => {
    const { result, total, state } = open();
    await waitFor(() => expect(state()).toBe("live"), patient);
    await waitFor(() => expect(total()).toBe(1), patient);
    server.failures = [
      (response) => answerJson(response, status, { error: "x", detail }, { "retry-after": "1" }),
    ];
    server.total = 2;
    server.announce();
    await waitFor(() => expect(state()).toBe(kind), patient);
    expect(result.current.connection.detail).toContain(told);
    expect(result.current.error?.retryAfterMs).toBe(1000);
    expect(total()).toBe(1);
    await waitFor(() => expect(state()).toBe("live"), patient);
    expect(total()).toBe(2);
  },
);

test.each([
  ["breaks", (response: ServerResponse) => void response.destroy()],
  [
    "is answered by the proxy",
    (response: ServerResponse) => void response.writeHead(500).end("Internal Server Error"),
  ],
])("a request that %s is sent once more, and nobody notices", async (_, failure) => {
  const { total, state } = open();
  await waitFor(() => expect(state()).toBe("live"), patient);
  await waitFor(() => expect(total()).toBe(1), patient);
  const states = new Set<string>();
  const asked = server.snapshotsAsked;
  server.failures = [failure];
  server.total = 2;
  server.announce();
  await waitFor(() => {
    states.add(state());
    expect(total()).toBe(2);
  }, patient);
  expect(server.snapshotsAsked - asked).toBe(2);
  expect([...states]).toEqual(["live"]);
});

test("a request that breaks twice is a server that cannot be reached", async () => {
  const { state } = open();
  await waitFor(() => expect(state()).toBe("live"), patient);
  const broken = (response: ServerResponse) => void response.destroy();
  server.failures = [broken, broken];
  server.announce();
  await waitFor(() => expect(state()).toBe("offline"), patient);
  await waitFor(() => expect(state()).toBe("live"), patient);
}, 20_000);

test("a hidden page reads nothing, and what it missed once it is shown", async () => {
  const { total, state } = open();
  await waitFor(() => expect(state()).toBe("live"), patient);
  await waitFor(() => expect(total()).toBe(1), patient);
  const hide = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
  document.dispatchEvent(new Event("visibilitychange"));
  const asked = server.snapshotsAsked;
  server.total = 2;
  for (let change = 0; change < 20; change++) server.announce();
  // The socket is in order: what was said before it paused has been heard.
  server.announce('{"type":"paused"}');
  await waitFor(() => expect(state()).toBe("polling"), patient);
  expect(server.snapshotsAsked).toBe(asked);
  hide.mockReturnValue(false);
  document.dispatchEvent(new Event("visibilitychange"));
  await waitFor(() => expect(total()).toBe(2), patient);
  expect(server.snapshotsAsked).toBe(asked + 1);
});

test("a connection that comes back reads once", async () => {
  const { total, state } = open();
  await waitFor(() => expect(state()).toBe("live"), patient);
  await waitFor(() => expect(total()).toBe(1), patient);
  const asked = server.snapshotsAsked;
  server.total = 2;
  for (const socket of server.open) socket.terminate();
  await waitFor(() => expect(state()).toBe("polling"), patient);
  await waitFor(() => expect(state()).toBe("live"), patient);
  await waitFor(() => expect(total()).toBe(2), patient);
  expect(server.snapshotsAsked).toBe(asked + 1);
});

test("a sixth window says why it is not live", async () => {
  server.greet = (_token, socket) => socket.close(4429);
  const { result, state } = open();
  await waitFor(() => expect(state()).toBe("polling"), patient);
  expect(result.current.connection.detail).toContain("Five other windows of yours are live");
  server.greet = (_token, socket) => socket.send('{"type":"ready"}');
  await waitFor(() => expect(state()).toBe("live"), patient);
});

test("an ended session is told apart from a server that is away", async () => {
  vi.resetModules();
  const fresh = (await import("@/hooks/useDashboard")).useDashboard;
  server.signedIn = false;
  const { result } = renderHook(() => fresh("7"));
  await waitFor(() => expect(result.current.signedOut).toBe(true), patient);
  expect(result.current.error).toBeUndefined();
});
