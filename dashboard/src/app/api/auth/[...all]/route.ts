import { auth } from "@/lib/auth";
import { endpointOf, isOffered } from "@/lib/endpoints";
import { ADDRESS_LIMIT, FAILED_TOKEN_LIMIT, takeForAddress } from "@/lib/limits";
import { normalizeAuthorization, normalizeTokenRequest } from "@/lib/oauth-requests";
import { registerClient } from "@/lib/registration";
import { withRetryAfter } from "@/lib/retry-after";
import { settings } from "@/lib/settings";

export async function GET(request: Request): Promise<Response> {
  const response = withRetryAfter(await answer(request));
  // Everything but the keys is about one person or one request.
  if (endpointOf(request) !== "/jwks") response.headers.set("Cache-Control", "no-store");
  return response;
}

export const POST = GET;

async function answer(request: Request): Promise<Response> {
  const endpoint = endpointOf(request);
  if (endpoint === "/oauth2/token") return exchangeToken(request);
  if (endpoint === "/oauth2/authorize") return authorize(request);
  const refused = await takeForAddress(request, "all", ADDRESS_LIMIT);
  if (refused) return refused;
  if (!isOffered(request)) return Response.json({ error: "not_found" }, { status: 404 });
  return endpoint === "/oauth2/register" ? registerClient(request) : auth().handler(request);
}

async function exchangeToken(request: Request): Promise<Response> {
  if (!isOffered(request)) return Response.json({ error: "not_found" }, { status: 404 });
  const response = await auth().handler(await normalizeTokenRequest(request.clone()));
  if (response.ok || response.status >= 500) return response;
  return (await takeForAddress(request, "failed-token", FAILED_TOKEN_LIMIT)) ?? response;
}

/** The one endpoint that a browser navigates to: its errors become a page instead of JSON. */
async function authorize(request: Request): Promise<Response> {
  const response = await answerAuthorization(request).catch(() => new Response(null, { status: 503 }));
  if (response.status < 400) return response;
  const { error } = (await response.json().catch(() => ({}))) as { error?: string };
  const code = response.status === 429 ? "too_many_requests" : (error ?? "server_error");
  const page = `${settings().dashboardUrl}/error?${new URLSearchParams({ error: code })}`;
  return new Response(null, { status: 302, headers: { Location: page } });
}

async function answerAuthorization(request: Request): Promise<Response> {
  const refused = await takeForAddress(request, "all", ADDRESS_LIMIT);
  return refused ?? auth().handler(await normalizeAuthorization(request));
}
