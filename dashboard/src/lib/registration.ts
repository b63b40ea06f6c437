import "server-only";
import { auth } from "./auth";
import {
  type ClientMetadata,
  isEditorRedirectUri,
  RegistrationError,
  usableMetadata,
} from "./client-metadata";
import { makeRoom } from "./registrations";

/**
 * Dynamic client registration (RFC 7591), lenient with clients that ask for more than this server supports: unsupported
 * values are left out of the response, and a client is refused only if nothing usable is left.
 */
export async function registerClient(request: Request): Promise<Response> {
  const sent = (await request
    .clone()
    .json()
    .catch(() => null)) as Record<string, unknown> | null;
  if (sent === null || typeof sent !== "object" || Array.isArray(sent)) {
    return refuse("invalid_client_metadata", "The body must be a JSON object with the client's metadata.");
  }
  try {
    const metadata = usableMetadata(sent);
    if (!(await makeRoom())) return full();
    return await register(request, metadata);
  } catch (error) {
    if (error instanceof RegistrationError) return refuse(error.code, error.message);
    throw error;
  }
}

/** Replaces an editor's redirect URIs, which the library refuses, while it checks the other metadata. */
const LOOPBACK = "http://127.0.0.1/";

async function register(request: Request, metadata: ClientMetadata): Promise<Response> {
  const checkable = metadata.redirect_uris.filter((uri) => !isEditorRedirectUri(uri));
  const headers = new Headers(request.headers);
  headers.delete("content-length");
  const response = await auth().handler(
    new Request(request.url, {
      method: "POST",
      headers,
      body: JSON.stringify({ ...metadata, redirect_uris: checkable.length > 0 ? checkable : [LOOPBACK] }),
    }),
  );
  if (!response.ok || checkable.length === metadata.redirect_uris.length) return response;
  return storeRedirectUris(response, metadata.redirect_uris);
}

async function storeRedirectUris(response: Response, uris: string[]): Promise<Response> {
  const client = (await response.json()) as { client_id: string };
  const { adapter } = await auth().$context;
  await adapter.update({
    model: "oauthClient",
    where: [{ field: "clientId", value: client.client_id }],
    update: { redirectUris: uris },
  });
  return answer({ ...client, redirect_uris: uris }, response.status);
}

function refuse(error: string, description: string): Response {
  return answer({ error, error_description: description }, 400);
}

function full(): Response {
  const body = {
    error: "temporarily_unavailable",
    error_description: "Too many clients have registered and are not in use yet. Try again in ten minutes.",
  };
  return Response.json(body, { status: 503, headers: { "Cache-Control": "no-store", "Retry-After": "600" } });
}

function answer(body: object, status: number): Response {
  return Response.json(body, { status, headers: { "Cache-Control": "no-store" } });
}
