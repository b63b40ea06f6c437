import "server-only";
import { auth } from "./auth";

/**
 * Dynamic client registration (RFC 7591) for the clients that exist, not only for those that follow every rule.
 *
 * Most programs on a computer leave `application_type` out, which OpenID registration reads as "web" and then
 * refuses their loopback address; many leave out that they can renew a token. And editors come back through a
 * scheme of their own that is not a reversed domain name (RFC 8252 section 7.1). They are let in by name: any
 * other scheme could start any other program.
 */
export async function registerClient(request: Request): Promise<Response> {
  const metadata = (await request
    .clone()
    .json()
    .catch(() => null)) as { redirect_uris?: unknown } | null;
  const uris = metadata?.redirect_uris;
  if (!Array.isArray(uris) || !uris.every((uri) => typeof uri === "string")) return auth().handler(request);

  const checkable = uris.filter((uri) => !EDITOR.test(uri));
  const response = await auth().handler(
    new Request(request.url, {
      method: "POST",
      headers: withoutLength(request.headers),
      body: JSON.stringify({
        application_type: uris.every((uri) => uri.startsWith("https:")) ? "web" : "native",
        grant_types: ["authorization_code", "refresh_token"],
        ...metadata,
        redirect_uris: checkable.length > 0 ? checkable : [LOOPBACK],
      }),
    }),
  );
  if (!response.ok || checkable.length === uris.length) return response;
  return keepAll(response, uris);
}

const EDITOR = /^(cursor|windsurf|vscode|vscode-insiders):\/\/[\w.-]+\/[\w./-]*$/;

/** Stands in for an editor's addresses while the rest of its metadata is checked. */
const LOOPBACK = "http://127.0.0.1/";

async function keepAll(response: Response, uris: string[]): Promise<Response> {
  const client = (await response.json()) as { client_id: string };
  const { adapter } = await auth().$context;
  await adapter.update({
    model: "oauthClient",
    where: [{ field: "clientId", value: client.client_id }],
    update: { redirectUris: uris },
  });
  return Response.json(
    { ...client, redirect_uris: uris },
    { status: response.status, headers: { "Cache-Control": "no-store" } },
  );
}

function withoutLength(headers: Headers): Headers {
  const copy = new Headers(headers);
  copy.delete("content-length");
  return copy;
}
