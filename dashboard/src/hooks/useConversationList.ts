"use client";

import { useCallback, useEffect, useRef, useState } from "react";
import {
  browserBridge,
  type ConversationMatches,
  type ConversationRows,
  readBridge,
} from "@/lib/api/dashboard";
import { bridgePath, type ConversationSearch } from "@/lib/conversations";
import { type Live, useLive } from "./useLive";

/** A list of conversations, or what a search found in them. */
export type ConversationListing = ConversationRows | ConversationMatches;

interface Listing extends Live {
  listing?: ConversationListing;
  /** Reads another page. */
  more: () => void;
}

/** The conversations of the person, or what `search` finds in them, kept current. */
export function useConversationList(search: ConversationSearch, initial?: ConversationListing): Listing {
  const path = bridgePath(search);
  const [read, setRead] = useState(initial && { path, listing: initial });
  const pages = useRef(1);
  const wanted = useRef(search);
  const shownPath = useRef(path);

  const load = useCallback(async () => {
    const asked = wanted.current;
    let listing: ConversationListing | undefined;
    // From the start each time: conversations move to the top while they go on.
    for (let page = 0; page < pages.current; page++) {
      const next = await readBridge<ConversationListing>(
        browserBridge,
        bridgePath(asked, listing?.next_cursor),
      );
      listing = listing ? joined(listing, next) : next;
      if (!next.next_cursor) break;
    }
    if (listing) setRead({ path: bridgePath(asked), listing });
  }, []);
  const live = useLive(load, "conversation", initial === undefined);
  const { refresh } = live;

  useEffect(() => {
    if (shownPath.current === path) return;
    shownPath.current = path;
    wanted.current = search;
    pages.current = 1;
    refresh();
  }, [path, search, refresh]);

  const more = useCallback(() => {
    pages.current += 1;
    refresh();
  }, [refresh]);

  return { ...live, listing: read?.path === path ? read.listing : undefined, more };
}

function joined(earlier: ConversationListing, next: ConversationListing): ConversationListing {
  if ("messages" in earlier && "messages" in next)
    return { ...next, titled: earlier.titled, messages: [...earlier.messages, ...next.messages] };
  if ("conversations" in earlier && "conversations" in next)
    return { ...next, conversations: [...earlier.conversations, ...next.conversations] };
  return next;
}
