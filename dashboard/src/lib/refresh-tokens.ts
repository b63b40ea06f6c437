import { defineRequestState } from "@better-auth/core/context";
import { getOAuthProviderApi } from "@better-auth/oauth-provider";
import type { BetterAuthPlugin, DBAdapter } from "better-auth";
import { createAuthMiddleware, isAPIError } from "better-auth/api";
import { generateRandomString } from "better-auth/crypto";
import { signJWT } from "better-auth/plugins";
import { OFFLINE_ACCESS } from "./scopes";

type Database = Pick<DBAdapter, "findOne">;

/** The scopes that a refresh request asks for, if it asks for fewer than its grant holds. */
const narrowedScopes = defineRequestState<string[] | null>(() => null);

/**
 * Refresh tokens as RFC 6749 and RFC 9700 have them, where the library ties them to the scope `offline_access`:
 *
 * - every client that is registered for the grant `refresh_token` gets one, whatever scopes it asks for;
 * - a refresh that asks for fewer scopes gets a narrower access token, and the grant stays as it is (RFC 6749
 *   section 6);
 * - a refresh token is replaced each time it is used (RFC 9700 section 2.2.2).
 */
export function refreshTokens(): BetterAuthPlugin {
  return {
    id: "refresh-tokens",
    init: ({ adapter }) => ({
      options: {
        databaseHooks: {
          verification: {
            create: { before: async (code) => ({ data: await withOfflineAccess(code, adapter) }) },
          },
        },
      },
    }),
    hooks: {
      before: [{ matcher: ({ path }) => path === "/oauth2/token", handler: keepScopesOfGrant }],
      after: [{ matcher: ({ path }) => path === "/oauth2/token", handler: narrowAccessToken }],
    },
  };
}

/** Whether a client is registered for the grant `refresh_token`. */
export async function mayRefresh(clientId: string, adapter: Database): Promise<boolean> {
  const client = await adapter.findOne<{ grantTypes?: string[] | null }>({
    model: "oauthClient",
    where: [{ field: "clientId", value: clientId }],
  });
  return client?.grantTypes?.includes("refresh_token") ?? false;
}

/** An authorization code whose scopes let the library issue a refresh token for it. */
async function withOfflineAccess<Code extends { value: string }>(
  code: Code,
  adapter: Database,
): Promise<Code> {
  const { type, query } = parseCode(code.value);
  if (type !== "authorization_code" || !query?.scope || !query.client_id) return code;
  const scopes = query.scope.split(" ");
  if (scopes.includes(OFFLINE_ACCESS) || !(await mayRefresh(query.client_id, adapter))) return code;
  const widened = { ...query, scope: [...scopes, OFFLINE_ACCESS].join(" ") };
  return { ...code, value: JSON.stringify({ ...parseCode(code.value), query: widened }) };
}

interface AuthorizationCode {
  type?: string;
  query?: { client_id?: string; scope?: string };
}

/** The library keeps other things than authorization codes in the same table, and not all of them are JSON objects. */
function parseCode(value: string): AuthorizationCode {
  try {
    return (JSON.parse(value) ?? {}) as AuthorizationCode;
  } catch {
    return {};
  }
}

/** Refresh with the scopes of the whole grant, for the new refresh token gets those that the request names. */
const keepScopesOfGrant = createAuthMiddleware(async (ctx) => {
  const { grant_type, refresh_token, scope } = ctx.body as Record<string, string | undefined>;
  const provider = ctx.context.getPlugin("oauth-provider");
  if (grant_type !== "refresh_token" || !refresh_token || !provider) return;
  const api = getOAuthProviderApi(ctx, provider.options);
  const where = [{ field: "token", value: await api.hashToken(refresh_token, "refresh_token") }];
  const token = await ctx.context.adapter.findOne<{ scopes: string[] }>({
    model: "oauthRefreshToken",
    where,
  });
  if (!token) return;
  if (!token.scopes.includes(OFFLINE_ACCESS)) {
    // Left by a version that let a narrow refresh take it away; without it the library does not replace the token.
    token.scopes.push(OFFLINE_ACCESS);
    await ctx.context.adapter.update({ model: "oauthRefreshToken", where, update: { scopes: token.scopes } });
  }
  const asked = scope?.split(" ").filter(Boolean);
  // What the grant does not hold is refused by the library, before it uses the token up.
  if (!asked?.length || !asked.every((one) => token.scopes.includes(one))) return;
  await narrowedScopes.set(asked);
  return { context: { body: { scope: token.scopes.join(" ") } } };
});

interface TokenResponse {
  access_token: string;
  scope: string;
}

/** Sign the access token again with the scopes that the refresh asked for. */
const narrowAccessToken = createAuthMiddleware(async (ctx) => {
  const scopes = await narrowedScopes.get();
  const response = ctx.context.returned as TokenResponse | undefined;
  if (!scopes || !response || isAPIError(response)) return;
  const claims = JSON.parse(
    Buffer.from(response.access_token.split(".")[1] ?? "", "base64url").toString(),
  ) as Record<string, unknown>;
  const scope = scopes.join(" ");
  const access_token = await signJWT(ctx, {
    options: ctx.context.getPlugin("jwt")?.options,
    header: { typ: "at+jwt" },
    payload: { ...claims, scope, jti: generateRandomString(32) },
  });
  return ctx.json({ ...response, access_token, scope });
});
