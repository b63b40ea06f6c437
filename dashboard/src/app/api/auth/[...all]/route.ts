import { auth } from "@/lib/auth";
import { endpointOf, isOffered } from "@/lib/endpoints";
import { normalizeAuthorization, normalizeTokenRequest } from "@/lib/oauth-requests";
import { registerClient } from "@/lib/registration";
import { withRetryAfter } from "@/lib/retry-after";
import { settings } from "@/lib/settings";

export async function GET(request: Request): Promise<Response> {
  return withRetryAfter(await answer(request));
}

export const POST = GET;

async function answer(request: Request): Promise<Response> {
  if (!isOffered(request)) return Response.json({ error: "not_found" }, { status: 404 });
  switch (endpointOf(request)) {
    case "/oauth2/authorize":
      return authorize(request);
    case "/oauth2/register":
      return registerClient(request);
    case "/oauth2/token":
      return auth().handler(await normalizeTokenRequest(request));
    default:
      return auth().handler(request);
  }
}

/** The one endpoint that a browser navigates to: its errors become a page instead of JSON. */
async function authorize(request: Request): Promise<Response> {
  const response = await auth()
    .handler(await normalizeAuthorization(request))
    .catch(() => new Response(null, { status: 503 }));
  if (response.status < 400) return response;
  const { error } = (await response.json().catch(() => ({}))) as { error?: string };
  const code = response.status === 429 ? "too_many_requests" : (error ?? "server_error");
  return Response.redirect(`${settings().dashboardUrl}/error?${new URLSearchParams({ error: code })}`);
}
