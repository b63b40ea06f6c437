import { Pool } from "pg";
import { settings } from "./settings";

let pool: Pool | undefined;

/** The one pool of this process. Better Auth's tables live in the schema `auth`. */
export function database(): Pool {
  if (!pool) {
    pool = new Pool({
      connectionString: settings().databaseUrl,
      options: "-c search_path=auth -c statement_timeout=5000",
      max: 8,
      connectionTimeoutMillis: 3_000,
    });
    // Without a listener, an idle connection that the server closes would end this process.
    pool.on("error", (error) => console.error(`database: ${error.message}`));
  }
  return pool;
}
