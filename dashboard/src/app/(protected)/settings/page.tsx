import type { Metadata } from "next";
import { Notice } from "@/components/Notice";
import { PageHead } from "@/components/PageHead";
import { type AuditLog, readBridge, type Usage } from "@/lib/api/dashboard";
import { personTimeZone, serverBridge } from "@/lib/api/server";
import { hasPassword } from "@/lib/auth";
import { clientNames } from "@/lib/client-names";
import { requirePerson } from "@/lib/session";
import { listSessions } from "@/lib/sessions";
import { timeZonesByRegion } from "@/lib/timezones";
import { mailWay } from "@/app/(auth)/destination";
import { EmailForm } from "./EmailForm";
import { EndAccountForm } from "./EndAccountForm";
import { PasswordForm } from "./PasswordForm";
import { SecurityLog } from "./SecurityLog";
import { SessionList } from "./SessionList";
import { TimeZoneForm } from "./TimeZoneForm";
import { TwoFactorForm } from "./TwoFactorForm";
import { UsageList } from "./UsageList";
import { YourData } from "./YourData";

const cardClass = "rounded-2xl border border-line bg-surface p-5 shadow-card sm:p-6";

const FIRST_ENTRIES = 8;

export const metadata: Metadata = { title: "Settings" };

export default async function SettingsPage({ searchParams }: PageProps<"/settings">) {
  const person = await requirePerson();
  const [zone, passwordIsSet, sessions, log, usage, { verified, error, export: exported }] =
    await Promise.all([
      personTimeZone(),
      hasPassword(person.id),
      listSessions(),
      readBridge<AuditLog>(serverBridge(), `/audit?limit=${FIRST_ENTRIES}`).catch(() => undefined),
      readBridge<Usage>(serverBridge(), "/usage").catch(() => undefined),
      searchParams,
    ]);
  const clients = [...new Set(log?.entries.flatMap(({ client }) => client ?? []))];
  return (
    <>
      <PageHead title="Settings">For you, in this dashboard and in every AI client.</PageHead>
      <div className="mt-8 grid max-w-xl gap-6">
        {verified !== undefined && (
          <Notice tone={error ? "problem" : "info"}>
            {error
              ? "The link has expired or is not valid. Send a new one."
              : "Your e-mail address is confirmed."}
          </Notice>
        )}
        <section aria-label="Time zone" className={cardClass}>
          <TimeZoneForm zone={zone} regions={timeZonesByRegion(zone)} />
        </section>
        <section aria-label="E-mail address" className={cardClass}>
          <EmailForm email={person.email} isVerified={person.emailVerified} mailWay={mailWay()} />
        </section>
        {passwordIsSet && (
          <section aria-label="Password" className={cardClass}>
            <PasswordForm />
          </section>
        )}
        {passwordIsSet && (
          <section aria-label="Second factor" className={cardClass}>
            <TwoFactorForm isOn={person.hasSecondFactor} />
          </section>
        )}
        <section aria-label="Sessions" className={cardClass}>
          <SessionList sessions={sessions} />
        </section>
        <section aria-label="Security log" className={cardClass}>
          <SecurityLog
            key={log?.entries[0]?.id}
            me={person.id}
            zone={zone}
            initial={log}
            clients={clients.length ? await clientNames(clients) : {}}
          />
        </section>
        <section aria-label="Usage" className={cardClass}>
          <UsageList usage={usage} />
        </section>
        <section aria-label="Your data" className={cardClass}>
          <YourData problem={typeof exported === "string" ? exported : undefined} />
        </section>
        {!person.endsAt && (
          <section aria-label="Delete the account" className={cardClass}>
            <EndAccountForm hasPassword={passwordIsSet} hasCode={person.hasSecondFactor} />
          </section>
        )}
      </div>
    </>
  );
}
