import { subscribe } from "node:diagnostics_channel";
import type { ClientRequest, IncomingMessage } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { migrate } from "./migrations";
import { markOwnUser } from "./own-user";
import { settings, SettingsError } from "./settings";

/** Check the settings, then migrate. While the database is away the server is up and its pages say so. */
export async function start(): Promise<void> {
  try {
    setForwardedFor(settings().trustedProxies.length > 0);
    callByName(settings().bridgeUrl, settings().publicUrl);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    console.error(`dashboard: ${error.message}`);
    process.exit(2);
  }
  if (!(await tryMigrate())) void keepTrying();
}

async function tryMigrate(): Promise<boolean> {
  try {
    await migrate();
    return true;
  } catch (error) {
    console.error(`dashboard: cannot migrate the database yet: ${(error as Error).message}`);
    return false;
  }
}

async function keepTrying(): Promise<void> {
  do await pause(2_000);
  while (!(await tryMigrate()));
}

/** Anyone can send X-Forwarded-For. Rate limits count by the address at the other end of the socket. */
function setForwardedFor(behindProxy: boolean): void {
  subscribe("http.server.request.start", (message) => {
    const { request } = message as { request: IncomingMessage };
    markOwnUser(request); // before the header that it looks at is replaced
    const { headers, socket } = request;
    const given = behindProxy ? headers["x-forwarded-for"] : undefined;
    headers["x-forwarded-for"] = [given, socket.remoteAddress].filter(Boolean).join(", ");
  });
}

/** The server answers to its public name alone (DNS rebinding). Next would call it by the one that leads to it. */
export function callByName(bridgeUrl: string, publicUrl: string): void {
  const [way, name] = [new URL(bridgeUrl).host, new URL(publicUrl).host];
  subscribe("http.client.request.created", (message) => {
    const { request } = message as { request: ClientRequest };
    if (request.getHeader("host") === way) request.setHeader("host", name);
  });
}
