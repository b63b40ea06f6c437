import type { BetterAuthPlugin, GenericEndpointContext, User } from "better-auth";
import { APIError, createAuthMiddleware, getSessionFromCtx, isAPIError } from "better-auth/api";
import { verifyJWT } from "better-auth/crypto";
import { record } from "./audit-log";
import { sendMailLater } from "./mail";
import { addressChangedMail } from "./mail-texts";
import { endPasswordGrants } from "./new-passwords";
import { settings } from "./settings";
import { addressOf, releaseAddress } from "./unverified";

/**
 * Rules for changes of an account's address and password, beyond those of the library:
 *
 * - a link that confirms an address works only in a session of the account that asked for it, so nobody can be led to
 *   confirm their address for somebody else's account;
 * - a new password ends all other sessions, AI clients and personal access tokens.
 */
export function addressChanges(): BetterAuthPlugin {
  return {
    id: "address-changes",
    hooks: {
      before: [
        { matcher: ({ path }) => path === "/verify-email", handler: requireOwnSession },
        { matcher: ({ path }) => path === "/change-password", handler: endOtherSessions },
      ],
      after: [{ matcher: ({ path }) => path === "/change-password", handler: endGrants }],
    },
  };
}

const requireOwnSession = createAuthMiddleware(async (ctx) => {
  const { token } = ctx.query as { token: string };
  const link = await verifyJWT<{ userId?: string }>(token, ctx.context.secret);
  // The library answers an invalid or expired link.
  if (!link) return;
  const session = await getSessionFromCtx(ctx);
  if (session?.user.id === link.userId) return;
  if (session) throw ctx.redirect(`${settings().dashboardUrl}/error?error=other_account`);
  const next = `/api/auth/verify-email?${new URLSearchParams(ctx.query as Record<string, string>)}`;
  throw ctx.redirect(
    `${settings().dashboardUrl}/sign-in?${new URLSearchParams({ reason: "confirm", next })}`,
  );
});

const endOtherSessions = createAuthMiddleware(async () => ({
  context: { body: { revokeOtherSessions: true } },
}));

const endGrants = createAuthMiddleware(async (ctx) => {
  const { returned } = ctx.context;
  if (isAPIError(returned)) return;
  await endPasswordGrants((returned as { user: { id: string } }).user.id, "password_changed");
});

/**
 * A hook before an account changes. A confirmed new address is verified, even if the old one was not, and the old
 * address learns of the change.
 */
export async function onAddressUpdate(
  change: Partial<User>,
  context: GenericEndpointContext | null,
): Promise<{ data: Partial<User> } | undefined> {
  if (context?.path !== "/verify-email" || !change.email) return;
  const { internalAdapter } = context.context;
  const holder = await internalAdapter.findUserByEmail(change.email);
  if (holder?.user.emailVerified) throw new APIError("CONFLICT", { code: "ADDRESS_TAKEN" });
  if (holder) await releaseAddress(holder.user.id, internalAdapter);
  const session = await getSessionFromCtx(context);
  const old = session?.user.emailVerified && addressOf(session.user);
  if (old) sendMailLater(addressChangedMail(old));
  return { data: { ...change, emailVerified: true } };
}

/** A hook after an account changes: its address was confirmed, or replaced by a confirmed one. */
export async function recordAddressUpdate(user: User, context: GenericEndpointContext | null): Promise<void> {
  if (context?.path !== "/verify-email") return;
  const session = await getSessionFromCtx(context);
  // When somebody else's unverified address was released, that account was updated, too.
  if (session?.user.id !== user.id) return;
  await record(user.id, session.user.email === user.email ? "address_confirmed" : "address_changed");
}
