import "server-only";
import { CLIENT_SCOPES } from "./scopes";
import { settings } from "./settings";

const FORM = "application/x-www-form-urlencoded";

/** An authorization request in the form the library needs; by GET or POST (RFC 6749 section 3.1). */
export async function normalizeAuthorization(request: Request): Promise<Request> {
  if (request.method === "POST") return withForm(request, normalizeAuthorizationParameters);
  const url = new URL(request.url);
  url.search = normalizeAuthorizationParameters(url.searchParams).toString();
  return new Request(url, request);
}

/** A token request in the form the library needs. */
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
 * Clients that predate RFC 8707 name no resource and would get an opaque token, which the MCP server cannot check, so
 * the only resource is filled in. Unknown scopes are dropped if known ones remain (RFC 6749 section 3.3).
 */
function normalizeAuthorizationParameters(parameters: URLSearchParams): URLSearchParams {
  const query = normalize(parameters);
  if (!query.has("resource")) query.set("resource", settings().mcpResources[0]);
  const scopes = query.get("scope")?.split(" ") ?? [];
  const known = scopes.filter((scope) => CLIENT_SCOPES.includes(scope));
  if (known.length > 0) query.set("scope", known.join(" "));
  if (!/^https:/i.test(query.get("redirect_uri") ?? "")) askAgain(query);
  return query;
}

/**
 * Ask the person each time a program on their computer wants a code: another program can listen on the same loopback
 * port, or take the same scheme, and claim to be the client (RFC 8252 section 8.6).
 */
function askAgain(query: URLSearchParams): void {
  const prompts = (query.get("prompt") ?? "").split(" ").filter((prompt) => prompt && prompt !== "none");
  query.set("prompt", [...new Set([...prompts, "consent"])].join(" "));
}

/** Well-formed and unknown: the library answers `invalid_target` (RFC 8707 section 2) to this, but not to malformed ones. */
const UNKNOWN_RESOURCE = "urn:taskdeck:malformed-resource";

/** Drop parameters without a value (RFC 6749 section 3.1) and write resources in their canonical form. */
function normalize(parameters: URLSearchParams): URLSearchParams {
  const { mcpResources } = settings();
  return new URLSearchParams(
    [...parameters]
      .filter(([, value]) => value !== "")
      .map(([name, value]) => [name, name === "resource" ? canonicalResource(value, mcpResources) : value]),
  );
}

/** The resource that a URL names, whatever the case of scheme and host or a default port (RFC 3986 section 6.2). */
export function canonicalResource(address: string, resources: readonly string[]): string {
  if (!URL.canParse(address) || address.includes("#")) return UNKNOWN_RESOURCE;
  const { href } = new URL(address);
  return resources.find((resource) => new URL(resource).href === href) ?? address;
}
