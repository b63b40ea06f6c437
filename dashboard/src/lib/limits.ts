import { getIP } from "@better-auth/core/utils/ip";
import { randomUUID } from "node:crypto";
import { database } from "./database";
import { settings } from "./settings";

/** At most `max` requests in `window` seconds. */
export interface Limit {
  window: number;
  max: number;
}

/** Requests of one address to everything under /api/auth, whatever the path, but for the token endpoint. */
export const ADDRESS_LIMIT: Limit = { window: 10, max: 100 };

/**
 * Token requests of one address that fail. Those that succeed count for their user instead: hosted clients renew the
 * tokens of many users from a few addresses.
 */
export const FAILED_TOKEN_LIMIT: Limit = { window: 60, max: 60 };

/** Registrations of one address. Hosted clients register once for each user. */
export const REGISTRATION_LIMIT: Limit = { window: 60, max: 60 };

/** The library's table, counted in fixed windows, which all replicas share. */
const TAKE = `
  insert into auth."rateLimit" as held (id, key, count, "lastRequest") values ($1, $2, 1, $3)
  on conflict (key) do update set
    count = case when held."lastRequest" <= $3 - $4::bigint then 1 else held.count + 1 end,
    "lastRequest" = case when held."lastRequest" <= $3 - $4::bigint then $3 else held."lastRequest" end
  where held."lastRequest" <= $3 - $4::bigint or held.count < $5
  returning 1`;

/** Count one request. Returns null if it is within the limit, otherwise the seconds until the window ends. */
export async function take(key: string, { window, max }: Limit): Promise<number | null> {
  const now = Date.now();
  const { rowCount } = await database().query(TAKE, [randomUUID(), key, now, window * 1_000, max]);
  if (rowCount) return null;
  const { rows } = await database().query<{ started: string }>(
    'select "lastRequest" as started from auth."rateLimit" where key = $1',
    [key],
  );
  return Math.max(1, Math.ceil(window - (now - Number(rows[0]?.started ?? now)) / 1_000));
}

/** Forget what was counted under a key. */
export async function forget(key: string): Promise<void> {
  await database().query('delete from auth."rateLimit" where key = $1', [key]);
}

/** Delete counts whose windows have ended long ago. */
export async function purgeCounts(): Promise<void> {
  await database().query('delete from auth."rateLimit" where "lastRequest" < $1', [Date.now() - 86_400_000]);
}

/** The library's limits for single paths, counted the same way. */
export const libraryLimits = {
  async consume(key: string, limit: Limit) {
    const retryAfter = await take(key, limit);
    return { allowed: retryAfter === null, retryAfter };
  },
};

/** Count a request of an address for a purpose. Returns the refusal if there were too many. */
export async function takeForAddress(
  request: Request,
  purpose: string,
  limit: Limit,
): Promise<Response | null> {
  const ipAddress = { trustedProxies: settings().trustedProxies };
  const address = getIP(request, { advanced: { ipAddress } }) ?? "unknown";
  const retryAfter = await take(`${purpose}|${address}`, limit);
  return retryAfter === null ? null : tooMany(retryAfter);
}

function tooMany(seconds: number): Response {
  return Response.json(
    { message: "Too many requests. Please try again later." },
    { status: 429, headers: { "X-Retry-After": String(seconds) } },
  );
}
