import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { markOwnUser, OWN_USER_HEADER } from "@/lib/own-user";

let server: Server;
let port: number;

beforeAll(async () => {
  server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  ({ port } = server.address() as AddressInfo);
  process.env.DATABASE_URL = "postgresql:///x";
  process.env.BETTER_AUTH_SECRET = "s".repeat(32);
  process.env.TASKDECK_DASHBOARD_URL = `http://127.0.0.1:${port}`;
  process.env.TASKDECK_LOCAL_OWNER = "local";
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** A request as the server receives it, and the client's socket. */
async function ask(target: string, headers = ""): Promise<{ request: IncomingMessage; client: Socket }> {
  const client = connect(port, "127.0.0.1");
  const received = new Promise<IncomingMessage>((resolve) => server.once("request", resolve));
  client.write(`POST ${target} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${headers}Content-Length: 0\r\n\r\n`);
  return { request: await received, client };
}

function marked(request: IncomingMessage): unknown {
  markOwnUser(request);
  return request.headers[OWN_USER_HEADER];
}

test("sign-up requests of the own user are marked; forged and proxied ones are not", async () => {
  const claim = `${OWN_USER_HEADER}: 1\r\n`;
  expect(marked((await ask("/api/auth/sign-up/email")).request)).toBe("1");
  expect(marked((await ask("/sign-up?client_id=x")).request)).toBe("1");
  expect(marked((await ask("/api/auth/get-session", claim)).request)).toBeUndefined();
  expect(marked((await ask("/sign-up", `${claim}Via: 1.1 proxy\r\n`)).request)).toBeUndefined();
});

test.runIf(process.platform === "linux")(
  "a closed peer socket, which the kernel lists as root's, is not the own user",
  async () => {
    const { request, client } = await ask("/api/auth/sign-up/email");
    const end = client.localPort?.toString(16).toUpperCase().padStart(4, "0");
    client.destroy();
    const listed = () =>
      readFileSync("/proc/net/tcp", "latin1").match(`0100007F:${end} 0100007F:\\w+ (\\w+)`);
    await expect.poll(() => listed()?.[1]).not.toBe("01");
    expect(marked(request)).toBeUndefined();
  },
);
