import "server-only";
import { headers } from "next/headers";
import { cache } from "react";
import { auth } from "../auth";
import { settings } from "../settings";
import { knownTimeZone } from "../timezones";
import { type Bridge, BridgeError, explain } from "./dashboard";

/** The way of this process to the bridge, as the signed-in person. */
export const serverBridge = (timeoutMs = 2_000): Bridge => ({
  origin: settings().bridgeUrl,
  token: async () => (await auth().api.getToken({ headers: await headers() })).token,
  timeoutMs,
});

/** The time zone that the person's days are in; UTC as well where it cannot be known now. */
export const personTimeZone = cache(async (): Promise<string> => {
  const told = await callSettings("GET").catch(() => ({ timezone: undefined }));
  return knownTimeZone(told.timezone) ?? "UTC";
});

/** Set the time zone for all the person's clients. Raises BridgeError. */
export async function setTimeZone(timezone: string): Promise<void> {
  await callSettings("PUT", `?${new URLSearchParams({ timezone })}`);
}

async function callSettings(method: "GET" | "PUT", query = ""): Promise<{ timezone?: string }> {
  const bridge = serverBridge();
  const response = await fetch(`${bridge.origin}/api/dashboard/settings${query}`, {
    method,
    headers: { Authorization: `Bearer ${await bridge.token()}` },
    cache: "no-store",
    signal: AbortSignal.timeout(bridge.timeoutMs),
  }).catch(() => {
    throw new BridgeError(0, "The task server cannot be reached.");
  });
  if (!response.ok) throw await explain(response);
  return (await response.json()) as { timezone?: string };
}
