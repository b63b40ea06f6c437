import { getMigrations } from "better-auth/db/migration";
import { auth } from "./auth";
import { database } from "./database";

const LOCK = 7_283_640_115;

/** Bring the schema `auth` up to date. Replicas that start together wait for each other. */
export async function migrate(): Promise<void> {
  const connection = await database().connect();
  try {
    await connection.query("set statement_timeout = '60s'");
    await connection.query("select pg_advisory_lock($1)", [LOCK]);
    const { rowCount } = await connection.query("select from pg_namespace where nspname = 'auth'");
    if (!rowCount) await connection.query("create schema auth");
    const { runMigrations } = await getMigrations(auth().options);
    await runMigrations();
  } finally {
    // Closing the connection gives the lock back, whatever happened before.
    connection.release(true);
  }
}
