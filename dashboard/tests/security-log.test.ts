import { expect, test } from "vitest";
import type { AuditEntry } from "@/lib/api/dashboard";
import { type Part, placeOf, sentenceOf } from "@/lib/security-log";

const NAMES = { people: { bob: "Bob" }, tasks: { "7": "Paint" }, teams: { "3": "Garden" } };

const plain = (parts: Part[]) => parts.map((part) => (typeof part === "string" ? part : part.name)).join("");

const sentence = (action: string, details: AuditEntry["details"] = {}, by?: string) =>
  plain(sentenceOf({ id: 1, at: "2026-03-01T10:00:00Z", action, by, details }, "ada", NAMES));

test.each([
  ["signed_in", { way: "password" }, "You signed in with a password."],
  ["signed_in", { way: "github" }, "You signed in with GitHub."],
  ["signed_in", { way: "password", second_factor: "code" }, "You signed in with a password and a code."],
  ["sign_in_failed", { wrong: "password" }, "Somebody entered a wrong password for your address."],
  ["sign_in_failed", { wrong: "code" }, "Somebody entered your password, and then a wrong code."],
  ["client_connected", { name: "Claude", scopes: "mcp:read" }, "You allowed “Claude” to read your data."],
  ["client_disconnected", { name: "" }, "You disconnected a client without a name."],
  [
    "token_created",
    { name: "CI", hint: "abcd", scopes: "mcp:read mcp:write" },
    "You created the personal token “CI” to read and change your data.",
  ],
  ["team_joined", { team_id: 3, user_id: "ada", role: "owner" }, "You joined “Garden” as owner."],
  ["team_left", { team_id: 3, user_id: "bob", role: "member" }, "You removed Bob from “Garden”."],
  ["team_left", { team_id: 4, user_id: "ada", role: "member" }, "You left a team."],
  [
    "task_shared",
    { task_id: 7, user_id: "bob", permission: "view" },
    "You shared “Paint” with Bob, to read it.",
  ],
  [
    "task_unshared",
    { task_id: 7, user_id: "ada", permission: "view" },
    "You gave back the share of “Paint”.",
  ],
  ["invitation_sent", { invitation_id: 1, task_id: 8, offered: "view" }, "You invited somebody to a task."],
  ["conversation_deleted", { conversation_id: 1, messages: 1 }, "You deleted a conversation of 1 message."],
  ["something_new", {}, "You: something new."],
])("%s %o", (action, details, expected) => {
  expect(sentence(action, details)).toBe(expected);
});

test("what others did names them, as far as the reader still sees them", () => {
  const share = { task_id: 9, user_id: "ada", permission: "edit" };
  expect(sentence("task_shared", share, "bob")).toBe("Bob shared a task with you, to change it.");
  expect(sentence("task_shared", share, "eve")).toBe("Somebody shared a task with you, to change it.");
  expect(sentence("team_left", { team_id: 3, user_id: "deleted-1" }, "deleted-1")).toBe(
    "Somebody whose account is gone left “Garden”.",
  );
  expect(sentence("task_deleted", { task_id: 7 }, "server")).toBe("The server deleted “Paint”.");
});

test("names that somebody chose are apart from our own words", () => {
  const entry = {
    id: 1,
    at: "2026-03-01T10:00:00Z",
    action: "client_disconnected",
    details: { name: "x\u202e" },
  };
  expect(sentenceOf(entry, "ada", NAMES)).toContainEqual({ name: "“x\u202e”" });
});

test("the place is the browser and the address, as far as they are known", () => {
  const at = (details: AuditEntry["details"]) =>
    plain(placeOf({ id: 1, at: "2026-03-01T10:00:00Z", action: "signed_in", details }));
  expect(at({ agent: "Firefox on Linux", address: "203.0.113.7" })).toBe("Firefox on Linux, 203.0.113.7");
  expect(at({ address: "203.0.113.7" })).toBe("203.0.113.7");
  expect(at({})).toBe("");
});
