import { auth } from "@/lib/auth";
import { settings } from "@/lib/settings";

export function GET(request: Request) {
  return auth().handler(withResource(request));
}

export function POST(request: Request) {
  return auth().handler(request);
}

/**
 * Clients from before RFC 8707 name no resource and would get an opaque token that the MCP server cannot check.
 * There is one resource to ask for, so name it for them.
 */
function withResource(request: Request): Request {
  const url = new URL(request.url);
  if (!url.pathname.endsWith("/oauth2/authorize") || url.searchParams.has("resource")) return request;
  url.searchParams.set("resource", settings().mcpResources[0]);
  return new Request(url, request);
}
