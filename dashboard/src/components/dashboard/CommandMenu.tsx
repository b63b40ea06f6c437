"use client";

import { Autocomplete } from "@base-ui/react/autocomplete";
import { useRouter } from "next/navigation";
import { type RefObject, useEffect, useState } from "react";
import {
  type BridgeError,
  browserBridge,
  type ConversationMatches,
  type PersonSettings,
  readBridge,
  type TaskBriefly,
  type TaskRows,
  writeBridge,
} from "@/lib/api/dashboard";
import { titleOf } from "@/lib/conversations";
import { readQuickAdd } from "@/lib/due-words";
import { refusalOf } from "@/lib/tasks";
import { inputClass } from "../Field";
import type { Message } from "../Toast";

const TYPING_MS = 200;
const MOST = 5;
const PAGES = [
  ["Today", "/today"],
  ["Tasks", "/tasks"],
  ["Conversations", "/conversations"],
  ["Activity", "/activity"],
  ["Dashboard", "/dashboard"],
  ["Teams", "/teams"],
  ["Invitations", "/invitations"],
  ["Clients", "/clients"],
  ["Tokens", "/tokens"],
  ["Settings", "/settings"],
] as const;

interface Command {
  id: string;
  label: string;
  /** Where it leads; without, the line becomes a task. */
  href?: string;
}

interface Group {
  value: string;
  items: Command[];
}

/** What to do or where to go: pages, tasks and conversations by their words, and a new task. */
export function CommandMenu(props: {
  dialog: RefObject<HTMLDialogElement | null>;
  show: (message: Message) => void;
}) {
  const { dialog, show } = props;
  const router = useRouter();
  const [line, setLine] = useState("");
  const { groups, problem } = useMatches(line.trim());

  function close() {
    setLine("");
    dialog.current?.close();
  }

  function choose({ href }: Command) {
    const wanted = line.trim();
    close();
    if (href) router.push(href);
    else void add(wanted, show);
  }

  return (
    <Autocomplete.Root
      open
      inline
      mode="none"
      items={groups}
      value={line}
      onValueChange={(value, { reason }) => reason === "input-change" && setLine(value)}
      itemToStringValue={({ label }: Command) => label}
      autoHighlight="always"
      keepHighlight
    >
      <Autocomplete.Input
        aria-label="Search, go to a page, or add a task"
        placeholder="Search, go to a page, or add a task"
        autoFocus
        maxLength={400}
        dir="auto"
        className={inputClass}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          event.preventDefault();
          close();
        }}
      />
      {problem && (
        <p role="alert" className="mt-3 px-2 text-sm text-muted">
          {problem}
        </p>
      )}
      <Autocomplete.List className="mt-3 max-h-[min(60dvh,26rem)] overflow-y-auto">
        {(group: Group) => (
          <Autocomplete.Group key={group.value} items={group.items} className="mb-2">
            <Autocomplete.GroupLabel className="px-2 py-1 text-[13px] font-medium text-muted">
              {group.value}
            </Autocomplete.GroupLabel>
            <Autocomplete.Collection>
              {(command: Command) => (
                <Autocomplete.Item
                  key={command.id}
                  value={command}
                  onClick={() => choose(command)}
                  className="cursor-pointer truncate rounded-lg px-2 py-2 text-[15px] leading-6 data-highlighted:bg-raised"
                >
                  <bdi>{command.label}</bdi>
                </Autocomplete.Item>
              )}
            </Autocomplete.Collection>
          </Autocomplete.Group>
        )}
      </Autocomplete.List>
    </Autocomplete.Root>
  );
}

/** What the line finds, in groups. */
function useMatches(line: string): { groups: Group[]; problem?: string } {
  const [found, setFound] = useState<{ line: string; groups: Group[]; problem?: string }>();
  useEffect(() => {
    if (!line) return;
    let current = true;
    const timer = setTimeout(() => {
      search(line).then(
        (groups) => current && setFound({ line, groups }),
        (error: BridgeError) => current && setFound({ line, groups: [], problem: error.message }),
      );
    }, TYPING_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [line]);
  const pages = PAGES.filter(([label]) => label.toLowerCase().includes(line.toLowerCase()));
  const groups = [
    { value: "Go to", items: pages.map(([label, href]) => ({ id: href, label, href })) },
    ...(line && found ? found.groups : []),
    { value: "Add a task", items: line ? [{ id: "add", label: line }] : [] },
  ];
  return {
    groups: groups.filter(({ items }) => items.length > 0),
    problem: line ? found?.problem : undefined,
  };
}

async function search(line: string): Promise<Group[]> {
  const tasks = new URLSearchParams({ search: line, status: "all", limit: String(MOST) });
  const talks = new URLSearchParams({ search: line, limit: String(MOST) });
  const [rows, matches] = await Promise.all([
    readBridge<TaskRows>(browserBridge, `/tasks?${tasks}`).catch(nothingIfUnreadable),
    readBridge<ConversationMatches>(browserBridge, `/conversations/search?${talks}`).catch(
      nothingIfUnreadable,
    ),
  ]);
  const titled = matches?.titled.map((talk) => ({
    id: `talk-${talk.id}`,
    label: titleOf(talk),
    href: `/conversations/${talk.id}`,
  }));
  const said = matches?.messages.map(({ conversation_id: id, sequence, parts, title }) => ({
    id: `talk-${id}-${sequence}`,
    label: `${titleOf({ id, title })}: ${parts.join("")}`,
    href: `/conversations/${id}?at=${sequence}`,
  }));
  return [
    {
      value: "Tasks",
      items:
        rows?.tasks.map(({ id, title }) => ({ id: `task-${id}`, label: title, href: `/tasks/${id}` })) ?? [],
    },
    { value: "Conversations", items: [...(titled ?? []), ...(said ?? [])] },
  ];
}

/** A line such as "in:nowhere", or one without a word, finds nothing; it may still become a task. */
function nothingIfUnreadable(error: BridgeError): undefined {
  if (error.status !== 422) throw error;
}

/** Makes the line a task, with its dates in words and tags. */
async function add(line: string, show: (message: Message) => void): Promise<void> {
  try {
    const { timezone } = await readBridge<PersonSettings>(browserBridge, "/settings");
    const { title, due, tags } = await readQuickAdd(line, timezone ?? "UTC", new Date());
    const fields = { title, tags, ...(due ? { due } : {}), idempotency_key: crypto.randomUUID() };
    const task = await writeBridge<TaskBriefly>("POST", "/tasks", fields);
    show({
      text: (
        <>
          Added: <bdi>{task.title}</bdi>
        </>
      ),
      undo: () => void writeBridge("DELETE", `/tasks/${task.id}`),
    });
  } catch (error) {
    show({ text: refusalOf(error as BridgeError), tone: "problem" });
  }
}
