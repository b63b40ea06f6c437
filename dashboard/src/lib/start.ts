import { subscribe } from "node:diagnostics_channel";
import type { ClientRequest, IncomingMessage } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { migrate } from "./migrations";
import { markOwnUser } from "./own-user";
import { settings, SettingsError } from "./settings";

/** Check the settings, then migrate. Without the database the server still starts, and its pages say what is wrong. */
export async function start(): Promise<void> {
  try {
    setForwardedFor(settings().trustedProxies.length > 0);
    setHostHeader(settings().bridgeUrl, settings().publicUrl);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    console.error(`dashboard: ${error.message}`);
    process.exit(2);
  }
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

/** Put the socket's address into X-Forwarded-For, which Better Auth counts by and which anybody can send. */
function setForwardedFor(behindProxy: boolean): void {
  subscribe("http.server.request.start", (message) => {
    const { request } = message as { request: IncomingMessage };
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
