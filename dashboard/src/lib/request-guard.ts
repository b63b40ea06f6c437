import type { IncomingMessage, ServerResponse } from "node:http";
import { settings } from "./settings";

/** No form, registration or call of this app needs more. */
export const MAX_BODY_BYTES = 65_536;

/** Public keys, which a server beside this one fetches by an internal name. */
const KEYS = "/api/auth/jwks";

/**
 * Refuse a request before anything reads its body: to a foreign host name (DNS rebinding), or with a body that is too
 * long. Next.js would keep up to 10 MB of a body in memory.
 */
export function guardRequest(request: IncomingMessage, response: ServerResponse): void {
  const { headers, url } = request;
  if (!isOwnHost(headers.host) && url !== KEYS) return refuse(request, response, 421);
  if (Number(headers["content-length"] ?? 0) > MAX_BODY_BYTES) return refuse(request, response, 413);
  if (headers["transfer-encoding"]) countChunks(request, response);
}

/** Whether a `Host` is one of this app's. */
export function isOwnHost(host: string | null | undefined): boolean {
  return settings().dashboardOrigins.some((origin) => {
    const { protocol, host: own } = new URL(origin);
    const address = `${protocol}//${host}`;
    return host === own || (Boolean(host) && URL.canParse(address) && new URL(address).origin === origin);
  });
}

/** Turn the request into one for the route that answers the refusal, and close its connection unread. */
function refuse(request: IncomingMessage, response: ServerResponse, status: 413 | 421): void {
  request.method = "GET";
  request.url = `/api/refused/${status}`;
  delete request.headers["content-length"];
  delete request.headers["transfer-encoding"];
  response.shouldKeepAlive = false;
}

/** A body without a length is refused once it has become too long. */
function countChunks(request: IncomingMessage, response: ServerResponse): void {
  const push = request.push.bind(request);
  let size = 0;
  request.push = (chunk: Buffer | null, encoding) => {
    size += chunk?.length ?? 0;
    if (size <= MAX_BODY_BYTES) return push(chunk, encoding);
    if (!response.headersSent) response.writeHead(413, { Connection: "close" }).end();
    request.destroy();
    return false;
  };
}
