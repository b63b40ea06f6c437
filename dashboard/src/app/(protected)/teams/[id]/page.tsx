import type { Metadata } from "next";
import { notFound } from "next/navigation";
import { BridgeError, readBridge, type TeamDetail } from "@/lib/api/dashboard";
import { serverBridge } from "@/lib/api/server";
import { requirePerson } from "@/lib/session";
import { TeamView } from "./TeamView";

export const metadata: Metadata = { title: "Team" };

export default async function TeamPage({ params }: PageProps<"/teams/[id]">) {
  const person = await requirePerson();
  const { id } = await params;
  if (!/^[1-9]\d{0,17}$/.test(id)) notFound();
  const team = await readBridge<TeamDetail>(serverBridge(), `/teams/${id}`).catch((error: unknown) => {
    if (error instanceof BridgeError && error.status === 404) notFound();
    return undefined;
  });
  return <TeamView id={id} initial={team} me={person.id} />;
}
