import { cimd } from "@better-auth/cimd";
import { fetchClientMetadataResource } from "@better-auth/cimd/node";
import { oauthProvider } from "@better-auth/oauth-provider";
import { betterAuth } from "better-auth";
import { getOAuthState } from "better-auth/api";
import { nextCookies } from "better-auth/next-js";
import { jwt, twoFactor } from "better-auth/plugins";
import { tables } from "./database";
import { displayName } from "./display-names";
import { accountEndings } from "./account-endings";
import { addressChanges, onAddressUpdate, recordAddressUpdate } from "./address-changes";
import { auditHooks } from "./audit-hooks";
import { endPasswordGrants } from "./new-passwords";
import { forgetGuesses, passwordGuesses } from "./password-guesses";
import { withLocalOwnerId } from "./local-owner";
import { liveGrants } from "./live-grants";
import { libraryLimits, REGISTRATION_LIMIT } from "./limits";
import { deliver, sendMailLater } from "./mail";
import { passwordResetMail, verificationMail } from "./mail-texts";
import { PASSWORD_LENGTH } from "./passwords";
import { refreshTokens } from "./refresh-tokens";
import { CLIENT_SCOPES, MCP_SCOPES } from "./scopes";
import { type Settings, settings } from "./settings";
import { verifiedSignUp } from "./sign-up";
import { socialProviders } from "./social-providers";
import { knownTimeZone } from "./timezones";
import { addressOf } from "./unverified";
import { usedCodes } from "./used-codes";

/** The browser's time zone at sign-up: a default until the person chooses one. */
const TIMEZONE_FIELD = {
  type: "string",
  required: false,
  // An invalid one must not fail the sign-up.
  transform: { input: (value: unknown) => knownTimeZone(value) },
} as const;

/** When the account is to be deleted, if its owner wants that. */
const ENDS_AT_FIELD = { type: "date", required: false, input: false } as const;

/** Seconds that a key signs, and that it is published afterwards: tokens and copies of the key live a day at most. */
const KEY_LIFE = { rotationInterval: 90 * 86_400, gracePeriod: 2 * 86_400 };

/** Paths on which a password, a link or an address could be guessed, or which send mail. */
const GUESSABLE = [
  "/sign-in/*",
  "/sign-up/*",
  "/request-password-reset",
  "/reset-password",
  "/reset-password/*",
  "/send-verification-email",
  "/verify-email",
  "/change-email",
  "/change-password",
  "/two-factor/*",
  "/end-account",
];

let instance: ReturnType<typeof build> | undefined;

/** Accounts and sessions, and the OAuth 2.1 authorization server for AI clients. */
export function auth() {
  if (!instance) {
    instance = build(settings());
    // It checks the database once and would keep a failure for good, so a failed check discards the instance.
    instance.$context.then((context) => context.checkSchema?.()).catch(() => (instance = undefined));
  }
  return instance;
}

function build(s: Settings) {
  return betterAuth({
    appName: "Taskdeck",
    baseURL: s.dashboardUrl,
    secret: s.secret,
    secrets: s.secrets,
    database: tables(),
    trustedOrigins: s.dashboardOrigins,
    telemetry: { enabled: false },
    onAPIError: { errorURL: `${s.dashboardUrl}/error` },
    user: {
      additionalFields: { timezone: TIMEZONE_FIELD, endsAt: ENDS_AT_FIELD },
      changeEmail: { enabled: true },
    },
    emailAndPassword: {
      enabled: true,
      minPasswordLength: PASSWORD_LENGTH.min,
      maxPasswordLength: PASSWORD_LENGTH.max,
      resetPasswordTokenExpiresIn: s.linkSeconds,
      revokeSessionsOnPasswordReset: true,
      sendResetPassword: async ({ user, token }) => {
        const url = `${s.dashboardUrl}/reset-password?token=${token}`;
        // An account without a password may belong to somebody who has not proven that the address is theirs.
        if (user.emailVerified || (await hasPassword(user.id)))
          sendMailLater(passwordResetMail(user.email, url));
      },
      // Whoever opened the link reads the address's mail.
      onPasswordReset: async ({ user }) => {
        await (await auth().$context).internalAdapter.updateUser(user.id, { emailVerified: true });
        await endPasswordGrants(user.id, "password_reset");
        await forgetGuesses(user.email);
      },
    },
    emailVerification: {
      expiresIn: s.linkSeconds,
      sendOnSignUp: true,
      sendVerificationEmail: ({ user, url }) => deliver(verificationMail(user.email, url)),
    },
    verification: { storeIdentifier: { default: "plain", overrides: { "reset-password": "hashed" } } },
    databaseHooks: {
      user: {
        create: {
          before: async (user, context) => {
            // GitHub and Google do not send a time zone; the browser sent it before the redirect.
            const timezone = user.timezone ?? knownTimeZone((await getOAuthState())?.timezone);
            // A token with a longer name would be refused by the server.
            const name = displayName(user.name, 100) || "No name";
            const account = { ...user, name, timezone };
            return (await withLocalOwnerId(account, context)) ?? { data: account };
          },
        },
        update: { before: onAddressUpdate, after: recordAddressUpdate },
      },
    },
    socialProviders: socialProviders(s),
    rateLimit: {
      enabled: true,
      // Creates the table, which `libraryLimits` counts in.
      storage: "database",
      customStorage: libraryLimits,
      customRules: {
        ...Object.fromEntries(GUESSABLE.map((path) => [path, { window: 10, max: s.signInLimit }])),
        // Every open page asks for these, and each needs a session or shows only public keys.
        "/token": { window: 60, max: 300 },
        "/jwks": { window: 60, max: 600 },
        "/oauth2/register": REGISTRATION_LIMIT,
        // Counted in app/api/auth: by user if it succeeds, by address if it fails.
        "/oauth2/token": false,
        // Public and constant, and hosted clients read them for every user.
        "/.well-known/*": false,
      },
    },
    advanced: { ipAddress: { trustedProxies: s.trustedProxies } },
    plugins: [
      // Before the OAuth plug-in, which goes on to the client as soon as a sign-in has a session.
      twoFactor({ issuer: "Taskdeck" }),
      auditHooks(),
      jwt({
        disableSettingJwtHeader: true,
        jwks: { keyPairConfig: { alg: "EdDSA", crv: "Ed25519" }, ...KEY_LIFE },
        jwt: {
          issuer: s.dashboardUrl,
          audience: s.apiAudience,
          expirationTime: "5m",
          definePayload: ({ user, session }) => ({
            // The server limits the requests of each session.
            sid: session.id,
            ...addressClaims(user),
            name: user.name,
            zoneinfo: (user.timezone as string | null) ?? undefined,
            scope: MCP_SCOPES.join(" "),
          }),
        },
      }),
      // No "openid": it would add the userinfo endpoint to `aud`, and a token must be for one door only.
      oauthProvider({
        loginPage: "/sign-in",
        signup: { page: "/sign-up" },
        consentPage: "/consent",
        scopes: CLIENT_SCOPES,
        resources: s.mcpResources.map((identifier) => ({ identifier, allowedScopes: CLIENT_SCOPES })),
        resourceSeedMode: "overwrite",
        clientRegistrationDefaultResources: s.mcpResources,
        allowDynamicClientRegistration: true,
        allowUnauthenticatedClientRegistration: true,
        grantTypes: ["authorization_code", "refresh_token"],
        accessTokenExpiresIn: s.accessTokenSeconds,
        refreshTokenReuseInterval: 30,
        customAccessTokenClaims: ({ user }) =>
          user
            ? {
                ...addressClaims(user),
                name: user.name,
                zoneinfo: (user.timezone as string | null) ?? undefined,
              }
            : {},
      }),
      passwordGuesses(),
      usedCodes(),
      accountEndings(),
      verifiedSignUp(),
      addressChanges(),
      liveGrants(),
      refreshTokens(),
      cimd({ fetchClientMetadataResource, metadataProfile: "mcp-2026-07-28" }),
      nextCookies(),
    ],
  });
}

/** Claims of OpenID Connect Core 1.0 section 5.1; the server ignores an address that is not verified. */
function addressClaims(user: { email: string; emailVerified: boolean }) {
  return { email: addressOf(user) ?? undefined, email_verified: user.emailVerified };
}

/** Whether the account can be signed in to with a password. */
export async function hasPassword(userId: string): Promise<boolean> {
  const { internalAdapter } = await auth().$context;
  return Boolean((await internalAdapter.findCredentialAccount(userId))?.password);
}
