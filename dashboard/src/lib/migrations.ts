import { getMigrations } from "better-auth/db/migration";
import { Kysely, PostgresDialect, sql } from "kysely";
import { Pool } from "pg";
import { auth } from "./auth";
import { tables } from "./database";
import { settings } from "./settings";

const LOCK = 7_283_640_115;

/**
 * Bring the schema `auth` up to date: all of it or nothing. Replicas that start together wait for each other, by a
 * lock of the transaction, which a pooler in transaction mode leaves whole.
 */
export async function migrate(): Promise<void> {
  // A pool of its own: this may take longer than a request.
  const pool = new Pool({ connectionString: settings().databaseUrl, max: 1, connectionTimeoutMillis: 3_000 });
  const database = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    await database.transaction().execute(async (transaction) => {
      await sql`select set_config('statement_timeout', '60s', true)`.execute(transaction);
      await sql`select pg_advisory_xact_lock(${LOCK})`.execute(transaction);
      const { runMigrations } = await getMigrations({ ...auth().options, database: tables(transaction) });
      await runMigrations();
    });
  } finally {
    await database.destroy();
  }
}
