import type { BetterAuthPlugin, GenericEndpointContext } from "better-auth";
import { createAuthMiddleware, isAPIError } from "better-auth/api";
import { after } from "next/server";
import { type AuditAction, record } from "./audit-log";
import { describeBrowser } from "./browser-names";
import { database } from "./database";
import { take } from "./limits";

/** The endpoints that end in a session, and the second factor that each stands for. */
const SIGN_INS: Record<string, { second_factor?: string }> = {
  "/sign-in/email": {},
  "/callback/:id": {},
  "/two-factor/verify-totp": { second_factor: "code" },
  "/two-factor/verify-backup-code": { second_factor: "recovery code" },
};

const SESSION_ENDS: Record<string, AuditAction> = {
  "/sign-out": "signed_out",
  "/revoke-session": "session_ended",
};

/** The account is updated by these endpoints when its second factor is turned on or off. */
const SECOND_FACTOR_CHANGES: Record<string, AuditAction> = {
  "/two-factor/verify-totp": "second_factor_on",
  "/two-factor/disable": "second_factor_off",
};

/** Failures of one kind are recorded once an hour for each account, so that guessing fills nothing. */
const FAILURE_LIMIT = { window: 3_600, max: 1 };

/**
 * Records in the audit log how sessions begin and end, and changes of the second factor. It must come after the second
 * factor's plug-in, which takes the session of a sign-in that lacks a code.
 */
export function auditHooks(): BetterAuthPlugin {
  return {
    id: "audit-hooks",
    init: () => ({
      options: {
        databaseHooks: {
          user: {
            create: { after: (user, context) => record(user.id, "account_created", wayOf(context)) },
            update: { after: recordSecondFactor },
          },
          session: { delete: { after: recordSessionEnd } },
        },
      },
    }),
    hooks: {
      after: [
        { matcher: ({ path }) => path !== undefined && path in SIGN_INS, handler: recordSignIn },
        { matcher: ({ path }) => path === "/two-factor/generate-backup-codes", handler: recordNewCodes },
      ],
    },
  };
}

type Context = GenericEndpointContext;

async function recordSecondFactor({ id }: { id: string }, context: Context | null): Promise<void> {
  const action = SECOND_FACTOR_CHANGES[context?.path ?? ""];
  if (action) await record(id, action);
}

async function recordSessionEnd(
  session: { userId: string; userAgent?: string | null },
  context: Context | null,
): Promise<void> {
  const action = SESSION_ENDS[context?.path ?? ""];
  if (!action) return;
  const ended = action === "session_ended" && { session: describeBrowser(session.userAgent ?? "") };
  await record(session.userId, action, { ...ended });
}

const recordNewCodes = createAuthMiddleware(async (ctx) => {
  const { returned, session } = ctx.context;
  if (session && !isAPIError(returned)) await record(session.user.id, "recovery_codes_made");
});

const recordSignIn = createAuthMiddleware(async (ctx) => {
  const { newSession, returned, session } = ctx.context;
  // A code that is entered in a session turns the second factor on.
  if (session) return;
  if (newSession)
    await record(newSession.user.id, "signed_in", { ...wayOf(ctx), ...SIGN_INS[ctx.path ?? ""] });
  else if (isAPIError(returned)) await recordFailure(ctx);
});

/** Google and GitHub have recorded failures of theirs. */
async function recordFailure(ctx: Context): Promise<void> {
  if (ctx.path === "/callback/:id") return;
  const { email } = ctx.body as { email?: unknown };
  const challenge = email === undefined && (await findChallenged(ctx));
  // Only after the response, so that its time does not tell known from unknown addresses.
  after(async () => {
    const userId = challenge || (await findByAddress(String(email)));
    if (!userId) return;
    const wrong = SIGN_INS[ctx.path ?? ""]?.second_factor ?? "password";
    if ((await take(`audit|${wrong}|${userId}`, FAILURE_LIMIT)) === null)
      await record(userId, "sign_in_failed", { wrong });
  });
}

/** Who has given the right password, and now a wrong code. */
export async function findChallenged(ctx: Context): Promise<string | undefined> {
  const { name } = ctx.context.createAuthCookie("two_factor");
  const identifier = await ctx.getSignedCookie(name, ctx.context.secret);
  return identifier
    ? (await ctx.context.internalAdapter.findVerificationValue(identifier))?.value
    : undefined;
}

async function findByAddress(email: string): Promise<string | undefined> {
  const { rows } = await database().query<{ id: string }>('select id from auth."user" where email = $1', [
    email.toLowerCase(),
  ]);
  return rows[0]?.id;
}

/** How a person signs in: with a password, or with their account elsewhere. */
function wayOf(context: Context | null): { way: string } {
  const provider = (context?.params as { id?: string } | undefined)?.id;
  return { way: provider ?? "password" };
}
