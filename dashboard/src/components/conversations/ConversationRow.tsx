import Link from "next/link";
import type { Conversation, FoundMessage } from "@/lib/api/dashboard";
import { ROLES, titleOf } from "@/lib/conversations";
import { momentIn } from "@/lib/timezones";

/** One conversation of a list. */
export function ConversationRow({ conversation, zone }: { conversation: Conversation; zone: string }) {
  const { id, message_count: count, updated_at: at } = conversation;
  return (
    <li className="flex flex-wrap items-baseline gap-x-4 gap-y-0.5 px-2 py-3" data-testid="conversation">
      <Link
        href={`/conversations/${id}`}
        prefetch={false}
        title={titleOf(conversation)}
        className={`max-w-full min-w-0 flex-1 basis-48 truncate text-[15px] leading-6 hover:underline ${conversation.title ? "" : "text-muted"}`}
      >
        <bdi>{titleOf(conversation)}</bdi>
      </Link>
      <p className="flex gap-x-3 text-[13px] leading-6 text-muted tabular-nums">
        <span>
          {count.toLocaleString("en")} {count === 1 ? "message" : "messages"}
        </span>
        <time dateTime={at}>{momentIn(zone, new Date(at))}</time>
      </p>
    </li>
  );
}

/** A message that was found: where it is, and why it was found. */
export function MatchRow({ message, zone }: { message: FoundMessage; zone: string }) {
  const { conversation_id: id, sequence, parts, created_at: at } = message;
  return (
    <li className="px-2 py-3" data-testid="match">
      <Link
        href={`/conversations/${id}?at=${sequence}`}
        prefetch={false}
        className="block truncate text-[15px] leading-6 hover:underline"
      >
        <bdi>{titleOf({ id, title: message.title })}</bdi>
      </Link>
      <p dir="auto" className="mt-0.5 line-clamp-3 text-sm leading-6 wrap-anywhere">
        {parts.map((part, place) =>
          place % 2 ? (
            <mark key={place} className="rounded-sm bg-accent-soft font-medium text-ink">
              {part}
            </mark>
          ) : (
            part
          ),
        )}
      </p>
      <p className="mt-0.5 flex gap-x-3 text-[13px] leading-6 text-muted tabular-nums">
        <span>{ROLES[message.role]}</span>
        <time dateTime={at}>{momentIn(zone, new Date(at))}</time>
      </p>
    </li>
  );
}
