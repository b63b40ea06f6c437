import "server-only";
import { database } from "./database";
import { displayName } from "./display-names";

/** An AI client that a person has allowed to act for them. */
export interface ConnectedClient {
  clientId: string;
  name: string;
  /** The host that vouches for the client, if its id is a document on the web. */
  host: string | null;
  mayWrite: boolean;
  since: Date;
  /** When it last got or renewed a token, if it holds a renewable one. */
  lastRenewed: Date | null;
}

/** Whatever holds a consent or a token, even if the other is missing. */
const HOLDERS = `
  select "clientId", min("createdAt") as since, max("createdAt") filter (where holds_token) as renewed,
    bool_or(scopes ? 'mcp:write') as writes, max(name) as name
  from (
    select "clientId", "createdAt", scopes, false as holds_token from auth."oauthConsent" where "userId" = $1
    union all
    select "clientId", "createdAt", scopes, true from auth."oauthRefreshToken"
    where "userId" = $1 and "expiresAt" > now()
  ) held
  join (select "clientId", name from auth."oauthClient") client using ("clientId")
  group by "clientId" order by since desc limit 200`;

interface Row {
  clientId: string;
  since: Date;
  renewed: Date | null;
  writes: boolean;
  name: string | null;
}

/** The clients that hold a person's consent or a token, newest first. */
export async function listClients(userId: string): Promise<ConnectedClient[]> {
  const { rows } = await database().query<Row>(HOLDERS, [userId]);
  return rows.map(({ clientId, since, renewed, writes, name }) => ({
    clientId,
    name: displayName(name ?? "") || "An unnamed client",
    host: URL.canParse(clientId) ? new URL(clientId).host : null,
    mayWrite: writes,
    since,
    lastRenewed: renewed,
  }));
}
