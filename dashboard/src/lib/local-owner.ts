import { database } from "./database";
import { OWN_USER_HEADER } from "./own-user";
import { settings } from "./settings";

/**
 * Whether this sign-up makes the account of the machine's owner: the first account of an embedded database, made by the
 * operating-system user who runs it. Tasks that were added on this machine without an account belong to that person.
 */
export async function becomesLocalOwner(headers: Headers | undefined): Promise<boolean> {
  if (!settings().localOwner || !headers?.has(OWN_USER_HEADER)) return false;
  const { rows } = await database().query('select 1 from auth."user" limit 1');
  return rows.length === 0;
}

/** A hook before an account is created: gives the owner's account the user id of the local owner. */
export async function withLocalOwnerId<User>(user: User, context: { headers?: Headers } | null) {
  if (!(await becomesLocalOwner(context?.headers))) return;
  return { data: { ...user, id: settings().localOwner } };
}
