import type { Metadata } from "next";
import { loadSnapshot } from "@/lib/api/dashboard";
import { serverBridge } from "@/lib/api/server";
import { requirePerson } from "@/lib/session";
import { settings } from "@/lib/settings";
import { DashboardClient } from "./DashboardClient";

export const metadata: Metadata = { title: "Dashboard" };

export default async function DashboardPage({ searchParams }: PageProps<"/dashboard">) {
  await requirePerson();
  const { team } = await searchParams;
  const teamId = typeof team === "string" ? team : null;
  // On failure the page starts empty and the browser loads the numbers.
  const snapshot = await loadSnapshot(serverBridge(), teamId).catch(() => undefined);
  return <DashboardClient initial={{ teamId, snapshot }} mcpUrl={settings().mcpResources[0]} />;
}
