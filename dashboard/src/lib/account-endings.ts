import type { BetterAuthPlugin, GenericEndpointContext } from "better-auth";
import { APIError, createAuthEndpoint, sensitiveSessionMiddleware } from "better-auth/api";
import { z } from "zod";
import { auth, hasPassword } from "./auth";
import { sendMailLater } from "./mail";
import { accountEndingMail } from "./mail-texts";
import { endPasswordGrants } from "./new-passwords";
import { forgetGuesses, takeGuess } from "./password-guesses";
import { PASSWORD_LENGTH } from "./passwords";
import { addressOf } from "./unverified";

/** How long people can change their mind. Then the server deletes the account (storage/people/endings.py). */
const WEEK = 7 * 86_400_000;

const Proof = z.object({
  password: z.string().max(PASSWORD_LENGTH.max).default(""),
  code: z.string().max(20).default(""),
  email: z.string().max(254).default(""),
});

/** The person's wish that their account be deleted. The action `keepAccount` withdraws it. */
export function accountEndings(): BetterAuthPlugin {
  return { id: "account-endings", endpoints: { endAccount } };
}

const endAccount = createAuthEndpoint(
  "/end-account",
  { method: "POST", body: Proof, use: [sensitiveSessionMiddleware] },
  async (ctx) => {
    const { user, session } = ctx.context.session;
    await checkProof(ctx);
    const { internalAdapter } = ctx.context;
    for (const { id, token } of await internalAdapter.listSessions(user.id))
      if (id !== session.id) await internalAdapter.deleteSession(token);
    await endPasswordGrants(user.id, "account_ending");
    const endsAt = new Date(Date.now() + WEEK);
    await internalAdapter.updateUser(user.id, { endsAt });
    const address = user.emailVerified && addressOf(user);
    if (address) sendMailLater(accountEndingMail(address, endsAt));
    return ctx.json({ endsAt });
  },
);

/**
 * A session alone does not suffice: it takes the password, and a code if there is a second factor. Who signs in with
 * another account has no password here, and enters the address.
 */
async function checkProof(ctx: GenericEndpointContext): Promise<void> {
  const { user } = ctx.context.session!;
  const { code, email } = ctx.body as z.infer<typeof Proof>;
  if (!(await hasPassword(user.id))) {
    if (email.trim().toLowerCase() === user.email.toLowerCase()) return;
    throw new APIError("BAD_REQUEST", { code: "WRONG_ADDRESS", message: "That is not your address." });
  }
  await takeGuess(user.email);
  await ctx.context.password.checkPassword(user.id, ctx);
  await forgetGuesses(user.email);
  const { twoFactorEnabled } = user as { twoFactorEnabled?: boolean };
  if (twoFactorEnabled) await auth().api.verifyTOTP({ body: { code }, headers: ctx.headers! });
}
