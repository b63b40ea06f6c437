import type { Metadata } from "next";
import { headers } from "next/headers";
import Link from "next/link";
import { redirect } from "next/navigation";
import { buttonClass } from "@/components/Button";
import { Logo } from "@/components/Logo";
import { MessagePage } from "@/components/MessagePage";
import { auth } from "@/lib/auth";
import { displayName } from "@/lib/display-names";
import { mayRefresh } from "@/lib/refresh-tokens";
import { CLIENT_SCOPES, OFFLINE_ACCESS } from "@/lib/scopes";
import { currentPerson } from "@/lib/session";
import { ConsentForm } from "./ConsentForm";

export const metadata: Metadata = { title: "Connect a client" };

export default async function ConsentPage({ searchParams }: PageProps<"/consent">) {
  const query = toSearchParams(await searchParams);
  const clientId = query.get("client_id") ?? "";
  const person = await currentPerson();
  if (!person) redirect(`/sign-in?${query}`);
  const client = query.has("sig") ? await findClient(clientId) : null;
  if (!client) return <Incomplete />;
  const name = displayName(client.client_name ?? "") || "An unnamed client";
  const returnsTo = hostOf(query.get("redirect_uri"));
  const scopes = query.get("scope")?.split(" ") ?? CLIENT_SCOPES;
  const { adapter } = await auth().$context;

  return (
    <main className="mx-auto flex min-h-dvh max-w-lg flex-col justify-center gap-8 px-5 py-12">
      <Logo />
      <div className="rounded-2xl border border-line bg-surface p-6 shadow-card sm:p-8">
        <p className="text-[13px] text-muted">
          A request from{" "}
          <strong className="font-medium wrap-anywhere text-ink" data-testid="returns-to">
            {returnsTo}
          </strong>
        </p>
        <h1 className="mt-1.5 text-2xl font-semibold tracking-tight wrap-anywhere text-balance">
          Connect <bdi>{name}</bdi> to your tasks?
        </h1>
        <p className="mt-2 text-[15px] leading-relaxed text-muted">
          It will act for <strong className="font-medium text-ink">{person.email}</strong>.
        </p>
        <ConsentForm
          name={name}
          scopes={scopes}
          staysConnected={scopes.includes(OFFLINE_ACCESS) || (await mayRefresh(clientId, adapter))}
          identity={identityOf(clientId)}
          returnsTo={returnsTo}
          query={query.toString()}
        />
      </div>
    </main>
  );
}

function Incomplete() {
  return (
    <MessagePage
      title="This request cannot be shown"
      action={
        <Link href="/dashboard" className={buttonClass("secondary")}>
          Go to the dashboard
        </Link>
      }
    >
      <p>
        The client is not known here, or the link is not complete. Go back to your AI client and connect it
        again.
      </p>
    </MessagePage>
  );
}

async function findClient(clientId: string) {
  return auth()
    .api.getOAuthClientPublic({ query: { client_id: clientId }, headers: await headers() })
    .catch(() => null);
}

/** The host of a client id metadata document vouches for the name; nothing vouches for a registered one. */
function identityOf(clientId: string): string | null {
  return URL.canParse(clientId) ? new URL(clientId).host : null;
}

function hostOf(uri: string | null): string {
  if (!uri || !URL.canParse(uri)) return "the client";
  const { protocol, hostname, host } = new URL(uri);
  if (hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]")
    return "a program on this computer";
  return /^https?:$/.test(protocol) ? host : `the app that opens ${protocol}// links`;
}

function toSearchParams(query: Record<string, string | string[] | undefined>): URLSearchParams {
  return new URLSearchParams(
    Object.entries(query).flatMap(([name, value]) =>
      [value ?? []].flat().map((one): [string, string] => [name, one]),
    ),
  );
}
