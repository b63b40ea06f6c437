import { getMigrations } from "better-auth/db/migration";
import { Kysely, PostgresDialect, sql } from "kysely";
import { Pool } from "pg";
import { auth } from "./auth";
import { tables } from "./database";
import { CLEAR_FETCHED_ADDRESSES, MARK_ALL_USED, UNUSED_INDEX } from "./registrations";
import { ANNOUNCE_SESSION_END } from "./session-ends";
import { settings } from "./settings";

const LOCK = 7_283_640_115;

/**
 * Migrate the schema `auth` in one transaction. Replicas that start together wait for each other on a lock of the
 * transaction, which also works through a pooler in transaction mode.
 */
export async function migrate(): Promise<void> {
  // A separate pool, because the other one's query timeout is for requests.
  const pool = new Pool({ connectionString: settings().databaseUrl, max: 1, connectionTimeoutMillis: 3_000 });
  const database = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    await database.transaction().execute(async (transaction) => {
      await sql`select set_config('statement_timeout', '60s', true)`.execute(transaction);
      await sql`select pg_advisory_xact_lock(${LOCK})`.execute(transaction);
      const { runMigrations } = await getMigrations({ ...auth().options, database: tables(transaction) });
      await runMigrations();
      await sql.raw(UNUSED_INDEX).execute(transaction);
      await sql.raw(MARK_ALL_USED).execute(transaction);
      for (const statement of ANNOUNCE_SESSION_END) await sql.raw(statement).execute(transaction);
      await sql.raw(CLEAR_FETCHED_ADDRESSES).execute(transaction);
      // Keys of release 0.1.0 have no end and would sign for ever.
      await sql`update auth.jwks set "expiresAt" = now() where "expiresAt" is null`.execute(transaction);
    });
  } finally {
    await database.destroy();
  }
}
