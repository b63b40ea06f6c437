"use client";

import { useSearchParams } from "next/navigation";
import { useCallback, useRef, useState } from "react";
import { Button } from "@/components/Button";
import { ConversationRow, MatchRow } from "@/components/conversations/ConversationRow";
import { SearchBar } from "@/components/conversations/SearchBar";
import { ConnectionStatus } from "@/components/dashboard/ConnectionStatus";
import { ReadState } from "@/components/ReadState";
import { type ConversationListing, useConversationList } from "@/hooks/useConversationList";
import { useShortcuts } from "@/hooks/useShortcuts";
import {
  bridgePath,
  type ConversationSearch,
  NO_SEARCH,
  readSearch,
  searchAddress,
} from "@/lib/conversations";

interface Props {
  initial: { search: ConversationSearch; listing?: ConversationListing };
}

/** All conversations, the one that went on last first; or what a search finds in their messages. */
export function ConversationsClient({ initial }: Props) {
  // Not what the server was asked: on the way back here the browser keeps the page, but the address has the search.
  const address = useSearchParams();
  const [search, setSearch] = useState(() => readSearch(address));
  const known = bridgePath(search) === bridgePath(initial.search) ? initial.listing : undefined;
  const { listing, more, error, connection, retry } = useConversationList(search, known);
  const field = useRef<HTMLInputElement>(null);
  useShortcuts({ "/": () => field.current?.focus() });
  const choose = useCallback((next: ConversationSearch) => {
    setSearch(next);
    const query = searchAddress(next);
    window.history.replaceState(null, "", query ? `?${query}` : window.location.pathname);
  }, []);
  // What cannot be read in the search is not a failure of the server.
  const refused = error?.status === 422 ? error.message : undefined;

  return (
    <>
      <div className="flex flex-wrap items-baseline justify-between gap-x-6 gap-y-1">
        <h1 className="text-2xl font-semibold tracking-tight">
          Conversations
          {listing && "total_count" in listing && (
            <span className="ml-3 text-sm font-normal text-muted tabular-nums" data-testid="total">
              {listing.total_count.toLocaleString("en")}
            </span>
          )}
        </h1>
        {!refused && <ConnectionStatus connection={connection} />}
      </div>
      <div className="mt-5">
        <SearchBar search={search} field={field} onChange={choose} />
      </div>
      <section aria-label="List" className="mt-4 border-t border-line pt-2">
        {listing ? (
          <Rows listing={listing} />
        ) : refused ? (
          <p role="alert" className="px-6 py-16 text-center text-sm text-muted">
            {refused}
          </p>
        ) : (
          <ReadState what="your conversations" error={error} onRetry={retry} />
        )}
        {listing && isEmpty(listing) && (
          <div className="px-6 py-16 text-center text-sm text-muted">
            {"messages" in listing
              ? "Nothing of that is in your conversations."
              : "No conversation is kept yet. An agent that keeps its chat here makes it appear at once."}
            {"messages" in listing && (
              <p className="mt-4">
                <Button look="secondary" onClick={() => choose(NO_SEARCH)}>
                  Show all conversations
                </Button>
              </p>
            )}
          </div>
        )}
        {listing?.next_cursor && (
          <div className="mt-6 text-center">
            <Button look="secondary" onClick={more}>
              Show more
            </Button>
          </div>
        )}
      </section>
    </>
  );
}

function Rows({ listing }: { listing: ConversationListing }) {
  const zone = listing.timezone ?? "UTC";
  if ("conversations" in listing)
    return (
      <ul className="divide-y divide-line">
        {listing.conversations.map((conversation) => (
          <ConversationRow key={conversation.id} conversation={conversation} zone={zone} />
        ))}
      </ul>
    );
  return (
    <>
      {listing.titled.length > 0 && (
        <section aria-labelledby="titled" className="mb-6">
          <h2 id="titled" className="mt-3 px-2 text-[13px] font-medium text-muted">
            In the title
          </h2>
          <ul className="divide-y divide-line">
            {listing.titled.map((conversation) => (
              <ConversationRow key={conversation.id} conversation={conversation} zone={zone} />
            ))}
          </ul>
        </section>
      )}
      {listing.messages.length > 0 && (
        <section aria-labelledby="said">
          <h2 id="said" className="mt-3 px-2 text-[13px] font-medium text-muted">
            In messages
          </h2>
          <ul className="divide-y divide-line">
            {listing.messages.map((message) => (
              <MatchRow
                key={`${message.conversation_id}-${message.sequence}`}
                message={message}
                zone={zone}
              />
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function isEmpty(listing: ConversationListing): boolean {
  return "conversations" in listing
    ? listing.conversations.length === 0
    : listing.titled.length + listing.messages.length === 0;
}
