/**
 * The endpoints under /api/auth that this app uses, by method. The library brings many more: among them are those with
 * which any account could register clients or change where a client's codes go.
 */
const ENDPOINTS: Record<string, ReadonlySet<string>> = {
  GET: new Set([
    "/callback/github",
    "/callback/google",
    "/get-session",
    "/jwks",
    "/oauth2/authorize",
    "/token",
    "/verify-email",
  ]),
  POST: new Set([
    "/change-email",
    "/change-password",
    "/end-account",
    "/oauth2/authorize",
    "/oauth2/consent",
    "/oauth2/introspect",
    "/oauth2/register",
    "/oauth2/revoke",
    "/oauth2/token",
    "/request-password-reset",
    "/reset-password",
    "/send-verification-email",
    "/sign-in/email",
    "/sign-in/social",
    "/sign-out",
    "/sign-up/complete",
    "/sign-up/email",
    "/two-factor/disable",
    "/two-factor/enable",
    "/two-factor/generate-backup-codes",
    "/two-factor/verify-backup-code",
    "/two-factor/verify-totp",
  ]),
};

const BASE = "/api/auth";

/** The path of a request below /api/auth. */
export function endpointOf(request: Request): string {
  const { pathname } = new URL(request.url);
  return pathname.startsWith(`${BASE}/`) ? pathname.slice(BASE.length) : pathname;
}

export function isOffered(request: Request): boolean {
  return ENDPOINTS[request.method]?.has(endpointOf(request)) ?? false;
}
