import type { Metadata } from "next";
import { notFound } from "next/navigation";
import { cache } from "react";
import { BridgeError, type ConversationPart, readBridge } from "@/lib/api/dashboard";
import { serverBridge } from "@/lib/api/server";
import { titleOf } from "@/lib/conversations";
import { requirePerson } from "@/lib/session";
import { ConversationClient } from "./ConversationClient";

const REFUSALS: Record<string, string> = {
  busy: "Another download of yours is running. Try again when it is finished.",
  failed: "The download could not be made. Try again in a moment.",
};

type Props = PageProps<"/conversations/[id]">;

export async function generateMetadata(props: Props): Promise<Metadata> {
  await requirePerson();
  const { id, at } = await addressOf(props);
  const part = await readPart(id, at);
  return { title: part ? titleOf(part.conversation) : "Conversation" };
}

export default async function ConversationPage(props: Props) {
  await requirePerson();
  const { id, at } = await addressOf(props);
  const part = await readPart(id, at);
  const { export: failed } = await props.searchParams;
  return (
    <ConversationClient
      key={`${id}-${at}`}
      id={Number(id)}
      at={at}
      initial={part}
      refusal={typeof failed === "string" ? REFUSALS[failed] : undefined}
    />
  );
}

/** Which conversation, and around which message; without one around the first. */
async function addressOf({ params, searchParams }: Props): Promise<{ id: string; at?: number }> {
  const [{ id }, { at }] = await Promise.all([params, searchParams]);
  if (!/^[1-9]\d{0,14}$/.test(id)) notFound();
  return { id, at: typeof at === "string" && /^[1-9]\d{0,8}$/.test(at) ? Number(at) : undefined };
}

/** The part; undefined if it cannot be read now. Cached, because the title of the page needs it as well. */
const readPart = cache(async (id: string, at?: number): Promise<ConversationPart | undefined> => {
  try {
    return await readBridge<ConversationPart>(serverBridge(), `/conversations/${id}?around=${at ?? 1}`);
  } catch (error) {
    if (error instanceof BridgeError && error.status === 404) notFound();
    return undefined;
  }
});
