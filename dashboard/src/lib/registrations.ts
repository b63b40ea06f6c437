import { database } from "./database";

/** How many registrations may wait for their first use. Each is a row that anybody can create. */
const MAX_UNUSED = 10_000;

/** A registration that has been used is marked by its `updatedAt` (markUsed). */
const UNUSED = `"updatedAt" = "createdAt"
  and not exists (select 1 from auth."oauthConsent" c where c."clientId" = client."clientId")
  and not exists (select 1 from auth."oauthRefreshToken" t where t."clientId" = client."clientId")`;

const DELETE_OLDEST = `
  delete from auth."oauthClient" where id in (
    select id from auth."oauthClient" client
    where ${UNUSED} and "createdAt" < now() - make_interval(mins => $1) order by "createdAt" limit $2)`;

/** Unused registrations can be counted and deleted without reading those in use. */
export const UNUSED_INDEX = `
  create index if not exists "oauthClient_unused_idx" on auth."oauthClient" ("createdAt")
  where "updatedAt" = "createdAt"`;

/** For registrations of versions that did not mark them. */
export const MARK_ALL_USED = `
  update auth."oauthClient" client set "updatedAt" = "createdAt" + interval '1 second'
  where "updatedAt" = "createdAt"
    and exists (select 1 from auth."oauthConsent" c where c."clientId" = client."clientId")`;

/** Versions that kept these let a client choose addresses that this process would connect to. */
export const CLEAR_FETCHED_ADDRESSES = `
  update auth."oauthClient" set "backchannelLogoutUri" = null, "jwksUri" = null
  where "clientDiscoveryId" is null and ("backchannelLogoutUri" is not null or "jwksUri" is not null)`;

/**
 * Make room for one more registration: those that nobody used end after a day, and the oldest earlier if there are
 * too many. Returns false if there are too many that are younger than ten minutes, whose users may be signing in.
 */
export async function makeRoom(): Promise<boolean> {
  await database().query(DELETE_OLDEST, [24 * 60, 1_000]);
  const { rows } = await database().query<{ count: number }>(
    `select count(*)::int as count from auth."oauthClient" where "updatedAt" = "createdAt"`,
  );
  const surplus = (rows[0]?.count ?? 0) - MAX_UNUSED + 1;
  if (surplus <= 0) return true;
  const { rowCount } = await database().query(DELETE_OLDEST, [10, surplus]);
  return (rowCount ?? 0) >= surplus;
}

/** Note that somebody has connected a client, so that its registration stays. */
export async function markUsed(clientId: string): Promise<void> {
  await database().query(
    `update auth."oauthClient" set "updatedAt" = greatest(now(), "createdAt" + interval '1 second')
     where "clientId" = $1 and "updatedAt" = "createdAt"`,
    [clientId],
  );
}
