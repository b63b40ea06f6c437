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
const longWait = { timeout: 15_000 };

beforeEach(async () => {
  Object.assign(PACE, { poll: 2_000, jitter: 0 });
  Object.assign(server, { total: 1, signedIn: true, sockets: true, port: 0, failures: [] });
  server.onToken = (_token, socket) => socket.send('{"type":"ready"}');
  await server.start();
  jsdom.reconfigure({ url: `${server.origin}/dashboard` });
  // Node's fetch resolves no relative URLs and rejects jsdom's AbortSignal.
  vi.stubGlobal("fetch", (path: string, init: RequestInit) =>
    nodeFetch(new URL(path, server.origin), { ...init, signal: undefined }),
  );
  // Node's own WebSocket dispatches events that jsdom's event targets reject.
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
  await waitFor(() => expect(state()).toBe("live"), longWait);
  await waitFor(() => expect(total()).toBe(1), longWait);
  server.total = 2;
  server.announce();
  await waitFor(() => expect(total()).toBe(2), longWait);
});

test("without the socket the numbers are polled", async () => {
  server.sockets = false;
  const { total, state } = open();
  await waitFor(() => expect(state()).toBe("polling"), longWait);
  server.total = 3;
  await waitFor(() => expect(total()).toBe(3), longWait);
  expect(state()).toBe("polling");
});

test("the last numbers stay while the server is down, and the page recovers by itself", async () => {
  const { result, total, state } = open();
  await waitFor(() => expect(state()).toBe("live"), longWait);
  await waitFor(() => expect(total()).toBe(1), longWait);
  await server.stop();
  await waitFor(() => expect(state()).toBe("offline"), longWait);
  expect(total()).toBe(1);
  server.total = 4;
  await server.start();
  await waitFor(() => expect(state()).toBe("live"), longWait);
  await waitFor(() => expect(total()).toBe(4), longWait);
  expect(result.current.error).toBeUndefined();
}, 30_000);

test("a retry recovers from a failed first load", async () => {
  await server.stop();
  const { result, total } = open();
  await waitFor(() => expect(result.current.error?.message).toContain("cannot be reached"), longWait);
  expect(total()).toBeUndefined();
  await server.start();
  result.current.retry();
  await waitFor(() => expect(total()).toBe(1), longWait);
});

const REFUSAL = "This client made more than 600 requests in a minute. Wait 1 s";

test.each([
  [429, REFUSAL, "refused", REFUSAL],
  [503, "The database cannot be reached.", "failing", "or its database, is not available"],
])("status %i ends the live state until Retry-After has passed", async (status, detail, kind, shown) => {
  const { result, total, state } = open();
  await waitFor(() => expect(state()).toBe("live"), longWait);
  await waitFor(() => expect(total()).toBe(1), longWait);
  server.failures = [
    (response) => answerJson(response, status, { error: "x", detail }, { "retry-after": "1" }),
  ];
  server.total = 2;
  server.announce();
  await waitFor(() => expect(state()).toBe(kind), longWait);
  expect(result.current.connection.detail).toContain(shown);
  expect(result.current.error?.retryAfterMs).toBe(1000);
  expect(total()).toBe(1);
  await waitFor(() => expect(state()).toBe("live"), longWait);
  expect(total()).toBe(2);
});

test.each([
  ["breaks", (response: ServerResponse) => void response.destroy()],
  [
    "gets the proxy's own error",
    (response: ServerResponse) => void response.writeHead(500).end("Internal Server Error"),
  ],
])("a request that %s is repeated without a change of state", async (_, failure) => {
  const { total, state } = open();
  await waitFor(() => expect(state()).toBe("live"), longWait);
  await waitFor(() => expect(total()).toBe(1), longWait);
  const states = new Set<string>();
  const before = server.snapshotRequests;
  server.failures = [failure];
  server.total = 2;
  server.announce();
  await waitFor(() => {
    states.add(state());
    expect(total()).toBe(2);
  }, longWait);
  expect(server.snapshotRequests - before).toBe(2);
  expect([...states]).toEqual(["live"]);
});

test("two broken connections in a row mean offline", async () => {
  const { state } = open();
  await waitFor(() => expect(state()).toBe("live"), longWait);
  const broken = (response: ServerResponse) => void response.destroy();
  server.failures = [broken, broken];
  server.announce();
  await waitFor(() => expect(state()).toBe("offline"), longWait);
  await waitFor(() => expect(state()).toBe("live"), longWait);
}, 20_000);

test("a hidden page reads nothing, and once when it is shown again", async () => {
  const { total, state } = open();
  await waitFor(() => expect(state()).toBe("live"), longWait);
  await waitFor(() => expect(total()).toBe(1), longWait);
  const hide = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
  document.dispatchEvent(new Event("visibilitychange"));
  const before = server.snapshotRequests;
  server.total = 2;
  for (let change = 0; change < 20; change++) server.announce();
  // The socket keeps order, so every message before this one has been handled.
  server.announce('{"type":"paused"}');
  await waitFor(() => expect(state()).toBe("polling"), longWait);
  expect(server.snapshotRequests).toBe(before);
  hide.mockReturnValue(false);
  document.dispatchEvent(new Event("visibilitychange"));
  await waitFor(() => expect(total()).toBe(2), longWait);
  expect(server.snapshotRequests).toBe(before + 1);
});

test("a reconnected page reads once", async () => {
  const { total, state } = open();
  await waitFor(() => expect(state()).toBe("live"), longWait);
  await waitFor(() => expect(total()).toBe(1), longWait);
  const before = server.snapshotRequests;
  server.total = 2;
  for (const socket of server.open) socket.terminate();
  await waitFor(() => expect(state()).toBe("polling"), longWait);
  await waitFor(() => expect(state()).toBe("live"), longWait);
  await waitFor(() => expect(total()).toBe(2), longWait);
  expect(server.snapshotRequests).toBe(before + 1);
});

test("a sixth window says why it is polling", async () => {
  server.onToken = (_token, socket) => socket.close(4429);
  const { result, state } = open();
  await waitFor(() => expect(state()).toBe("polling"), longWait);
  expect(result.current.connection.detail).toContain("Five other windows of yours are live");
  server.onToken = (_token, socket) => socket.send('{"type":"ready"}');
  await waitFor(() => expect(state()).toBe("live"), longWait);
});

test("an ended session is not reported as a server failure", async () => {
  vi.resetModules();
  const fresh = (await import("@/hooks/useDashboard")).useDashboard;
  server.signedIn = false;
  const { result } = renderHook(() => fresh("7"));
  await waitFor(() => expect(result.current.signedOut).toBe(true), longWait);
  expect(result.current.error).toBeUndefined();
});
