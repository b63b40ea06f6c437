const REASONS: Record<string, string> = {
  "413": "The body is longer than 64 KiB.",
  "421": "This server has another host name. Use the address in TASKDECK_DASHBOARD_URL.",
};

/** Answers requests that `request-guard.ts` has refused. */
export async function GET(_: Request, { params }: RouteContext<"/api/refused/[status]">): Promise<Response> {
  const { status } = await params;
  const detail = REASONS[status];
  if (!detail) return Response.json({ error: "not_found" }, { status: 404 });
  const error = status === "413" ? "content_too_large" : "misdirected_request";
  return Response.json(
    { error, detail },
    { status: Number(status), headers: { "Cache-Control": "no-store", Connection: "close" } },
  );
}
