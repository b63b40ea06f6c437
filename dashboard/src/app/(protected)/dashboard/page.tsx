import type { Metadata } from "next";
import { headers } from "next/headers";
import { type Bridge, loadSnapshot, type Snapshot } from "@/lib/api/dashboard";
import { auth } from "@/lib/auth";
import { requirePerson } from "@/lib/session";
import { settings } from "@/lib/settings";
import { DashboardClient } from "./DashboardClient";

export const metadata: Metadata = { title: "Dashboard" };

export default async function DashboardPage({ searchParams }: PageProps<"/dashboard">) {
  await requirePerson();
  const { team } = await searchParams;
  const teamId = typeof team === "string" ? team : null;
  return (
    <DashboardClient
      initial={{ teamId, snapshot: await firstSnapshot(teamId) }}
      mcpUrl={settings().mcpResources[0]}
    />
  );
}

/** The numbers for the first paint. Without them the page starts empty and the browser asks. */
async function firstSnapshot(teamId: string | null): Promise<Snapshot | undefined> {
  const bridge: Bridge = {
    origin: settings().bridgeUrl,
    token: async () => (await auth().api.getToken({ headers: await headers() })).token,
    timeoutMs: 2_000,
  };
  return loadSnapshot(bridge, teamId).catch(() => undefined);
}
