import type { Metadata } from "next";
import { PageHead } from "@/components/PageHead";
import { readBridge, type Teams } from "@/lib/api/dashboard";
import { serverBridge } from "@/lib/api/server";
import { requirePerson } from "@/lib/session";
import { TeamList } from "./TeamList";

export const metadata: Metadata = { title: "Teams" };

export default async function TeamsPage() {
  await requirePerson();
  const teams = await readBridge<Teams>(serverBridge(), "/teams").catch(() => undefined);
  return (
    <>
      <PageHead title="Teams">
        Members of a team see all tasks in it, and what becomes of them. So do their AI clients.
      </PageHead>
      <TeamList initial={teams} />
    </>
  );
}
