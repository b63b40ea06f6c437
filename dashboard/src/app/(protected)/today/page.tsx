import type { Metadata } from "next";
import { readBridge, type Today } from "@/lib/api/dashboard";
import { personTimeZone, serverBridge } from "@/lib/api/server";
import { clientNames } from "@/lib/client-names";
import { requirePerson } from "@/lib/session";
import { TodayClient } from "./TodayClient";

export const metadata: Metadata = { title: "Today" };

export default async function TodayPage() {
  await requirePerson();
  const [today, zone] = await Promise.all([
    readBridge<Today>(serverBridge(), "/today").catch(() => undefined),
    personTimeZone(),
  ]);
  const clients = [...new Set(today?.changes.flatMap(({ client }) => client ?? []))];
  const names = clients.length > 0 ? await clientNames(clients) : {};
  return <TodayClient initial={today} initialNames={names} initialZone={zone} />;
}
