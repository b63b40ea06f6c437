import "server-only";
import { headers } from "next/headers";
import { auth } from "./auth";
import { describeBrowser } from "./browser-names";

/** A browser in which a person is signed in. */
export interface BrowserSession {
  id: string;
  browser: string;
  address: string | null;
  since: Date;
  isCurrent: boolean;
}

/** The person's sessions, this browser's first, then the newest. */
export async function listSessions(): Promise<BrowserSession[]> {
  const given = { headers: await headers() };
  const [sessions, current] = await Promise.all([
    auth().api.listSessions(given),
    auth().api.getSession(given),
  ]);
  return sessions
    .map((session) => ({
      id: session.id,
      browser: describeBrowser(session.userAgent ?? ""),
      address: session.ipAddress || null,
      since: session.createdAt,
      isCurrent: session.id === current?.session.id,
    }))
    .sort((a, b) => Number(b.isCurrent) - Number(a.isCurrent) || b.since.getTime() - a.since.getTime())
    .slice(0, 100);
}

/** End one of the person's own sessions; nothing happens if it is not theirs or has ended. */
export async function endSession(id: string): Promise<void> {
  const given = { headers: await headers() };
  const session = (await auth().api.listSessions(given)).find((one) => one.id === id);
  if (session) await auth().api.revokeSession({ ...given, body: { token: session.token } });
}
