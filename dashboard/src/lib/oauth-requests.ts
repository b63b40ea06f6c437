import "server-only";
import { CLIENT_SCOPES } from "./scopes";
import { settings } from "./settings";

const FORM = "application/x-www-form-urlencoded";

/** An authorization request as the library needs it, by link or by form (RFC 6749 section 3.1). */
export async function normalizeAuthorization(request: Request): Promise<Request> {
  if (request.method === "POST") return withForm(request, normalizeAuthorizationParameters);
  const url = new URL(request.url);
  url.search = normalizeAuthorizationParameters(url.searchParams).toString();
  return new Request(url, request);
}

/** A token request as the library needs it. */
export function normalizeTokenRequest(request: Request): Promise<Request> {
  return withForm(request, normalize);
}

async function withForm(
  request: Request,
  change: (form: URLSearchParams) => URLSearchParams,
): Promise<Request> {
  const mediaType = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (mediaType !== FORM) return request;
  const headers = new Headers(request.headers);
  headers.delete("content-length");
  const form = change(new URLSearchParams(await request.text()));
  return new Request(request.url, { method: "POST", headers, body: form.toString() });
}

/**
 * Clients from before RFC 8707 name no resource and would get an opaque token that the MCP server cannot check; there
 * is one resource to ask for, so it is named for them. Scopes that do not exist are left out beside those that do
 * (RFC 6749 section 3.3).
 */
function normalizeAuthorizationParameters(parameters: URLSearchParams): URLSearchParams {
  const query = normalize(parameters);
  if (!query.has("resource")) query.set("resource", settings().mcpResources[0]);
  const scopes = query.get("scope")?.split(" ") ?? [];
  const known = scopes.filter((scope) => CLIENT_SCOPES.includes(scope));
  if (known.length > 0) query.set("scope", known.join(" "));
  return query;
}

/** Parameters without a value count as left out (RFC 6749 section 3.1), and resources are spelled in one way. */
function normalize(parameters: URLSearchParams): URLSearchParams {
  const { mcpResources } = settings();
  return new URLSearchParams(
    [...parameters]
      .filter(([, value]) => value !== "")
      .map(([name, value]) => [name, name === "resource" ? canonicalResource(value, mcpResources) : value]),
  );
}

/** The resource that an address names; scheme and host have no case and the usual port may be left out (RFC 3986 section 6.2). */
export function canonicalResource(address: string, resources: readonly string[]): string {
  if (!URL.canParse(address)) return address;
  const { href } = new URL(address);
  return resources.find((resource) => new URL(resource).href === href) ?? address;
}
