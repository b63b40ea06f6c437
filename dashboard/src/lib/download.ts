import "server-only";
import { serverBridge } from "./api/server";
import { currentPerson } from "./session";
import { settings } from "./settings";

/**
 * A file of the bridge, passed on as it is sent. The browser navigates here, so what went wrong is told by a page, whose
 * path `failed` names for a status.
 */
export async function passFileOn(
  request: Request,
  path: string,
  failed: (status?: number) => string,
): Promise<Response> {
  if (!(await currentPerson())) return toPage("/sign-in?reason=ended");
  const bridge = serverBridge();
  const answer = await fetch(`${bridge.origin}/api/dashboard${path}`, {
    headers: { Authorization: `Bearer ${await bridge.token()}` },
    cache: "no-store",
    signal: request.signal,
  }).catch(() => undefined);
  if (!answer?.ok) return toPage(failed(answer?.status));
  const headers = new Headers();
  for (const name of ["content-type", "content-disposition", "cache-control"])
    headers.set(name, answer.headers.get(name) ?? "");
  return new Response(answer.body, { headers });
}

function toPage(path: string): Response {
  return Response.redirect(settings().dashboardUrl + path, 303);
}
