import Link from "next/link";
import type { ReactNode } from "react";
import type { LinkedTask, Message } from "@/lib/api/dashboard";
import { callName, recordedTool, ROLES } from "@/lib/conversations";
import { momentIn, timeIn } from "@/lib/timezones";
import { MarkdownText, PlainText } from "./MarkdownText";

/** One message: who said it and when, its text, its tool calls, and the tasks that it added or changed. */
export function MessageItem(props: {
  conversationId: number;
  message: Message;
  tasks: LinkedTask[];
  zone: string;
  /** The message is what the person came for. */
  found: boolean;
}) {
  const { conversationId, message, tasks, zone, found } = props;
  const { sequence, role, content, tool_calls: calls, created_at: at, model } = message;
  const name = `m${sequence}`;
  return (
    <article
      id={name}
      tabIndex={-1}
      aria-labelledby={`${name}-head`}
      data-testid="message"
      className={`-mx-3 scroll-mt-20 rounded-xl px-3 py-4 [overflow-anchor:none] focus-visible:outline-offset-0 ${found ? "bg-accent-soft" : ""}`}
    >
      <h2 id={`${name}-head`} className="flex flex-wrap items-baseline gap-x-3 text-[13px] leading-6">
        <span className="font-semibold">{ROLES[role]}</span>
        {model && <bdi className="font-normal wrap-anywhere text-muted">{model}</bdi>}
        <Link
          href={`/conversations/${conversationId}?at=${sequence}`}
          prefetch={false}
          aria-label={`Link to message ${sequence}, ${momentIn(zone, new Date(at))}`}
          className="font-normal text-muted tabular-nums hover:text-ink hover:underline"
        >
          <time dateTime={at}>{timeIn(zone, new Date(at))}</time>
        </Link>
      </h2>
      {content && role === "tool" ? (
        <Folded summary={recordedTool(content) ? `Called ${recordedTool(content)}` : "Result of a tool"}>
          <PlainText text={content} />
        </Folded>
      ) : (
        content && <MarkdownText text={content} />
      )}
      {calls?.map((call, place) => (
        <Folded key={place} summary={`Called ${callName(call)}`}>
          <PlainText text={JSON.stringify(call, null, 2)} />
        </Folded>
      ))}
      {tasks.length > 0 && (
        <ul aria-label="Tasks of this message" className="mt-2 flex flex-wrap gap-2">
          {tasks.map((task) => (
            <li key={task.id} className="max-w-full min-w-0">
              <TaskLink task={task} />
            </li>
          ))}
        </ul>
      )}
    </article>
  );
}

/** A task that a conversation added or changed. */
export function TaskLink({ task }: { task: LinkedTask }) {
  const done = task.status === "completed";
  return (
    <Link
      href={`/tasks/${task.id}`}
      prefetch={false}
      title={task.title}
      data-testid="linked-task"
      className={`block truncate rounded-lg border border-line-strong bg-surface px-2.5 py-1 text-[13px] leading-5 hover:border-ink ${done ? "text-muted line-through decoration-line-strong" : ""}`}
    >
      <bdi>{task.title}</bdi>
    </Link>
  );
}

function Folded({ summary, children }: { summary: string; children: ReactNode }) {
  return (
    <details className="mt-2 rounded-lg border border-line">
      <summary className="px-3 py-1.5 text-[13px] leading-6 wrap-anywhere text-muted hover:text-ink">
        {summary}
      </summary>
      <div className="border-t border-line px-3 py-2">{children}</div>
    </details>
  );
}
