"use client";

import Link from "next/link";
import { useRouter } from "next/navigation";
import { useEffect, useState } from "react";
import { Button, buttonClass } from "@/components/Button";
import { ConfirmButton } from "@/components/ConfirmButton";
import { MessageItem, TaskLink } from "@/components/conversations/MessageItem";
import { ConnectionStatus } from "@/components/dashboard/ConnectionStatus";
import { Notice } from "@/components/Notice";
import { ReadState } from "@/components/ReadState";
import { EditableText } from "@/components/tasks/EditableText";
import { useConversation } from "@/hooks/useConversation";
import { type ConversationPart, type LinkedTask, writeBridge } from "@/lib/api/dashboard";
import { titleOf } from "@/lib/conversations";
import { dayIn, dayText } from "@/lib/timezones";

interface Props {
  id: number;
  /** The message that the person came for. */
  at?: number;
  initial?: ConversationPart;
  /** Why a download did not begin. */
  refusal?: string;
}

/** A conversation: its messages by day, with the tasks that they added or changed. */
export function ConversationClient({ id, at, initial, refusal }: Props) {
  const { part, read, problem, rename, error, connection, retry } = useConversation(id, at ?? 1, initial);
  const router = useRouter();
  const isThere = Boolean(part?.messages.length);

  useEffect(() => {
    if (!at || !isThere) return;
    const message = document.getElementById(`m${at}`);
    message?.scrollIntoView({ block: "center" });
    message?.focus({ preventScroll: true });
  }, [at, isThere]);

  if (!part || error?.status === 404)
    return (
      <section className="rounded-2xl border border-line bg-surface shadow-card">
        {error?.status === 404 ? (
          <p className="px-6 py-16 text-center text-[15px] text-muted">This conversation was deleted.</p>
        ) : (
          <ReadState what="the conversation" error={error} onRetry={retry} />
        )}
      </section>
    );

  const { conversation, messages, has_earlier: hasEarlier, has_later: hasLater } = part;
  const zone = part.timezone ?? "UTC";
  const count = conversation.message_count;
  const title = titleOf(conversation);

  async function remove() {
    await writeBridge("DELETE", `/conversations/${id}`);
    router.replace("/conversations");
  }

  return (
    <div className="mx-auto max-w-3xl">
      <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-2">
        <p className="text-sm">
          <Link href="/conversations" className="text-muted hover:text-ink hover:underline">
            Conversations
          </Link>
        </p>
        <ConnectionStatus connection={connection} />
      </div>
      <h1 className="sr-only">
        <bdi>{title}</bdi>
      </h1>
      <div className="mt-2">
        <EditableText
          label="Title"
          value={conversation.title ?? ""}
          mayEdit
          maxLength={200}
          onSave={rename}
          className="text-2xl leading-8 font-semibold tracking-tight"
        />
      </div>
      <div className="mt-2 flex flex-wrap items-center justify-between gap-x-6 gap-y-3">
        <p className="text-[13px] text-muted tabular-nums" data-testid="count">
          {count.toLocaleString("en")} {count === 1 ? "message" : "messages"}
        </p>
        <div className="flex flex-wrap gap-2">
          <a href={`/api/export/conversations/${id}?format=markdown`} className={buttonClass("secondary")}>
            <span className="sr-only">Download as </span>Markdown
          </a>
          <a href={`/api/export/conversations/${id}?format=json`} className={buttonClass("secondary")}>
            <span className="sr-only">Download as </span>JSON
          </a>
          <ConfirmButton
            label="Delete"
            subject="this conversation"
            title={`Delete ${title}?`}
            text="Its messages are deleted for good. The tasks that it added or changed stay."
            action={remove}
          />
        </div>
      </div>
      {refusal && (
        <div className="mt-4">
          <Notice tone="problem">{refusal}</Notice>
        </div>
      )}
      {part.tasks.length > 0 && (
        <section aria-labelledby="linked" className="mt-6">
          <h2 id="linked" className="text-[13px] font-medium text-muted">
            Tasks of this conversation
          </h2>
          <ul className="mt-2 flex flex-wrap gap-2">
            {part.tasks.map((task) => (
              <li key={task.id} className="max-w-full min-w-0">
                <TaskLink task={task} />
              </li>
            ))}
          </ul>
        </section>
      )}
      <div className="mt-6 border-t border-line pt-2">
        {hasEarlier && <More label="Show earlier messages" onRead={() => read("before")} />}
        {messages.length === 0 && (
          <p className="px-6 py-16 text-center text-sm text-muted">No message yet.</p>
        )}
        {messages.map((message, place) => {
          const day = dayIn(zone, new Date(message.created_at));
          const earlier = messages[place - 1];
          return (
            <div key={message.sequence}>
              {(!earlier || dayIn(zone, new Date(earlier.created_at)) !== day) && (
                <p className="mt-4 text-[13px] font-medium text-muted">{dayText(day)}</p>
              )}
              <MessageItem
                conversationId={id}
                message={message}
                tasks={current(part.links, part.tasks, message.sequence)}
                zone={zone}
                found={message.sequence === at}
              />
            </div>
          );
        })}
        {hasLater && <More label="Show later messages" onRead={() => read("after")} />}
        {problem && <Notice tone="problem">{problem}</Notice>}
        {(hasEarlier || hasLater) && (
          <p className="mt-6 flex justify-center gap-6 text-sm">
            {hasEarlier && <Jump href={`/conversations/${id}?at=1`} text="To the first message" />}
            {hasLater && <Jump href={`/conversations/${id}?at=${count}`} text="To the newest message" />}
          </p>
        )}
      </div>
    </div>
  );
}

/** The tasks of a message, as the conversation's list, which is read more often, has them. */
function current(links: LinkedTask[], tasks: LinkedTask[], sequence: number): LinkedTask[] {
  return links
    .filter((link) => link.sequence === sequence)
    .map((link) => tasks.find(({ id }) => id === link.id) ?? link);
}

function More({ label, onRead }: { label: string; onRead: () => Promise<void> }) {
  const [busy, setBusy] = useState(false);
  return (
    <div className="my-4 text-center">
      <Button
        look="secondary"
        disabled={busy}
        onClick={() => {
          setBusy(true);
          void onRead().finally(() => setBusy(false));
        }}
      >
        {label}
      </Button>
    </div>
  );
}

function Jump({ href, text }: { href: string; text: string }) {
  return (
    <Link href={href} prefetch={false} className="font-medium text-muted hover:text-ink hover:underline">
      {text}
    </Link>
  );
}
