import { getIP } from "@better-auth/core/utils/ip";
import { headers } from "next/headers";
import { describeBrowser } from "./browser-names";
import { database } from "./database";
import { settings } from "./settings";

/** What the dashboard adds to a person's audit log. The database adds what happens there (storage/sql/functions/audit.sql). */
export type AuditAction =
  | "account_created"
  | "account_ending"
  | "account_kept"
  | "address_changed"
  | "address_confirmed"
  | "client_connected"
  | "client_disconnected"
  | "password_changed"
  | "password_reset"
  | "recovery_codes_made"
  | "second_factor_off"
  | "second_factor_on"
  | "session_ended"
  | "sign_in_failed"
  | "signed_in"
  | "signed_out";

/**
 * Add an entry about the current request to a person's audit log, with the address and browser that sent it. If it cannot
 * be written, what it is about happens nevertheless.
 */
export async function record(
  userId: string,
  action: AuditAction,
  facts: Record<string, unknown> = {},
): Promise<void> {
  const given = await headers();
  const ipAddress = { trustedProxies: settings().trustedProxies };
  const details = {
    ...facts,
    address: getIP(given, { advanced: { ipAddress } }) ?? undefined,
    agent: describeBrowser(given.get("user-agent") ?? ""),
  };
  await database()
    .query("select public.taskdeck_audit_record($1, $2, $3)", [userId, action, JSON.stringify(details)])
    .catch((error: unknown) =>
      console.error(`dashboard: ${action} was not recorded: ${(error as Error).message}`),
    );
}
