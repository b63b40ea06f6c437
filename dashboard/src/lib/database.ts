import { Kysely, PostgresDialect } from "kysely";
import { Pool } from "pg";
import { settings } from "./settings";

let pool: Pool | undefined;

/** The one pool of this process. */
export function database(): Pool {
  if (!pool) {
    // Limits on the client's side only: a pooler in transaction mode refuses them as start-up options.
    pool = new Pool({
      connectionString: settings().databaseUrl,
      query_timeout: 5_000,
      max: 8,
      connectionTimeoutMillis: 3_000,
    });
    // Without listeners, a connection that the server closes would be an exception that nobody catches. In use, its
    // query tells of it.
    pool.on("error", (error) => console.error(`database: ${error.message}`));
    pool.on("connect", (client) => client.on("error", () => undefined));
  }
  return pool;
}

/** Better Auth's tables. It names their schema in every statement, as behind a pooler no search path stays. */
export function tables(db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: database() }) })) {
  return { db, type: "postgres", schemaName: "auth", transaction: true } as const;
}
