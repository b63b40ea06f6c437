"use server";

import { clientNames } from "@/lib/client-names";
import { requirePerson } from "@/lib/session";

/** The names of clients, for the first 100 of these ids. */
export async function nameClients(ids: string[]): Promise<Record<string, string>> {
  await requirePerson();
  const wanted = ids.filter((id) => typeof id === "string" && id.length <= 2_048).slice(0, 100);
  return wanted.length > 0 ? clientNames(wanted) : {};
}
