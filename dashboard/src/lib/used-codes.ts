import { defineRequestState } from "@better-auth/core/context";
import type { BetterAuthPlugin, GenericEndpointContext } from "better-auth";
import { APIError, createAuthMiddleware, getSessionFromCtx, isAPIError } from "better-auth/api";
import { createHash } from "node:crypto";
import { findChallenged } from "./audit-hooks";
import { forget, take } from "./limits";

/** Longer than the 90 seconds for which the library accepts a code, as the clocks of dashboards differ. */
const ONCE = { window: 150, max: 1 };

/** The key of the code in the current request. */
const takenKey = defineRequestState<string | null>(() => null);

/**
 * A code of an authenticator app works once (RFC 6238 section 5.2). It is taken before it is checked, in the database, so
 * that one of several requests passes, whichever dashboards they reach; a wrong one is given back.
 */
export function usedCodes(): BetterAuthPlugin {
  const matcher = ({ path }: { path?: string }) => path === "/two-factor/verify-totp";
  return {
    id: "used-codes",
    hooks: {
      before: [{ matcher, handler: takeCode }],
      after: [{ matcher, handler: giveBackIfWrong }],
    },
  };
}

const takeCode = createAuthMiddleware(async (ctx) => {
  const key = await keyOf(ctx);
  if (!key) return;
  if ((await take(key, ONCE)) !== null)
    throw new APIError("UNAUTHORIZED", {
      code: "CODE_USED",
      message: "This code was used already. Wait for the next one.",
    });
  await takenKey.set(key);
});

const giveBackIfWrong = createAuthMiddleware(async (ctx) => {
  const key = await takenKey.get();
  if (key && isAPIError(ctx.context.returned)) await forget(key);
});

/** Null if nobody is known whose code it could be, which the library answers. */
async function keyOf(ctx: GenericEndpointContext): Promise<string | null> {
  const userId = (await getSessionFromCtx(ctx))?.user.id ?? (await findChallenged(ctx));
  const { code } = ctx.body as { code?: unknown };
  if (!userId) return null;
  return `code|${createHash("sha256")
    .update(`${userId} ${String(code)}`)
    .digest("base64url")}`;
}
