import type { Metadata } from "next";
import { ConfirmButton } from "@/components/ConfirmButton";
import { ConnectGuide } from "@/components/ConnectGuide";
import { Moment } from "@/components/Moment";
import { PageHead } from "@/components/PageHead";
import { disconnect } from "@/lib/actions";
import { type ConnectedClient, listClients } from "@/lib/clients";
import { requirePerson } from "@/lib/session";
import { settings } from "@/lib/settings";

export const metadata: Metadata = { title: "Clients" };

export default async function ClientsPage() {
  const person = await requirePerson();
  const clients = await listClients(person.id);
  return (
    <>
      <PageHead title="Connected clients">
        AI clients that may work with your tasks. A client you disconnect cannot renew its access; what it
        holds ends within {accessLifetime()}.
      </PageHead>
      <section
        aria-label="Connected clients"
        className="mt-8 rounded-2xl border border-line bg-surface shadow-card"
      >
        {clients.length === 0 ? (
          <p className="px-6 py-12 text-center text-sm text-muted">No client is connected yet.</p>
        ) : (
          <ul className="divide-y divide-line">
            {clients.map((client) => (
              <Row key={client.clientId} client={client} />
            ))}
          </ul>
        )}
      </section>
      <section
        aria-labelledby="connect"
        className="mt-8 rounded-2xl border border-line bg-surface shadow-card"
      >
        <ConnectGuide mcpUrl={settings().mcpResources[0]} headingId="connect" />
      </section>
    </>
  );
}

function Row({ client }: { client: ConnectedClient }) {
  return (
    <li className="flex flex-wrap items-center justify-between gap-4 px-5 py-4 sm:px-6">
      <div className="min-w-0">
        <p className="truncate text-[15px] font-medium">
          <bdi>{client.name}</bdi>
          {client.host && <span className="ml-2 text-[13px] font-normal text-muted">{client.host}</span>}
        </p>
        <p className="mt-1 text-[13px] text-muted">
          {client.mayWrite ? "May read and change" : "May only read"} · connected <Moment at={client.since} />
          {client.lastRenewed && (
            <>
              {" "}
              · last renewed <Moment at={client.lastRenewed} />
            </>
          )}
        </p>
      </div>
      <ConfirmButton
        label="Disconnect"
        subject={client.name}
        title={`Disconnect ${client.name}?`}
        text={`It can no longer renew its access, and what it holds ends within ${accessLifetime()}. Your tasks stay as they are. You can connect it again at any time.`}
        action={disconnect.bind(null, client.clientId)}
      />
    </li>
  );
}

/** How long a disconnected client's last access token stays valid. */
function accessLifetime(): string {
  const minutes = Math.ceil(settings().accessTokenSeconds / 60);
  return minutes.toLocaleString("en", { style: "unit", unit: "minute", unitDisplay: "long" });
}
