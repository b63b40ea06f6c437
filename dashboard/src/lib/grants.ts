import { record } from "./audit-log";
import { database } from "./database";
import { displayName } from "./display-names";
import { OFFLINE_ACCESS } from "./scopes";

/**
 * What people have granted to AI clients, and how it ends. Access tokens that were issued before work until they expire
 * (`accessTokenSeconds`).
 */

interface Statement {
  text: string;
  values: unknown[];
}

/** Codes that wait to be exchanged; other values in the same table are not JSON objects of this shape. */
const CODES = `auth.verification where case when value like '{"type":"authorization_code"%'
  then value::jsonb ->> 'userId' = $1 and ($2::text is null or value::jsonb -> 'query' ->> 'client_id' = $2) end`;

/** Take a client's consent, codes and tokens away. */
export async function disconnectClient(userId: string, clientId: string): Promise<void> {
  const ended = await inTransaction(endings(userId, clientId));
  if (ended) await record(userId, "client_disconnected", await describeClient(clientId));
}

/** Add to the audit log that a person allowed a client these scopes, for the first time or anew. */
export async function recordConsent(userId: string, clientId: string, scopes: string[]): Promise<void> {
  await record(userId, "client_connected", { ...(await describeClient(clientId)), scopes: scopes.join(" ") });
}

/** Take everything away that AI clients hold for a person. */
export async function disconnectAllClients(userId: string): Promise<void> {
  await inTransaction(endings(userId, null));
}

/** End a client's older codes and tokens that may do more than what the person allows now. */
export async function endWiderGrants(userId: string, clientId: string, scopes: string[]): Promise<void> {
  const allowed = JSON.stringify([...scopes, OFFLINE_ACCESS]);
  const held = `"userId" = $1 and "clientId" = $2 and not scopes <@ $3::jsonb`;
  await inTransaction(
    ["oauthAccessToken", "oauthRefreshToken"].map((table) => ({
      text: `delete from auth."${table}" where ${held}`,
      values: [userId, clientId, allowed],
    })),
  );
}

function endings(userId: string, clientId: string | null): Statement[] {
  const held = `"userId" = $1 and ($2::text is null or "clientId" = $2)`;
  // The consent goes first: a token request that runs meanwhile asks for it again at its end.
  const tables = ["oauthConsent", "oauthAccessToken", "oauthRefreshToken"].map(
    (table) => `auth."${table}" where ${held}`,
  );
  return [...tables, CODES].map((rows) => ({ text: `delete from ${rows}`, values: [userId, clientId] }));
}

async function describeClient(clientId: string): Promise<Record<string, string>> {
  const { rows } = await database().query<{ name: string | null }>(
    'select name from auth."oauthClient" where "clientId" = $1',
    [clientId],
  );
  return { client_id: clientId, name: displayName(rows[0]?.name ?? "") };
}

/** Returns how many rows were deleted. */
async function inTransaction(statements: Statement[]): Promise<number> {
  const connection = await database().connect();
  let rows = 0;
  try {
    await connection.query("begin");
    for (const { text, values } of statements) rows += (await connection.query(text, values)).rowCount ?? 0;
    await connection.query("commit");
    connection.release();
    return rows;
  } catch (error) {
    connection.release(true);
    throw error;
  }
}
