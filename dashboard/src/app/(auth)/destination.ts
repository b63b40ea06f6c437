import { redirect } from "next/navigation";
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

/** A path of this app; anything else would make the sign-in page an open redirect (CWE-601). */
function localPath(next: string | string[] | undefined): string {
  const base = settings().dashboardUrl;
  if (typeof next !== "string" || !URL.canParse(next, base)) return "/dashboard";
  const url = new URL(next, base);
  return next.startsWith("/") && url.origin === base ? url.pathname + url.search : "/dashboard";
}
