import "server-only";
import { createHash, randomBytes } from "node:crypto";
import { database } from "./database";
import type { Person } from "./session";

/** A personal access token as its owner sees it. The secret is shown once and not stored. */
export interface AccessToken {
  id: string;
  name: string;
  hint: string;
  mayWrite: boolean;
  createdAt: Date;
  expiresAt: Date;
  lastUsedAt: Date | null;
}

export const LIFETIMES_IN_DAYS = [7, 30, 90, 365];

/** Create a token and return its secret, which is not stored. */
export async function createAccessToken(
  person: Person,
  wish: { name: string; mayWrite: boolean; days: number },
): Promise<string> {
  const secret = `tdp_${randomBytes(32).toString("base64url")}`;
  await database().query(
    "select public.taskdeck_pat_create($1, $2, $3, $4, $5, $6, $7, now() + make_interval(days => $8))",
    [
      person.id,
      person.emailVerified ? person.email : null,
      person.name,
      wish.name,
      createHash("sha256").update(secret).digest("hex"),
      secret.slice(-4),
      wish.mayWrite ? "mcp:read mcp:write" : "mcp:read",
      wish.days,
    ],
  );
  return secret;
}

export async function listAccessTokens(userId: string): Promise<AccessToken[]> {
  const { rows } = await database().query<TokenRow>(
    "select * from public.taskdeck_pat_list($1) order by created_at desc",
    [userId],
  );
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    hint: row.token_hint,
    mayWrite: row.scopes.split(" ").includes("mcp:write"),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
  }));
}

export async function revokeAccessToken(userId: string, id: string): Promise<void> {
  await database().query("select public.taskdeck_pat_revoke($1, $2)", [userId, id]);
}

interface TokenRow {
  id: string;
  name: string;
  token_hint: string;
  scopes: string;
  created_at: Date;
  expires_at: Date;
  last_used_at: Date | null;
}
