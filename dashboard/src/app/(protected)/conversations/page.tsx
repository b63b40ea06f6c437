import type { Metadata } from "next";
import type { ConversationListing } from "@/hooks/useConversationList";
import { readBridge } from "@/lib/api/dashboard";
import { serverBridge } from "@/lib/api/server";
import { bridgePath, readSearch } from "@/lib/conversations";
import { requirePerson } from "@/lib/session";
import { ConversationsClient } from "./ConversationsClient";

export const metadata: Metadata = { title: "Conversations" };

export default async function ConversationsPage({ searchParams }: PageProps<"/conversations">) {
  await requirePerson();
  const given = await searchParams;
  const search = readSearch({ get: (name) => (typeof given[name] === "string" ? given[name] : null) });
  const listing = await readBridge<ConversationListing>(serverBridge(), bridgePath(search)).catch(
    () => undefined,
  );
  return <ConversationsClient initial={{ search, listing }} />;
}
