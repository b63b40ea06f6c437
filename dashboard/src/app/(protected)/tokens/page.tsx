import type { Metadata } from "next";
import { ConfirmButton } from "@/components/ConfirmButton";
import { Moment } from "@/components/Moment";
import { PageHead } from "@/components/PageHead";
import { revokeToken } from "@/lib/actions";
import { requirePerson } from "@/lib/session";
import { settings } from "@/lib/settings";
import { type AccessToken, LIFETIMES_IN_DAYS, listAccessTokens } from "@/lib/tokens";
import { NewTokenForm } from "./NewTokenForm";

export const metadata: Metadata = { title: "Tokens" };

export default async function TokensPage() {
  const person = await requirePerson();
  const tokens = await listAccessTokens(person.id);
  return (
    <>
      <PageHead title="Personal access tokens">
        For scripts and servers that cannot open a browser. A token acts for you, so keep it like a password
        and revoke it when it is no longer used; it is dead within a minute.
      </PageHead>
      <div className="mt-8 grid grid-cols-[minmax(0,1fr)] items-start gap-6 lg:grid-cols-[minmax(0,1fr)_minmax(0,1.4fr)]">
        <section
          aria-label="New token"
          className="rounded-2xl border border-line bg-surface p-5 shadow-card sm:p-6"
        >
          <NewTokenForm lifetimes={LIFETIMES_IN_DAYS} mcpUrl={settings().mcpResources[0]} />
        </section>
        <section aria-label="Your tokens" className="rounded-2xl border border-line bg-surface shadow-card">
          {tokens.length === 0 ? (
            <p className="px-6 py-12 text-center text-sm text-muted">You have no tokens.</p>
          ) : (
            <ul className="divide-y divide-line">
              {tokens.map((token) => (
                <Row key={token.id} token={token} />
              ))}
            </ul>
          )}
        </section>
      </div>
    </>
  );
}

function Row({ token }: { token: AccessToken }) {
  const ended = token.expiresAt < new Date();
  return (
    <li className="flex flex-wrap items-center justify-between gap-4 px-5 py-4 sm:px-6">
      <div className="min-w-0">
        <p className="truncate text-[15px] font-medium">
          <bdi>{token.name}</bdi>
          <code className="ml-2 font-mono text-[13px] font-normal text-muted">tdp_…{token.hint}</code>
        </p>
        <p className="mt-1 text-[13px] text-muted">
          {token.mayWrite ? "Read and change" : "Only read"} ·{" "}
          <span className={ended ? "font-medium text-danger" : undefined}>
            {ended ? "expired" : "expires"} <Moment at={token.expiresAt} />
          </span>{" "}
          ·{" "}
          {token.lastUsedAt ? (
            <>
              last used <Moment at={token.lastUsedAt} />
            </>
          ) : (
            "never used"
          )}
        </p>
      </div>
      <ConfirmButton
        label="Revoke"
        subject={token.name}
        title={`Revoke “${token.name}”?`}
        text="Whatever uses this token stops working within a minute. This cannot be undone; you can make a new token."
        action={revokeToken.bind(null, token.id)}
      />
    </li>
  );
}
