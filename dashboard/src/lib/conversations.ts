import type { Message } from "./api/dashboard";

/** What is looked for in conversations, kept in the address of the page, and how messages are worded. */

export interface ConversationSearch {
  q: string;
  from: string;
  after: string;
  before: string;
  sort: "best" | "newest";
}

export const NO_SEARCH: ConversationSearch = { q: "", from: "", after: "", before: "", sort: "best" };

export const ROLES: Record<Message["role"], string> = {
  user: "You",
  assistant: "Assistant",
  system: "System",
  tool: "Tool",
};

/** The search in an address; what is not known there counts as absent. */
export function readSearch(query: { get: (name: string) => string | null }): ConversationSearch {
  const from = query.get("from") ?? "";
  const day = (name: string) => {
    const value = query.get(name) ?? "";
    return /^\d{4}-\d{2}-\d{2}$/.test(value) ? value : "";
  };
  return {
    q: query.get("q") ?? "",
    from: Object.hasOwn(ROLES, from) ? from : "",
    after: day("after"),
    before: day("before"),
    sort: query.get("sort") === "newest" ? "newest" : "best",
  };
}

/** The query of an address with this search, without what is standard: `q=bank&from=user`. */
export function searchAddress(search: ConversationSearch): string {
  const given = Object.entries(search).filter(
    ([name, value]) => value !== NO_SEARCH[name as keyof ConversationSearch],
  );
  return new URLSearchParams(given).toString();
}

/** The path of the bridge for a page of the list, or of what is found. */
export function bridgePath(search: ConversationSearch, cursor?: string | null): string {
  const query = new URLSearchParams({ limit: "50" });
  if (cursor) query.set("cursor", cursor);
  const words = search.q.trim();
  if (!words) return `/conversations?${query}`;
  const filters = (["from", "after", "before"] as const).flatMap((name) =>
    search[name] ? [`${name}:${search[name]}`] : [],
  );
  query.set("search", [words, ...filters].join(" "));
  query.set("sort", search.sort);
  return `/conversations/search?${query}`;
}

/** The title of a conversation, or what stands for it. */
export function titleOf({ id, title }: { id: number; title?: string | null }): string {
  return title ?? `Conversation ${id}`;
}

/** Which tool a call names, in the form of whichever chat API it comes from. */
export function callName(call: Record<string, unknown>): string {
  const nested = call.function;
  const name =
    call.name ?? (typeof nested === "object" && nested && "name" in nested ? nested.name : undefined);
  return typeof name === "string" && name ? name : "a tool";
}

/** Which tool a recorded call (docs/contracts/mcp.md) names, if the content of a message is one. */
export function recordedTool(content: string): string | undefined {
  return /^\{"tool":"([^"\\]{1,100})"/.exec(content)?.[1];
}
