import { redirect } from "next/navigation";
import { localPath } from "@/lib/paths";
import { currentPerson } from "@/lib/session";
import { settings } from "@/lib/settings";

type Query = Record<string, string | string[] | undefined>;

/** Where to go after sign-in. Redirects people who are signed in already, unless a client waits for consent. */
export async function afterSignIn(query: Query): Promise<string> {
  const next = localPath(query.next);
  if (!query.client_id && (await currentPerson())) redirect(next);
  return next;
}

export function signInProviders(): ("github" | "google")[] {
  const { github, google } = settings();
  return [...(github ? (["github"] as const) : []), ...(google ? (["google"] as const) : [])];
}

/** How mail reaches people; null if it does not. */
export function mailWay(): "smtp" | "terminal" | null {
  return settings().mail?.way ?? null;
}
