import { defineRequestState } from "@better-auth/core/context";
import { getOAuthProviderApi } from "@better-auth/oauth-provider";
import type { BetterAuthPlugin, GenericEndpointContext } from "better-auth";
import { APIError, createAuthMiddleware, getSessionFromCtx, isAPIError } from "better-auth/api";
import { disconnectClient, endWiderGrants, recordConsent } from "./grants";
import { take } from "./limits";
import { markUsed } from "./registrations";
import { OFFLINE_ACCESS } from "./scopes";

/** What a code or refresh token stands for. */
interface Grant {
  clientId: string;
  userId: string;
  scopes: string[];
}

/** Token requests of one client for one person. A client renews its token every few minutes. */
const LIMIT = { window: 60, max: 20 };

const currentGrant = defineRequestState<Grant | null>(() => null);

/**
 * The token endpoint asks for a live consent, which the library asks for only when it issues a code:
 *
 * - a client that was disconnected gets nothing for a code or token from before, not even in the same moment;
 * - a consent to less than before ends the older tokens, which could do more.
 */
export function liveGrants(): BetterAuthPlugin {
  return {
    id: "live-grants",
    hooks: {
      before: [{ matcher: ({ path }) => path === "/oauth2/token", handler: requireConsent }],
      after: [
        { matcher: ({ path }) => path === "/oauth2/token", handler: requireConsentStill },
        { matcher: ({ path }) => path === "/oauth2/consent", handler: applyConsent },
      ],
    },
  };
}

const requireConsent = createAuthMiddleware(async (ctx) => {
  const grant = await findGrant(ctx);
  // The library answers what is not known.
  if (!grant) return;
  const retryAfter = await take(`token|${grant.clientId}|${grant.userId}`, LIMIT);
  if (retryAfter !== null)
    throw new APIError(
      "TOO_MANY_REQUESTS",
      { error: "temporarily_unavailable", error_description: "This client asks for tokens too often." },
      { "X-Retry-After": String(retryAfter) },
    );
  if (!(await hasConsent(ctx, grant))) throw refusal();
  await currentGrant.set(grant);
});

const requireConsentStill = createAuthMiddleware(async (ctx) => {
  const grant = await currentGrant.get();
  if (!grant || isAPIError(ctx.context.returned)) return;
  if (!(await hasConsent(ctx, grant))) {
    await disconnectClient(grant.userId, grant.clientId);
    throw refusal();
  }
  await markUsed(grant.clientId);
});

/** A consent counts for earlier grants of the client too, and is in the audit log. */
const applyConsent = createAuthMiddleware(async (ctx) => {
  const { accept, scope, oauth_query } = ctx.body as {
    accept: boolean;
    scope?: string;
    oauth_query?: string;
  };
  const session = await getSessionFromCtx(ctx);
  if (!accept || !session || isAPIError(ctx.context.returned)) return;
  const query = new URLSearchParams(oauth_query);
  const scopes = (scope ?? query.get("scope") ?? "").split(" ").filter(Boolean);
  const clientId = query.get("client_id") ?? "";
  await endWiderGrants(session.user.id, clientId, scopes);
  await recordConsent(session.user.id, clientId, scopes);
});

async function findGrant(ctx: GenericEndpointContext): Promise<Grant | null> {
  const { grant_type, code, refresh_token } = ctx.body as Record<string, string | undefined>;
  const provider = ctx.context.getPlugin("oauth-provider");
  if (!provider) return null;
  const api = getOAuthProviderApi(ctx, provider.options);
  if (grant_type === "authorization_code" && code) {
    const stored = await ctx.context.internalAdapter.findVerificationValue(
      await api.hashToken(code, "authorization_code"),
    );
    return stored ? grantOfCode(stored.value) : null;
  }
  if (grant_type !== "refresh_token" || !refresh_token) return null;
  const token = await api.hashToken(refresh_token, "refresh_token");
  const where = [{ field: "token", value: token }];
  return ctx.context.adapter.findOne<Grant>({ model: "oauthRefreshToken", where });
}

function grantOfCode(value: string): Grant | null {
  const { query, userId } = JSON.parse(value) as {
    query?: { client_id?: string; scope?: string };
    userId?: string;
  };
  if (!query?.client_id || !userId) return null;
  return { clientId: query.client_id, userId, scopes: query.scope?.split(" ") ?? [] };
}

async function hasConsent(
  ctx: GenericEndpointContext,
  { clientId, userId, scopes }: Grant,
): Promise<boolean> {
  const consent = await ctx.context.adapter.findOne<{ scopes: string[] }>({
    model: "oauthConsent",
    where: [
      { field: "clientId", value: clientId },
      { field: "userId", value: userId },
    ],
  });
  return (
    scopes.every((scope) => scope === OFFLINE_ACCESS || consent?.scopes.includes(scope)) && consent !== null
  );
}

function refusal(): APIError {
  return new APIError("BAD_REQUEST", {
    error: "invalid_grant",
    error_description: "The user has disconnected this client, or allows it less than before.",
  });
}
