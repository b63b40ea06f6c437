import Link from "next/link";
import type { TaskPage } from "@/lib/api/dashboard";
import { titleOf } from "@/lib/conversations";

/** The conversations in which a task was added or changed, each with a link to the message. */
export function TaskConversations({ conversations }: { conversations: TaskPage["conversations"] }) {
  if (conversations.length === 0) return null;
  return (
    <section aria-labelledby="conversations" className="mt-10">
      <h2 id="conversations" className="text-[15px] font-semibold tracking-tight">
        Conversations
      </h2>
      <ul className="mt-2 divide-y divide-line border-y border-line">
        {conversations.map((conversation) => (
          <li key={conversation.id} className="py-2.5">
            <Link
              href={`/conversations/${conversation.id}?at=${conversation.sequence}`}
              prefetch={false}
              className="block truncate text-[15px] leading-6 hover:underline"
            >
              <bdi>{titleOf(conversation)}</bdi>
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}
