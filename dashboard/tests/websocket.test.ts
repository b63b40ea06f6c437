import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BridgeError, SignedOutError } from "@/lib/api/dashboard";
import { connectLive, type LiveOptions } from "@/lib/websocket/client";
import { FakeServer, tokenFor } from "./server";

const server = new FakeServer();
const seen = { links: [] as string[], changes: 0, signedOut: 0, fresh: [] as boolean[] };
let stop = () => {};

beforeEach(async () => {
  Object.assign(server, { tokensSeen: [], connections: 0, port: 0, sockets: true });
  server.onToken = (_token, socket) => socket.send('{"type":"ready"}');
  Object.assign(seen, { links: [], changes: 0, signedOut: 0, fresh: [] });
  await server.start();
});

afterEach(async () => {
  stop();
  await server.stop();
});

function connect(options: Partial<LiveOptions> = {}): void {
  stop = connectLive({
    url: `ws://127.0.0.1:${server.port}/api/ws`,
    token: async (fresh = false) => {
      seen.fresh.push(fresh);
      return tokenFor(300, `token-${seen.fresh.length}`);
    },
    onChange: () => seen.changes++,
    onLink: (link) => seen.links.push(link),
    onSignedOut: () => seen.signedOut++,
    ...options,
    waits: { reconnectMin: 20, reconnectMax: 50, ...options.waits },
  });
}

test("the token is the first message, and events after `ready` are changes", async () => {
  connect();
  await vi.waitFor(() => expect(seen.links).toEqual(["live"]));
  expect(server.tokensSeen).toHaveLength(1);
  const before = seen.changes;
  server.announce();
  await vi.waitFor(() => expect(seen.changes).toBe(before + 1));
});

test("a restarted server is found again, and reconnecting counts as a change", async () => {
  connect();
  await vi.waitFor(() => expect(seen.links).toEqual(["live"]));
  await server.stop();
  await vi.waitFor(() => expect(seen.links.at(-1)).toBe("disconnected"));
  const before = seen.changes;
  await server.start();
  await vi.waitFor(() => expect(seen.links.at(-1)).toBe("live"));
  expect(seen.changes).toBeGreaterThan(before);
});

test("a refused token is not sent twice", async () => {
  server.onToken = (_token, socket) => {
    if (server.tokensSeen.length === 1) socket.close(4401);
    else socket.send('{"type":"ready"}');
  };
  connect();
  await vi.waitFor(() => expect(seen.links.at(-1)).toBe("live"));
  expect(seen.fresh).toEqual([false, true]);
  expect(new Set(server.tokensSeen).size).toBe(2);
});

test("a new token is sent on the same socket before the old one expires", async () => {
  let lifetimes = [2, 300];
  connect({ token: async () => tokenFor(lifetimes.shift() ?? 300), waits: { renewal: 60_000 } });
  await vi.waitFor(() => expect(server.tokensSeen).toHaveLength(2), 3_000);
  expect(server.connections).toBe(1);
  lifetimes = [];
});

test("renewing the token does not count as a change", async () => {
  const lifetimes = [2, 300];
  connect({ token: async () => tokenFor(lifetimes.shift() ?? 300), waits: { renewal: 60_000 } });
  await vi.waitFor(() => expect(server.tokensSeen).toHaveLength(2), 3_000);
  server.announce('{"type":"paused"}');
  await vi.waitFor(() => expect(seen.links).toEqual(["live", "paused"]));
  expect(seen.changes).toBe(1);
});

test("a paused socket counts as a change when it resumes", async () => {
  connect();
  await vi.waitFor(() => expect(seen.links).toEqual(["live"]));
  server.announce('{"type":"paused"}');
  await vi.waitFor(() => expect(seen.links).toEqual(["live", "paused"]));
  expect(seen.changes).toBe(1);
  server.announce('{"type":"resync"}');
  await vi.waitFor(() => expect(seen.links).toEqual(["live", "paused", "live"]));
  expect(seen.changes).toBe(2);
});

test("a refused extra socket is reported as limited, and connects when there is room", async () => {
  let room = false;
  server.onToken = (_token, socket) => {
    if (room) socket.send('{"type":"ready"}');
    else socket.close(4429);
  };
  connect();
  await vi.waitFor(() => expect(new Set(seen.links)).toEqual(new Set(["limited"])));
  room = true;
  await vi.waitFor(() => expect(seen.links.at(-1)).toBe("live"));
});

test("a silent server is reconnected to", async () => {
  connect({ waits: { ping: 20, pong: 20 } });
  await vi.waitFor(() => expect(server.connections).toBeGreaterThan(2));
  expect(seen.links).toContain("disconnected");
});

test("a server that never sends `ready` is reconnected to", async () => {
  server.onToken = () => {};
  connect({ waits: { ready: 30 } });
  await vi.waitFor(() => expect(server.connections).toBeGreaterThan(1));
  expect(seen.links).not.toContain("live");
});

test("without a token no socket is opened", async () => {
  let failures = 3;
  connect({
    token: async () => {
      if (failures-- > 0) throw new BridgeError(503, "disconnected");
      return tokenFor(300);
    },
  });
  await vi.waitFor(() => expect(seen.links.at(-1)).toBe("live"));
  expect(server.connections).toBe(1);
});

test("when the session is over the socket stays closed", async () => {
  const token = vi.fn(async () => {
    throw new SignedOutError("over");
  });
  connect({ token });
  await vi.waitFor(() => expect(seen.signedOut).toBe(1));
  await server.stop();
  await server.start();
  expect(token).toHaveBeenCalledTimes(1);
  expect(server.connections).toBe(0);
});
