import type { Metadata } from "next";
import { PageHead } from "@/components/PageHead";
import { type ActiveClients, type Activity, readBridge } from "@/lib/api/dashboard";
import { serverBridge } from "@/lib/api/server";
import { clientNames } from "@/lib/client-names";
import { requirePerson } from "@/lib/session";
import { ActivityFeed } from "./ActivityFeed";

export const metadata: Metadata = { title: "Activity" };

export default async function ActivityPage() {
  const person = await requirePerson();
  const [activity, active] = await Promise.all([
    readBridge<Activity>(serverBridge(), "/activity").catch(() => undefined),
    readBridge<ActiveClients>(serverBridge(), "/activity/clients").catch(() => undefined),
  ]);
  const ids = [
    ...(active?.clients.map(({ client }) => client) ?? []),
    ...(activity?.changes.flatMap(({ client }) => client ?? []) ?? []),
  ];
  const names = ids.length > 0 ? await clientNames([...new Set(ids)]) : {};
  return (
    <>
      <PageHead title="Activity">
        What you, your AI clients and the people you share with did to tasks that you see. What you did, with
        whatever client, you can take back here.
      </PageHead>
      <ActivityFeed
        me={person.id}
        initial={activity}
        clients={active?.clients.map(({ client }) => client) ?? []}
        initialNames={names}
      />
    </>
  );
}
