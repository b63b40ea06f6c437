import type { Metadata } from "next";
import { notFound } from "next/navigation";
import { cache } from "react";
import type { TaskState } from "@/hooks/useTask";
import { type Activity, BridgeError, readBridge, type TaskPage as Task } from "@/lib/api/dashboard";
import { serverBridge } from "@/lib/api/server";
import { clientNames } from "@/lib/client-names";
import { requirePerson } from "@/lib/session";
import { TaskClient } from "./TaskClient";

export async function generateMetadata({ params }: PageProps<"/tasks/[id]">): Promise<Metadata> {
  await requirePerson();
  return { title: (await readTask((await params).id))?.title ?? "Task" };
}

export default async function TaskPage({ params }: PageProps<"/tasks/[id]">) {
  const person = await requirePerson();
  const { id } = await params;
  const task = await readTask(id);
  const clients = task && "history" in task ? task.history.flatMap(({ client }) => client ?? []) : [];
  const names = clients.length > 0 ? await clientNames([...new Set(clients)]) : {};
  return <TaskClient key={id} id={Number(id)} me={person.id} initial={task} initialNames={names} />;
}

/** The task; undefined if it cannot be read now. Cached, because the title of the page needs it as well. */
const readTask = cache(async (id: string): Promise<TaskState | undefined> => {
  if (!/^[1-9]\d{0,14}$/.test(id)) notFound();
  try {
    return await readBridge<Task>(serverBridge(), `/tasks/${id}`);
  } catch (error) {
    if (!(error instanceof BridgeError) || error.status !== 404) return undefined;
    const activity = await readBridge<Activity>(serverBridge(), `/activity?task_id=${id}&limit=1`).catch(
      () => undefined,
    );
    const last = activity?.changes[0];
    if (activity && !last?.deleted) notFound();
    return last && { deleted: true, title: last.title };
  }
});
