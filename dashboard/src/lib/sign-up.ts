import { runWithTransaction } from "@better-auth/core/context";
import type { AuthContext, BetterAuthPlugin } from "better-auth";
import { APIError, createAuthEndpoint, createAuthMiddleware } from "better-auth/api";
import { setSessionCookie } from "better-auth/cookies";
import { constantTimeEqual, generateRandomString } from "better-auth/crypto";
import { createHash } from "node:crypto";
import { z } from "zod";
import { displayName } from "./display-names";
import { becomesLocalOwner } from "./local-owner";
import { deliver } from "./mail";
import { NO_MAIL } from "./mail-notice";
import { existingAccountMail, signUpMail } from "./mail-texts";
import { OWN_USER_HEADER } from "./own-user";
import { localPath } from "./paths";
import { PASSWORD_LENGTH } from "./passwords";
import { settings } from "./settings";
import { knownTimeZone } from "./timezones";
import { releaseAddress } from "./unverified";

const COOKIE = "taskdeck.sign_up";

const Password = z.string().min(PASSWORD_LENGTH.min).max(PASSWORD_LENGTH.max);

const SignUp = z.object({
  email: z.email().max(254).toLowerCase(),
  password: Password,
  name: z
    .string()
    .max(100)
    .transform((name) => displayName(name, 100))
    .pipe(z.string().min(1)),
  timezone: z.unknown().optional().transform(knownTimeZone),
  next: z.unknown().optional().transform(localPath),
});

/** A sign-up that waits for its link to be opened. */
const Pending = z.object({
  email: z.string(),
  name: z.string(),
  timezone: z.string().nullable(),
  passwordHash: z.string(),
  /** Hash of the cookie in the browser that signed up. */
  browser: z.string(),
  next: z.string(),
});

/**
 * Sign-up that creates no account before its owner has opened the link in the mail, so nobody can hold somebody else's
 * address. The response is the same whether the address has an account or not; the mail tells its owner.
 *
 * The password counts only if the link is opened in the browser that signed up. Elsewhere a new one must be chosen:
 * else a stranger could sign up with a victim's address, and the victim's click would confirm the stranger's password.
 *
 * The account of this machine's owner is created and signed in at once, with an unverified address.
 */
export function verifiedSignUp(): BetterAuthPlugin {
  return {
    id: "verified-sign-up",
    hooks: { before: [{ matcher: ({ path }) => path === "/sign-up/email", handler: requestSignUp }] },
    endpoints: { completeSignUp },
  };
}

const requestSignUp = createAuthMiddleware(async (ctx) => {
  const origin = ctx.headers?.get("origin");
  if (origin && !settings().dashboardOrigins.includes(origin))
    throw new APIError("FORBIDDEN", {
      code: "FOREIGN_ORIGIN",
      message: "Sign up on the page of this server.",
    });
  const parsed = SignUp.safeParse(ctx.body);
  if (!parsed.success) throw invalid(parsed.error);
  if (await becomesLocalOwner(ctx.headers)) return;
  if (!settings().mail) throw new APIError("SERVICE_UNAVAILABLE", { code: "NO_MAIL", message: NO_MAIL });

  const { password, ...wish } = parsed.data;
  const { internalAdapter } = ctx.context;
  const token = generateRandomString(32);
  // Kept when the message is sent again, so that the first link still works.
  const known = ctx.getCookie(COOKIE);
  const browser = known && /^\w{32}$/.test(known) ? known : generateRandomString(32);
  const maxAge = settings().linkSeconds;
  const pending: z.infer<typeof Pending> = {
    ...wish,
    passwordHash: await ctx.context.password.hash(password),
    browser: hash(browser),
  };
  // Stored for a known address too: both cases take the same time.
  await internalAdapter.createVerificationValue({
    identifier: identifierOf(token),
    value: JSON.stringify(pending),
    expiresAt: new Date(Date.now() + maxAge * 1_000),
  });
  const existing = await internalAdapter.findUserByEmail(wish.email);
  const isKnown = existing?.user.emailVerified ?? false;
  const link = `${settings().dashboardUrl}/verify-email?token=${token}`;
  await deliver(isKnown ? existingAccountMail(wish.email) : signUpMail(wish.email, link));
  ctx.setCookie(COOKIE, browser, cookieAttributes(maxAge));
  const shown =
    settings().showsLinks && settings().mail?.way === "terminal" && ctx.headers?.has(OWN_USER_HEADER);
  return ctx.json({ status: true, ...(shown && !isKnown && { link }) });
});

const completeSignUp = createAuthEndpoint(
  "/sign-up/complete",
  { method: "POST", body: z.object({ token: z.string().max(64), password: Password.optional() }) },
  async (ctx) => {
    const { internalAdapter, adapter } = ctx.context;
    const { token, password } = ctx.body;
    const pending = parsePending(await internalAdapter.findVerificationValue(identifierOf(token)));
    if (!pending) throw new APIError("BAD_REQUEST", { code: "LINK_EXPIRED" });
    const cookie = ctx.getCookie(COOKIE);
    if (!password && !isSameBrowser(pending, cookie))
      throw new APIError("BAD_REQUEST", { code: "PASSWORD_REQUIRED" });
    const passwordHash = password ? await ctx.context.password.hash(password) : pending.passwordHash;

    const { email, name, timezone } = pending;
    const user = await runWithTransaction(adapter, async () => {
      const existing = await internalAdapter.findUserByEmail(email);
      if (existing?.user.emailVerified) throw new APIError("CONFLICT", { code: "ACCOUNT_EXISTS" });
      if (!(await internalAdapter.consumeVerificationValue(identifierOf(token))))
        throw new APIError("BAD_REQUEST", { code: "LINK_EXPIRED" });
      if (existing) await releaseAddress(existing.user.id, internalAdapter);
      const created = await internalAdapter.createUser(
        { email, name, timezone, emailVerified: true },
        { method: "email-password" },
      );
      const account = { userId: created.id, providerId: "credential", accountId: created.id };
      await internalAdapter.linkAccount({ ...account, password: passwordHash });
      return created;
    });
    const session = await internalAdapter.createSession(user.id);
    if (!session) throw new APIError("INTERNAL_SERVER_ERROR", { code: "FAILED_TO_CREATE_SESSION" });
    await setSessionCookie(ctx, { session, user });
    ctx.setCookie(COOKIE, "", cookieAttributes(0));
    return ctx.json({ user: { id: user.id }, next: pending.next });
  },
);

/**
 * The address that a link confirms, and whether a browser with this cookie may confirm it without a new password; null
 * if the link has expired or the address is confirmed already.
 */
export async function findPending(
  token: string,
  cookie: string | undefined,
  internalAdapter: AuthContext["internalAdapter"],
): Promise<{ email: string; isSameBrowser: boolean } | null> {
  const pending = parsePending(await internalAdapter.findVerificationValue(identifierOf(token)));
  if (!pending) return null;
  const holder = await internalAdapter.findUserByEmail(pending.email);
  if (holder?.user.emailVerified) return null;
  return { email: pending.email, isSameBrowser: isSameBrowser(pending, cookie) };
}

export const SIGN_UP_COOKIE = COOKIE;

type StoredValue = { value: string; expiresAt: Date } | null | undefined;

function parsePending(stored: StoredValue): z.infer<typeof Pending> | null {
  return stored && stored.expiresAt > new Date() ? Pending.parse(JSON.parse(stored.value)) : null;
}

function isSameBrowser(pending: z.infer<typeof Pending>, cookie: string | null | undefined): boolean {
  return Boolean(cookie) && constantTimeEqual(pending.browser, hash(cookie ?? ""));
}

/** A copy of the table does not help to use the links. */
function identifierOf(token: string): string {
  return `sign-up:${hash(token)}`;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

function cookieAttributes(maxAge: number) {
  const secure = settings().dashboardUrl.startsWith("https:");
  return { httpOnly: true, sameSite: "lax", path: "/", secure, maxAge } as const;
}

const SENTENCES: Record<string, string> = {
  email: "The e-mail address is not valid.",
  password: `The password must have ${PASSWORD_LENGTH.min} to ${PASSWORD_LENGTH.max} characters.`,
  name: "The name must have 1 to 100 characters.",
};

function invalid(error: z.ZodError): APIError {
  const field = String(error.issues[0]?.path[0] ?? "");
  return new APIError("BAD_REQUEST", {
    code: "INVALID_SIGN_UP",
    message: SENTENCES[field] ?? "The body must be a JSON object with email, password and name.",
  });
}
