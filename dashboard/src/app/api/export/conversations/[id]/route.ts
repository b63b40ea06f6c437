import { passFileOn } from "@/lib/download";

/** One conversation as a file. A link of its page, which says what is wrong with an address. */
export async function GET(
  request: Request,
  { params }: RouteContext<"/api/export/conversations/[id]">,
): Promise<Response> {
  const id = encodeURIComponent((await params).id);
  const format = new URL(request.url).searchParams.get("format") === "json" ? "json" : "markdown";
  return passFileOn(request, `/conversations/${id}/export?format=${format}`, (status) =>
    status === 429 ? `/conversations/${id}?export=busy` : `/conversations/${id}?export=failed`,
  );
}
