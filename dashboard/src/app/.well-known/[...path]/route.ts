import { auth } from "@/lib/auth";
import { withRetryAfter } from "@/lib/retry-after";

/** Metadata of the authorization server (RFC 8414 section 3): at the root, because the issuer is this origin. */
export async function GET(request: Request): Promise<Response> {
  return withRetryAfter(await auth().handler(request));
}
