import "server-only";
import { headers } from "next/headers";
import { cache } from "react";
import { auth } from "../auth";
import { settings } from "../settings";
import { knownTimeZone } from "../timezones";
import { type Bridge, BridgeError, type PersonSettings, toBridgeError } from "./dashboard";

/** The bridge as this process reaches it, for the signed-in person. */
export const serverBridge = (timeoutMs = 2_000): Bridge => ({
  origin: settings().bridgeUrl,
  token: async () => (await auth().api.getToken({ headers: await headers() })).token,
  timeoutMs,
});

/** The person's time zone; UTC if they have none or it cannot be read. */
export const personTimeZone = cache(async (): Promise<string> => {
  const saved = await callSettings("GET").catch((): PersonSettings => ({}));
  return knownTimeZone(saved.timezone) ?? "UTC";
});

/** Set the time zone for all the person's clients. Throws BridgeError. */
export async function setTimeZone(timezone: string): Promise<void> {
  await callSettings("PUT", `?${new URLSearchParams({ timezone })}`);
}

async function callSettings(method: "GET" | "PUT", query = ""): Promise<PersonSettings> {
  const bridge = serverBridge();
  const response = await fetch(`${bridge.origin}/api/dashboard/settings${query}`, {
    method,
    headers: { Authorization: `Bearer ${await bridge.token()}` },
    cache: "no-store",
    signal: AbortSignal.timeout(bridge.timeoutMs),
  }).catch(() => {
    throw new BridgeError(0, "The task server cannot be reached.");
  });
  if (!response.ok) throw await toBridgeError(response);
  return (await response.json()) as PersonSettings;
}
