import { isLoopbackHost } from "@better-auth/core/utils/host";
import { isReverseDomainPrivateUseRedirectUri } from "@better-auth/core/utils/redirect-uri";
import { displayName } from "./display-names";
import { CLIENT_SCOPES } from "./scopes";

/** Client metadata as RFC 7591 section 2 names it. */
export interface ClientMetadata {
  redirect_uris: string[];
  grant_types: string[];
  [name: string]: unknown;
}

/** A registration without a usable value for a required member (RFC 7591 section 3.2.2). */
export class RegistrationError extends Error {
  constructor(
    readonly code: "invalid_redirect_uri" | "invalid_client_metadata",
    description: string,
  ) {
    super(description);
  }
}

const GRANT_TYPES = ["authorization_code", "refresh_token"];
/** How long the texts of a registration may be, in characters, its lists in members, and its keys as JSON. */
const MAX = { address: 2_048, text: 200, redirectUris: 20, contacts: 5, keys: 16_384 };

const AUTH_METHODS = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];

/**
 * Some editors use a redirect scheme that is not a reversed domain name, against RFC 8252 section 7.1. They are listed by
 * name, because an arbitrary scheme could start an arbitrary program.
 */
const EDITOR_REDIRECT_URI = /^(cursor|windsurf|vscode|vscode-insiders):\/\/[\w.-]+\/[\w./-]*$/i;

/**
 * The part of a client's metadata that this server supports. RFC 7591 section 3.2.1 lets a server replace or omit
 * unsupported values, and clients register for everything that they might need at any server.
 *
 * Throws a RegistrationError if nothing usable is left.
 */
export function usableMetadata(sent: Record<string, unknown>): ClientMetadata {
  const authMethod = usableAuthMethod(sent.token_endpoint_auth_method);
  const redirectUris = usableRedirectUris(sent.redirect_uris);
  return {
    redirect_uris: redirectUris,
    application_type: applicationType(sent.application_type, redirectUris),
    token_endpoint_auth_method: authMethod,
    grant_types: usableGrantTypes(sent.grant_types),
    response_types: usableResponseTypes(sent.response_types),
    scope: supported(sent.scope, CLIENT_SCOPES).join(" ") || undefined,
    client_name: clientName(sent.client_name),
    client_uri: webAddress(sent.client_uri),
    logo_uri: webAddress(sent.logo_uri),
    tos_uri: webAddress(sent.tos_uri),
    policy_uri: webAddress(sent.policy_uri),
    contacts: nonEmpty(listOf(sent.contacts).filter(isShort).slice(0, MAX.contacts)),
    software_id: shortText(sent.software_id),
    software_version: shortText(sent.software_version),
    ...(authMethod === "private_key_jwt" && { jwks: usableKeys(sent.jwks) }),
  };
}

export function isEditorRedirectUri(uri: string): boolean {
  return EDITOR_REDIRECT_URI.test(uri);
}

function usableRedirectUris(sent: unknown): string[] {
  const usable = listOf(sent).filter(
    (uri) => uri.length <= MAX.address && (isEditorRedirectUri(uri) || isRedirectUri(uri)),
  );
  const different = [...new Set(usable)];
  if (different.length > MAX.redirectUris)
    throw new RegistrationError(
      "invalid_redirect_uri",
      `redirect_uris can have at most ${MAX.redirectUris} addresses.`,
    );
  if (different.length > 0) return different;
  throw new RegistrationError(
    "invalid_redirect_uri",
    "redirect_uris needs at least one address that is https, or http on localhost, 127.0.0.1 or [::1], or has a scheme that is a reversed domain name (com.example.app:/callback).",
  );
}

/** Whether the library accepts the URI for a native client. It refuses a registration for one bad URI among many. */
function isRedirectUri(uri: string): boolean {
  if (!URL.canParse(uri) || uri.includes("#")) return false;
  const url = new URL(uri);
  if (url.username || url.password || url.hostname.endsWith(".")) return false;
  if (url.protocol === "https:") return !isLoopbackHost(url.hostname);
  if (url.protocol === "http:") return /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?([/?]|$)/i.test(uri);
  return isReverseDomainPrivateUseRedirectUri(url);
}

/**
 * Most native programs omit `application_type`, which OpenID registration reads as "web" and then refuses their loopback
 * redirect URI.
 */
function applicationType(sent: unknown, redirectUris: string[]): string {
  if (!redirectUris.every((uri) => /^https:/i.test(uri))) return "native";
  return supported(sent, ["web", "native"])[0] ?? "web";
}

function usableAuthMethod(sent: unknown): string | undefined {
  if (isMissing(sent)) return undefined;
  const [method] = supported(sent, AUTH_METHODS);
  if (method) return method;
  throw new RegistrationError(
    "invalid_client_metadata",
    `token_endpoint_auth_method must be one of ${AUTH_METHODS.join(", ")}.`,
  );
}

/** Both grants by default: many clients that can use a refresh token do not say so. */
function usableGrantTypes(sent: unknown): string[] {
  if (isMissing(sent)) return GRANT_TYPES;
  const usable = supported(sent, GRANT_TYPES);
  if (usable.includes("authorization_code")) return usable;
  throw new RegistrationError(
    "invalid_client_metadata",
    "grant_types must contain authorization_code; refresh_token is the only other grant that is supported.",
  );
}

function usableResponseTypes(sent: unknown): string[] {
  if (isMissing(sent) || supported(sent, ["code"]).length > 0) return ["code"];
  throw new RegistrationError("invalid_client_metadata", "response_types must contain code.");
}

/** The supported values among those sent, in the order sent, ignoring case. */
function supported(sent: unknown, values: readonly string[]): string[] {
  const words = (typeof sent === "string" ? sent.split(/\s+/) : listOf(sent)).map((word) =>
    word.toLowerCase(),
  );
  return [...new Set(words)].filter((word) => values.includes(word));
}

function listOf(sent: unknown): string[] {
  const list: unknown[] = Array.isArray(sent) ? sent : [sent];
  return list.filter((one): one is string => typeof one === "string" && one.trim() !== "");
}

function nonEmpty(list: string[]): string[] | undefined {
  return list.length > 0 ? list : undefined;
}

function text(sent: unknown): string | undefined {
  return typeof sent === "string" && sent.trim() !== "" ? sent : undefined;
}

function isShort(sent: string): boolean {
  return sent.length <= MAX.text;
}

/** A text of limited length; a longer one is left out, because part of it could mean something else. */
function shortText(sent: unknown): string | undefined {
  const short = text(sent);
  return short && isShort(short) ? short : undefined;
}

function clientName(sent: unknown): string | undefined {
  return (typeof sent === "string" && displayName(sent)) || undefined;
}

/** Keys in the registration itself. Those behind a `jwks_uri` would make this server fetch any address. */
function usableKeys(sent: unknown): unknown {
  if (typeof sent === "object" && sent !== null && JSON.stringify(sent).length <= MAX.keys) return sent;
  throw new RegistrationError(
    "invalid_client_metadata",
    `private_key_jwt needs the client's public keys in jwks, in at most ${MAX.keys} bytes; jwks_uri is not supported.`,
  );
}

/** Some clients refuse the whole response if one of these members is not a web address. */
function webAddress(sent: unknown): string | undefined {
  const address = text(sent);
  return address && address.length <= MAX.address && URL.canParse(address) && /^https?:/i.test(address)
    ? address
    : undefined;
}

function isMissing(sent: unknown): boolean {
  return sent === undefined || sent === null || sent === "" || (Array.isArray(sent) && sent.length === 0);
}
