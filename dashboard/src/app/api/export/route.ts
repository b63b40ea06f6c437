import { passFileOn } from "@/lib/download";

/** Everything of the signed-in person as one file. A link of the page Settings. */
export function GET(request: Request): Promise<Response> {
  return passFileOn(request, "/export", (status) => `/settings?export=${status === 429 ? "busy" : "failed"}`);
}
