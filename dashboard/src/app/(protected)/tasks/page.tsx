import type { Metadata } from "next";
import { clientName } from "@/lib/activity";
import { type ActiveClients, readBridge, type TaskRows, type Teams } from "@/lib/api/dashboard";
import { personTimeZone, serverBridge } from "@/lib/api/server";
import { clientNames } from "@/lib/client-names";
import { requirePerson } from "@/lib/session";
import { bridgeQuery, readFilter } from "@/lib/task-filter";
import { TasksClient } from "./TasksClient";

export const metadata: Metadata = { title: "Tasks" };

export default async function TasksPage({ searchParams }: PageProps<"/tasks">) {
  const person = await requirePerson();
  const given = await searchParams;
  const filter = readFilter({
    get: (name) => (typeof given[name] === "string" ? given[name] : null),
  });
  const [rows, teams, active, zone] = await Promise.all([
    readBridge<TaskRows>(serverBridge(), `/tasks?${bridgeQuery(filter)}&limit=100`).catch(() => undefined),
    readBridge<Teams>(serverBridge(), "/teams").catch(() => undefined),
    readBridge<ActiveClients>(serverBridge(), "/activity/clients").catch(() => undefined),
    personTimeZone(),
  ]);
  const ids = active?.clients.flatMap(({ client }) => client || []) ?? [];
  const names = ids.length > 0 ? await clientNames(ids) : {};
  return (
    <TasksClient
      me={person.id}
      initial={{ filter, rows }}
      teams={teams?.teams ?? []}
      clients={Object.fromEntries(ids.map((id) => [id, clientName(id, names)]))}
      initialZone={zone}
    />
  );
}
