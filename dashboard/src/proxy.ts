import { getSessionCookie } from "better-auth/cookies";
import { type NextRequest, NextResponse } from "next/server";
import { isOwnHost } from "./lib/request-guard";
import { settings } from "./lib/settings";

const PUBLIC_PAGES = new Set([
  "/sign-in",
  "/sign-up",
  "/verify-email",
  "/forgot-password",
  "/reset-password",
  "/consent",
  "/error",
]);

/** Endpoints that browser-based clients such as the MCP Inspector call from their own origin. None reads a cookie. */
const OPEN_TO_ORIGINS = /^\/(\.well-known\/|api\/auth\/(jwks$|oauth2\/(token|register|revoke)$))/;

/** One origin for pages, sign-in and the Python bridge. Pages and routes check sessions themselves. */
export function proxy(request: NextRequest): NextResponse {
  const { pathname } = request.nextUrl;
  if (pathname.startsWith("/api/dashboard/") || pathname === "/api/ws") return passToBridge(request);
  if (OPEN_TO_ORIGINS.test(pathname)) return openToOrigins(request);
  if (pathname.startsWith("/api/")) return NextResponse.next();
  return toSignIn(request) ?? withContentPolicy(request);
}

export const config = { matcher: "/((?!_next/static/|favicon|icon).*)" };

function passToBridge(request: NextRequest): NextResponse {
  // Upgrades to a WebSocket bypass the guard of other requests, and only a proxied response ends one.
  if (!isOwnHost(request.headers.get("host")))
    return NextResponse.rewrite(new URL("/refused", settings().bridgeUrl));
  const headers = new Headers(request.headers);
  // The bridge accepts bearer tokens only; the session cookie must not leave this process.
  headers.delete("cookie");
  const { pathname, search } = request.nextUrl;
  return NextResponse.rewrite(new URL(pathname + search, settings().bridgeUrl), { request: { headers } });
}

function openToOrigins(request: NextRequest): NextResponse {
  const preflight = request.method === "OPTIONS";
  const response = preflight ? new NextResponse(null, { status: 204 }) : NextResponse.next();
  response.headers.set("Access-Control-Allow-Origin", "*");
  response.headers.set("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate");
  if (preflight) {
    response.headers.set("Access-Control-Allow-Methods", "GET, POST");
    response.headers.set("Access-Control-Allow-Headers", "Authorization, Content-Type, MCP-Protocol-Version");
    response.headers.set("Access-Control-Max-Age", "600");
  }
  return response;
}

function toSignIn(request: NextRequest): NextResponse | undefined {
  const { pathname } = request.nextUrl;
  if (PUBLIC_PAGES.has(pathname) || getSessionCookie(request)) return undefined;
  const target = new URL("/sign-in", settings().dashboardUrl);
  if (pathname !== "/") target.searchParams.set("next", pathname);
  return NextResponse.redirect(target);
}

function withContentPolicy(request: NextRequest): NextResponse {
  const nonce = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64");
  const secure = settings().dashboardUrl.startsWith("https:");
  const development = process.env.NODE_ENV === "development";
  const policy = [
    "default-src 'self'",
    `script-src 'self' 'nonce-${nonce}' 'strict-dynamic'${development ? " 'unsafe-eval'" : ""}`,
    `style-src 'self' ${development ? "'unsafe-inline'" : `'nonce-${nonce}'`}`,
    "img-src 'self' data:",
    "connect-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    ...(secure ? ["upgrade-insecure-requests"] : []),
  ].join("; ");
  const headers = new Headers(request.headers);
  headers.set("x-nonce", nonce);
  // Next.js takes the nonce for its own scripts from this request header.
  headers.set("content-security-policy", policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set("content-security-policy", policy);
  if (secure) response.headers.set("strict-transport-security", "max-age=31536000");
  return response;
}
