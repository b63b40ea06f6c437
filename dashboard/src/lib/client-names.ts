import "server-only";
import { auth } from "./auth";

/** The names under which clients with these ids registered. History records ids; an unknown one has no name here. */
export async function clientNames(ids: string[]): Promise<Record<string, string>> {
  const { adapter } = await auth().$context;
  const clients = await adapter.findMany<{ clientId: string; name?: string | null }>({
    model: "oauthClient",
    where: [{ field: "clientId", operator: "in", value: ids }],
  });
  return Object.fromEntries(clients.flatMap(({ clientId, name }) => (name ? [[clientId, name]] : [])));
}
