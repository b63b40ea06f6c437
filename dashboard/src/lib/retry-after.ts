/** Copy the library's X-Retry-After to the standard header (RFC 9110 section 10.2.3). */
export function withRetryAfter(response: Response): Response {
  if (response.status !== 429 || response.headers.has("Retry-After")) return response;
  const headers = new Headers(response.headers);
  headers.set("Retry-After", headers.get("X-Retry-After") ?? "1");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
}
