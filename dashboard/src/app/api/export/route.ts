import { serverBridge } from "@/lib/api/server";
import { currentPerson } from "@/lib/session";
import { settings } from "@/lib/settings";

/** Everything of the signed-in person as one file, passed on as the bridge sends it. A link of the page Settings. */
export async function GET(request: Request): Promise<Response> {
  if (!(await currentPerson())) return toPage("/sign-in?reason=ended");
  const bridge = serverBridge();
  const answer = await fetch(`${bridge.origin}/api/dashboard/export`, {
    headers: { Authorization: `Bearer ${await bridge.token()}` },
    cache: "no-store",
    signal: request.signal,
  }).catch(() => undefined);
  if (!answer?.ok) return toPage(`/settings?export=${answer?.status === 429 ? "busy" : "failed"}`);
  const headers = new Headers();
  for (const name of ["content-type", "content-disposition", "cache-control"])
    headers.set(name, answer.headers.get(name) ?? "");
  return new Response(answer.body, { headers });
}

/** The browser navigates here: what went wrong is told by a page. */
function toPage(path: string): Response {
  return Response.redirect(settings().dashboardUrl + path, 303);
}
