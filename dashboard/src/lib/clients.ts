import "server-only";
import { auth } from "./auth";
import { database } from "./database";

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

/** The clients that hold a person's consent, newest first. */
export async function listClients(userId: string): Promise<ConnectedClient[]> {
  const { adapter } = await auth().$context;
  const owned = [{ field: "userId", value: userId }];
  const [consents, tokens] = await Promise.all([
    adapter.findMany<Consent>({
      model: "oauthConsent",
      where: owned,
      sortBy: { field: "createdAt", direction: "desc" },
    }),
    adapter.findMany<RefreshToken>({ model: "oauthRefreshToken", where: owned, limit: 1000 }),
  ]);
  if (consents.length === 0) return [];
  const clients = await adapter.findMany<{ clientId: string; name?: string | null }>({
    model: "oauthClient",
    where: [{ field: "clientId", operator: "in", value: consents.map(({ clientId }) => clientId) }],
  });
  const names = new Map(clients.map(({ clientId, name }) => [clientId, name]));
  return consents.map(({ clientId, scopes, createdAt }) => ({
    clientId,
    name: names.get(clientId) || "An unnamed client",
    host: URL.canParse(clientId) ? new URL(clientId).host : null,
    mayWrite: scopes.includes("mcp:write"),
    since: createdAt,
    lastRenewed: latest(tokens.filter((token) => token.clientId === clientId)),
  }));
}

/** Take a client's consent and refresh tokens away; its access token works until it ends (`accessTokenSeconds`). */
export async function disconnectClient(userId: string, clientId: string): Promise<void> {
  const connection = await database().connect();
  try {
    await connection.query("begin");
    for (const table of ["oauthAccessToken", "oauthRefreshToken", "oauthConsent"])
      await connection.query(`delete from auth."${table}" where "userId" = $1 and "clientId" = $2`, [
        userId,
        clientId,
      ]);
    await connection.query("commit");
    connection.release();
  } catch (error) {
    connection.release(true);
    throw error;
  }
}

interface Consent {
  clientId: string;
  scopes: string[];
  createdAt: Date;
}

interface RefreshToken {
  clientId: string;
  createdAt: Date;
}

function latest(tokens: RefreshToken[]): Date | null {
  return tokens.reduce<Date | null>(
    (last, { createdAt }) => (last && last > createdAt ? last : createdAt),
    null,
  );
}
