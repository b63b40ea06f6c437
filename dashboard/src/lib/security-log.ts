import type { AuditEntry, AuditLog } from "./api/dashboard";

/** The audit log in plain sentences. */

/** Part of a sentence: our own words, or a name that somebody chose. */
export type Part = string | { name: string };

type Names = Pick<AuditLog, "people" | "tasks" | "teams">;

const WAYS: Record<string, string> = { password: "a password", google: "Google", github: "GitHub" };

const ACCESS: Record<string, string> = { view: "to read it", edit: "to change it" };

/** An entry as a sentence to `me`, the user id of the reader. */
export function sentenceOf(entry: AuditEntry, me: string, names: Names): Part[] {
  const { action, by, details } = entry;
  const subjectId = text(details.user_id ?? me);
  const facts: Facts = {
    actor: upper(by === "server" ? "the server" : person(by ?? me, me, names)),
    subject: person(subjectId, me, names),
    isForOneself: (by ?? me) === subjectId,
    details,
    names,
  };
  return SENTENCES[action]?.(facts) ?? say`${facts.actor}: ${action.replaceAll("_", " ")}.`;
}

interface Facts {
  /** Who did it, at the beginning of a sentence. */
  actor: Part;
  /** Whom it concerns, within a sentence. */
  subject: Part;
  isForOneself: boolean;
  details: AuditEntry["details"];
  names: Names;
}

const SENTENCES: Record<string, (facts: Facts) => Part[]> = {
  account_created: ({ details }) => say`You created this account, with ${way(details)}.`,
  account_ending: () =>
    say`You asked for this account to be deleted. Everything else that was signed in or connected ended.`,
  account_kept: () => say`You decided to keep this account.`,
  signed_in: ({ details }) =>
    details.second_factor
      ? say`You signed in with ${way(details)} and a ${text(details.second_factor)}.`
      : say`You signed in with ${way(details)}.`,
  sign_in_failed: ({ details }) =>
    details.wrong === "password"
      ? say`Somebody entered a wrong password for your address.`
      : say`Somebody entered your password, and then a wrong ${text(details.wrong)}.`,
  signed_out: () => say`You signed out.`,
  session_ended: ({ details }) => say`You ended the session of ${named(details.session, "another browser")}.`,
  password_changed: () =>
    say`You changed the password. Everything else that was signed in or connected ended.`,
  password_reset: () =>
    say`The password was reset with a link in a message to you. Everything that was signed in or connected ended.`,
  address_changed: () => say`You changed the e-mail address.`,
  address_confirmed: () => say`You confirmed the e-mail address.`,
  second_factor_on: () => say`You turned the second factor on.`,
  second_factor_off: () => say`You turned the second factor off.`,
  recovery_codes_made: () => say`You made new recovery codes.`,
  client_connected: ({ details }) =>
    say`You allowed ${named(details.name, "a client without a name")} ${scopes(details.scopes)}.`,
  client_disconnected: ({ details }) =>
    say`You disconnected ${named(details.name, "a client without a name")}.`,
  token_created: ({ details }) =>
    say`You created the personal token ${named(details.name)} ${scopes(details.scopes)}.`,
  token_revoked: ({ details }) => say`The personal token ${named(details.name)} was revoked.`,
  task_shared: (facts) =>
    say`${facts.actor} shared ${task(facts)} with ${facts.subject}, ${ACCESS[text(facts.details.permission)] ?? ""}.`,
  task_unshared: (facts) =>
    facts.isForOneself
      ? say`${facts.actor} gave back the share of ${task(facts)}.`
      : say`${facts.actor} ended the share of ${task(facts)} with ${facts.subject}.`,
  task_deleted: (facts) => say`${facts.actor} deleted ${task(facts)}.`,
  task_restored: (facts) => say`${facts.actor} restored ${task(facts)}.`,
  team_created: ({ actor, details }) => say`${actor} created the team ${named(details.name)}.`,
  team_deleted: ({ actor, details }) => say`${actor} deleted the team ${named(details.name)}.`,
  team_joined: (facts) => say`${upper(facts.subject)} joined ${team(facts)} as ${text(facts.details.role)}.`,
  team_left: (facts) =>
    facts.isForOneself
      ? say`${facts.actor} left ${team(facts)}.`
      : say`${facts.actor} removed ${facts.subject} from ${team(facts)}.`,
  team_role_changed: (facts) =>
    say`${facts.actor} made ${facts.subject} ${text(facts.details.role)} of ${team(facts)}.`,
  invitation_sent: (facts) => say`You invited somebody to ${offer(facts)}.`,
  invitation_accepted: (facts) => say`You accepted an invitation to ${offer(facts)}.`,
  invitation_declined: (facts) => say`You declined an invitation to ${offer(facts)}.`,
  invitation_blocked: () => say`You blocked whoever sent an invitation.`,
  invitation_unblocked: () => say`You lifted a block.`,
  invitation_withdrawn: (facts) => say`You withdrew an invitation to ${offer(facts)}.`,
  conversation_deleted: ({ details }) =>
    say`You deleted a conversation of ${text(details.messages)} ${details.messages === 1 ? "message" : "messages"}.`,
  refused: ({ details }) => say`${named(details.attempted)} was refused.`,
};

/** Where it was done from, as far as that is known: address and browser. */
export function placeOf({ details }: AuditEntry): Part[] {
  const known = [details.agent, details.address].filter((fact) => fact !== undefined);
  return known.flatMap((fact, index) => [index ? ", " : "", { name: String(fact) }]);
}

function say(words: TemplateStringsArray, ...parts: Part[]): Part[] {
  const all = words.flatMap((word, index): Part[] => {
    const part = parts[index];
    return part === undefined ? [word] : [word, part];
  });
  return all.filter((part) => part !== "");
}

function person(id: string, me: string, { people = {} }: Names): Part {
  if (id === me) return "you";
  if (id.startsWith("deleted-")) return "somebody whose account is gone";
  const name = people[id];
  return name ? { name } : "somebody";
}

function task({ details, names }: Facts): Part {
  const title = names.tasks?.[String(details.task_id)];
  return title ? { name: `“${title}”` } : "a task";
}

function team({ details, names }: Facts): Part {
  const name = names.teams?.[String(details.team_id)];
  return name ? { name: `“${name}”` } : "a team";
}

function offer(facts: Facts): Part {
  return facts.details.team_id === undefined ? task(facts) : team(facts);
}

function way({ way }: AuditEntry["details"]): string {
  return WAYS[String(way)] ?? String(way);
}

function scopes(value: unknown): string {
  return text(value).includes("mcp:write") ? "to read and change your data" : "to read your data";
}

function named(value: unknown, otherwise = "without a name"): Part {
  return value ? { name: `“${text(value)}”` } : otherwise;
}

function text(value: unknown): string {
  return String(value ?? "");
}

function upper(part: Part): Part {
  return typeof part === "string" ? part.charAt(0).toUpperCase() + part.slice(1) : part;
}
