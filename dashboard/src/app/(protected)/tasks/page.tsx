import type { Metadata } from "next";
import { readBridge, type TaskRows, type Teams } from "@/lib/api/dashboard";
import { personTimeZone, serverBridge } from "@/lib/api/server";
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
  const [rows, teams, zone] = await Promise.all([
    readBridge<TaskRows>(serverBridge(), `/tasks?${bridgeQuery(filter)}&limit=100`).catch(() => undefined),
    readBridge<Teams>(serverBridge(), "/teams").catch(() => undefined),
    personTimeZone(),
  ]);
  return (
    <TasksClient me={person.id} initial={{ filter, rows }} teams={teams?.teams ?? []} initialZone={zone} />
  );
}
