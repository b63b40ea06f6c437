import { record } from "./audit-log";
import { database } from "./database";
import { disconnectAllClients } from "./grants";

/**
 * What a new password ends beside other sessions: whoever knew the old one may have connected a client or made a
 * personal access token. The wish to delete the account ends the same.
 */
export async function endPasswordGrants(
  userId: string,
  action: "password_changed" | "password_reset" | "account_ending",
): Promise<void> {
  await record(userId, action);
  await disconnectAllClients(userId);
  await database().query("select public.taskdeck_pat_revoke($1, id) from public.taskdeck_pat_list($1)", [
    userId,
  ]);
}
