import { cimd } from "@better-auth/cimd";
import { fetchClientMetadataResource } from "@better-auth/cimd/node";
import { oauthProvider } from "@better-auth/oauth-provider";
import { betterAuth } from "better-auth";
import { getOAuthState } from "better-auth/api";
import { nextCookies } from "better-auth/next-js";
import { jwt } from "better-auth/plugins";
import { tables } from "./database";
import { withLocalOwnerId } from "./local-owner";
import { refreshTokens } from "./refresh-tokens";
import { CLIENT_SCOPES, MCP_SCOPES } from "./scopes";
import { type Settings, settings } from "./settings";
import { knownTimeZone } from "./timezones";

/** The browser's time zone at sign-up: a default until the person chooses one. */
const TIMEZONE_FIELD = {
  type: "string",
  required: false,
  // An invalid one must not fail the sign-up.
  transform: { input: (value: unknown) => knownTimeZone(value) },
} as const;

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
    database: tables(),
    trustedOrigins: s.dashboardOrigins,
    telemetry: { enabled: false },
    onAPIError: { errorURL: `${s.dashboardUrl}/error` },
    user: { additionalFields: { timezone: TIMEZONE_FIELD } },
    emailAndPassword: { enabled: true, minPasswordLength: 10 },
    databaseHooks: {
      user: {
        create: {
          before: async (user, context) => {
            // GitHub and Google do not send a time zone; the browser sent it before the redirect.
            const timezone = user.timezone ?? knownTimeZone((await getOAuthState())?.timezone);
            const account = { ...user, timezone };
            return (await withLocalOwnerId(account, context)) ?? { data: account };
          },
        },
      },
    },
    socialProviders: { github: s.github, google: s.google },
    rateLimit: {
      enabled: true,
      storage: "database",
      customRules: {
        "/sign-in/*": { window: 10, max: s.signInLimit },
        "/sign-up/*": { window: 10, max: s.signInLimit },
        // Every open page asks for these, and each needs a session or shows only public keys.
        "/token": { window: 60, max: 300 },
        "/jwks": { window: 60, max: 600 },
      },
    },
    advanced: { ipAddress: { trustedProxies: s.trustedProxies } },
    plugins: [
      jwt({
        disableSettingJwtHeader: true,
        jwks: { keyPairConfig: { alg: "EdDSA", crv: "Ed25519" } },
        jwt: {
          issuer: s.dashboardUrl,
          audience: s.apiAudience,
          expirationTime: "5m",
          definePayload: ({ user, session }) => ({
            // The server limits the requests of each session.
            sid: session.id,
            email: user.email,
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
            ? { email: user.email, name: user.name, zoneinfo: (user.timezone as string | null) ?? undefined }
            : {},
      }),
      refreshTokens(),
      cimd({ fetchClientMetadataResource, metadataProfile: "mcp-2026-07-28" }),
      nextCookies(),
    ],
  });
}
