import { auth } from "@/lib/auth";

/** RFC 8414 metadata of the authorization server: its issuer is this origin, so it belongs at the root. */
export function GET(request: Request) {
  return auth().handler(request);
}
