import { database } from "./database";
import { OWN_USER_HEADER } from "./own-user";
import { settings } from "./settings";

/**
 * Whether whoever signs up now is the person at this machine: the first account of an embedded database, made by the
 * user who runs it. That person's tasks may be there already, added on this machine without an account.
 */
export async function becomesLocalOwner(headers: Headers | undefined): Promise<boolean> {
  if (!settings().localOwner || !headers?.has(OWN_USER_HEADER)) return false;
  const { rows } = await database().query('select 1 from auth."user" limit 1');
  return rows.length === 0;
}

/** A hook before an account is made: that of the person at this machine gets their user id. */
export async function keepLocalOwner<User>(user: User, context: { headers?: Headers } | null) {
  if (!(await becomesLocalOwner(context?.headers))) return;
  return { data: { ...user, id: settings().localOwner } };
}
