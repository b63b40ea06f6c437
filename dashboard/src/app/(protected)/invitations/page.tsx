import type { Metadata } from "next";
import { PageHead } from "@/components/PageHead";
import { type Offers, readBridge } from "@/lib/api/dashboard";
import { personTimeZone, serverBridge } from "@/lib/api/server";
import { requirePerson } from "@/lib/session";
import { InvitationList } from "./InvitationList";

export const metadata: Metadata = { title: "Invitations" };

export default async function InvitationsPage() {
  await requirePerson();
  const [offers, zone] = await Promise.all([
    readBridge<Offers>(serverBridge(), "/invitations").catch(() => undefined),
    personTimeZone(),
  ]);
  return (
    <>
      <PageHead title="Invitations">
        When somebody you share nothing with yet offers you a task or a place in a team, it waits here. Until
        you accept, you and your AI clients see nothing of it.
      </PageHead>
      <InvitationList initial={offers} zone={zone} />
    </>
  );
}
