"use client";

import { useCallback, useLayoutEffect, useRef, useState } from "react";
import {
  type BridgeError,
  browserBridge,
  type Conversation,
  type ConversationPart,
  readBridge,
  writeBridge,
} from "@/lib/api/dashboard";
import { type Live, useLive } from "./useLive";

interface ReadConversation extends Live {
  part?: ConversationPart;
  /** Reads messages before or after those shown. */
  read: (where: "before" | "after") => Promise<void>;
  /** Why that failed. */
  problem?: string;
  /** Changes the title at once on the screen, then on the server; rejects, with the title as before, if that fails. */
  rename: (title: string) => Promise<void>;
}

/** A part of a conversation around message `at`. Once its end is shown, new messages are added as they come. */
export function useConversation(id: number, at: number, initial?: ConversationPart): ReadConversation {
  const [part, setPart] = useState(initial);
  const [title, setTitle] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const shown = useRef(initial);
  const keep = useRef<{ element: Element; top: number }>(undefined);

  const show = useCallback((next: ConversationPart) => {
    shown.current = next;
    setPart(next);
  }, []);

  const load = useCallback(async () => {
    const last = shown.current?.messages.at(-1)?.sequence;
    if (!last) return show(await readPart(id, `around=${at}`));
    const next = await readPart(id, `after=${last}`);
    const now = shown.current;
    // In the middle, only what is known of the whole conversation changes: the person reads on when they want to.
    if (now?.has_later) show({ ...now, conversation: next.conversation, tasks: next.tasks });
    else show(joined(now, next));
  }, [id, at, show]);
  const live = useLive(load, "conversation", initial === undefined);

  const read = useCallback(
    async (where: "before" | "after") => {
      const messages = shown.current?.messages ?? [];
      const edge = where === "before" ? messages[0] : messages.at(-1);
      if (!edge) return;
      try {
        const next = await readPart(id, `${where}=${edge.sequence}`);
        const element = document.getElementById(`m${edge.sequence}`);
        if (where === "before" && element)
          keep.current = { element, top: element.getBoundingClientRect().top };
        show(joined(shown.current, next));
        setProblem(undefined);
      } catch (error) {
        setProblem((error as BridgeError).message);
      }
    },
    [id, show],
  );

  // What the person looks at stays where it is when messages are added above it.
  useLayoutEffect(() => {
    if (!keep.current) return;
    const { element, top } = keep.current;
    keep.current = undefined;
    window.scrollBy(0, element.getBoundingClientRect().top - top);
  }, [part]);

  const rename = useCallback(
    async (wanted: string) => {
      setTitle(wanted);
      try {
        const conversation = await writeBridge<Conversation>("PATCH", `/conversations/${id}`, {
          title: wanted,
        });
        if (shown.current) show({ ...shown.current, conversation });
      } finally {
        setTitle(undefined);
      }
    },
    [id, show],
  );

  const named =
    part && title !== undefined ? { ...part, conversation: { ...part.conversation, title } } : part;
  return { ...live, part: named, read, problem, rename };
}

function readPart(id: number, query: string): Promise<ConversationPart> {
  return readBridge<ConversationPart>(browserBridge, `/conversations/${id}?${query}`);
}

/** What is shown together with another part beside it; a message is never shown twice. */
function joined(earlier: ConversationPart | undefined, next: ConversationPart): ConversationPart {
  if (!earlier) return next;
  const [first, last] = [earlier.messages[0]?.sequence ?? 0, earlier.messages.at(-1)?.sequence ?? 0];
  const before = next.messages.filter(({ sequence }) => sequence < first);
  const after = next.messages.filter(({ sequence }) => sequence > last);
  return {
    ...next,
    messages: [...before, ...earlier.messages, ...after],
    links: [
      ...next.links.filter(({ sequence }) => sequence < first),
      ...earlier.links,
      ...next.links.filter(({ sequence }) => sequence > last),
    ],
    has_earlier: before.length > 0 ? next.has_earlier : earlier.has_earlier,
    has_later: before.length > 0 ? earlier.has_later : next.has_later,
  };
}
