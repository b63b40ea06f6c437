import { auth } from "@/lib/auth";
import { withRetryAfter } from "@/lib/retry-after";

/** RFC 8414 metadata of the authorization server: its issuer is this origin, so it belongs at the root. */
export async function GET(request: Request): Promise<Response> {
  return withRetryAfter(await auth().handler(request));
}
