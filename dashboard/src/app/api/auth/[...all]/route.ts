import { auth } from "@/lib/auth";
import { registerClient } from "@/lib/registration";
import { settings } from "@/lib/settings";

export function GET(request: Request) {
  const authorizes = new URL(request.url).pathname.endsWith("/oauth2/authorize");
  return authorizes ? authorize(request) : auth().handler(request);
}

export function POST(request: Request) {
  const registers = new URL(request.url).pathname.endsWith("/oauth2/register");
  return registers ? registerClient(request) : auth().handler(request);
}

/** The one endpoint that a person's browser opens: what goes wrong there becomes a page, not a line of JSON. */
async function authorize(request: Request): Promise<Response> {
  const response = await auth()
    .handler(withResource(request))
    .catch(() => new Response(null, { status: 503 }));
  if (response.status < 400) return response;
  const { error } = (await response.json().catch(() => ({}))) as { error?: string };
  const code = response.status === 429 ? "too_many_requests" : (error ?? "server_error");
  return Response.redirect(`${settings().dashboardUrl}/error?${new URLSearchParams({ error: code })}`);
}

/**
 * Clients from before RFC 8707 name no resource and would get an opaque token that the MCP server cannot check.
 * There is one resource to ask for, so name it for them.
 */
function withResource(request: Request): Request {
  const url = new URL(request.url);
  if (url.searchParams.has("resource")) return request;
  url.searchParams.set("resource", settings().mcpResources[0]);
  return new Request(url, request);
}
