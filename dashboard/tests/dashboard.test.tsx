// @vitest-environment jsdom
import { cleanup, renderHook, waitFor } from "@testing-library/react";
import { createElement, type ReactNode } from "react";
import { SWRConfig } from "swr";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { useDashboard } from "@/hooks/useDashboard";
import { FakeServer } from "./server";

declare const jsdom: { reconfigure(options: { url: string }): void };

const server = new FakeServer();
const nodeFetch = globalThis.fetch;
const patient = { timeout: 15_000 };

beforeEach(async () => {
  Object.assign(server, { total: 1, signedIn: true, sockets: true, port: 0 });
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
});

function open() {
  // A cache of its own, for the module's is one for all tests.
  const wrapper = ({ children }: { children: ReactNode }) =>
    createElement(SWRConfig, { value: { provider: () => new Map() } }, children);
  const { result } = renderHook(() => useDashboard(null), { wrapper });
  const total = () => result.current.snapshot?.statistics.total_tasks;
  return { result, total };
}

test("an event brings the new numbers while the socket is live", async () => {
  const { result, total } = open();
  await waitFor(() => expect(result.current.connection).toBe("live"), patient);
  await waitFor(() => expect(total()).toBe(1));
  server.total = 2;
  server.announce();
  await waitFor(() => expect(total()).toBe(2));
});

test("without the socket the numbers are polled", async () => {
  server.sockets = false;
  const { result, total } = open();
  await waitFor(() => expect(result.current.connection).toBe("polling"), patient);
  server.total = 3;
  await waitFor(() => expect(total()).toBe(3), patient);
  expect(result.current.connection).toBe("polling");
});

test("without the server the last numbers stay, and it is live again by itself", async () => {
  const { result, total } = open();
  await waitFor(() => expect(result.current.connection).toBe("live"), patient);
  await waitFor(() => expect(total()).toBe(1));
  await server.stop();
  await waitFor(() => expect(result.current.connection).toBe("offline"), patient);
  expect(total()).toBe(1);
  server.total = 4;
  await server.start();
  await waitFor(() => expect(result.current.connection).toBe("live"), patient);
  await waitFor(() => expect(total()).toBe(4));
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

test("an ended session is told apart from a server that is away", async () => {
  vi.resetModules();
  const fresh = (await import("@/hooks/useDashboard")).useDashboard;
  server.signedIn = false;
  const { result } = renderHook(() => fresh("7"));
  await waitFor(() => expect(result.current.signedOut).toBe(true), patient);
  expect(result.current.error).toBeUndefined();
});
