import type { Metadata } from "next";
import { PageHead } from "@/components/PageHead";
import { personTimeZone } from "@/lib/api/server";
import { requirePerson } from "@/lib/session";
import { timeZonesByRegion } from "@/lib/timezones";
import { TimeZoneForm } from "./TimeZoneForm";

export const metadata: Metadata = { title: "Settings" };

export default async function SettingsPage() {
  await requirePerson();
  const zone = await personTimeZone();
  return (
    <>
      <PageHead title="Settings">For you, in this dashboard and in every AI client.</PageHead>
      <section
        aria-label="Time zone"
        className="mt-8 max-w-xl rounded-2xl border border-line bg-surface p-5 shadow-card sm:p-6"
      >
        <TimeZoneForm zone={zone} regions={timeZonesByRegion(zone)} />
      </section>
    </>
  );
}
