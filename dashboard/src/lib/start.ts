import { subscribe } from "node:diagnostics_channel";
import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { purgeCounts } from "./limits";
import { migrate } from "./migrations";
import { markOwnUser } from "./own-user";
import { guardRequest } from "./request-guard";
import { settings, SettingsError } from "./settings";

const HOUR = 3_600_000;

/** Check the settings, then migrate. Without the database the server still starts, and its pages say what is wrong. */
export async function start(): Promise<void> {
  try {
    watchRequests(settings().trustedProxies.length > 0);
    setHostHeader(settings().bridgeUrl, settings().publicUrl);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    console.error(`dashboard: ${error.message}`);
    process.exit(2);
  }
  setInterval(() => void purgeCounts().catch(() => undefined), HOUR).unref();
  if (!(await tryMigrate())) void retryMigration();
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

async function retryMigration(): Promise<void> {
  do await pause(2_000);
  while (!(await tryMigrate()));
}

/**
 * Before Next.js sees a request: refuse it if it is not for this app, and put the socket's address into
 * X-Forwarded-For, which Better Auth counts by and which anybody can send.
 */
function watchRequests(behindProxy: boolean): void {
  subscribe("http.server.request.start", (message) => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
    guardRequest(request, response);
    markOwnUser(request); // reads X-Forwarded-For, so it comes before the change
    const { headers, socket } = request;
    const given = behindProxy ? headers["x-forwarded-for"] : undefined;
    headers["x-forwarded-for"] = [given, socket.remoteAddress].filter(Boolean).join(", ");
  });
}

/** Send the public host name to the bridge, which answers no other (DNS rebinding); Next.js would send the private one. */
export function setHostHeader(bridgeUrl: string, publicUrl: string): void {
  const [privateHost, publicHost] = [new URL(bridgeUrl).host, new URL(publicUrl).host];
  subscribe("http.client.request.created", (message) => {
    const { request } = message as { request: ClientRequest };
    if (request.getHeader("host") === privateHost) request.setHeader("host", publicHost);
  });
}
