import type { BetterAuthPlugin, GenericEndpointContext } from "better-auth";
import { APIError, createAuthMiddleware, isAPIError } from "better-auth/api";
import { createHash } from "node:crypto";
import { forget, take } from "./limits";

/** Wrong passwords for one account, from whatever addresses. */
const LIMIT = { window: 600, max: 10 };

/** Limits how often a password can be guessed for one account. The right one, or a new one, starts the count again. */
export function passwordGuesses(): BetterAuthPlugin {
  const matcher = ({ path }: { path?: string }) => path === "/sign-in/email";
  return {
    id: "password-guesses",
    hooks: {
      before: [{ matcher, handler: countGuess }],
      after: [{ matcher, handler: forgetIfRight }],
    },
  };
}

/** The password of this address is known or new, so earlier guesses count no longer. */
export async function forgetGuesses(email: string): Promise<void> {
  await forget(keyOf(email));
}

// Counted before the password is checked, so that guesses at the same moment cannot pass together.
const countGuess = createAuthMiddleware(async (ctx) => takeGuess(emailOf(ctx)));

/** Count a guess at the password of an account. Throws APIError when there were too many. */
export async function takeGuess(email: string): Promise<void> {
  const retryAfter = await take(keyOf(email), LIMIT);
  if (retryAfter === null) return;
  throw new APIError(
    "TOO_MANY_REQUESTS",
    { code: "ACCOUNT_LIMIT", message: "Too many wrong passwords for this address." },
    { "X-Retry-After": String(retryAfter) },
  );
}

const forgetIfRight = createAuthMiddleware(async (ctx) => {
  if (!isAPIError(ctx.context.returned)) await forgetGuesses(emailOf(ctx));
});

function emailOf(ctx: Pick<GenericEndpointContext, "body">): string {
  return String((ctx.body as { email?: unknown } | undefined)?.email ?? "");
}

function keyOf(email: string): string {
  return `guess|${createHash("sha256").update(email.toLowerCase()).digest("base64url")}`;
}
