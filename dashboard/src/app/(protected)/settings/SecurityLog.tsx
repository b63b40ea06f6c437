"use client";

import { useState } from "react";
import { Button } from "@/components/Button";
import { Notice } from "@/components/Notice";
import { useClientNames } from "@/hooks/useActivity";
import { useHydrated } from "@/hooks/useHydrated";
import { clientName } from "@/lib/activity";
import { type AuditEntry, type AuditLog, browserBridge, readBridge } from "@/lib/api/dashboard";
import { type Part, placeOf, sentenceOf } from "@/lib/security-log";
import { momentIn } from "@/lib/timezones";

interface Props {
  me: string;
  zone: string;
  /** The newest entries; missing if they cannot be read. */
  initial?: AuditLog;
  /** The names of the clients of the newest entries, by id. */
  clients: Record<string, string>;
}

const PAGE = 25;

/** What concerned the security of the account and its data, newest first, a page at a time. */
export function SecurityLog({ me, zone, initial, clients }: Props) {
  const [pages, setPages] = useState(initial ? [initial] : []);
  const [problem, setProblem] = useState(initial ? undefined : "The security log cannot be read right now.");
  const [busy, setBusy] = useState(false);
  const hydrated = useHydrated();
  const names = useClientNames(
    pages.flatMap(({ entries }) => entries),
    clients,
  );
  const last = pages.at(-1);
  const isEmpty = pages.length === 1 && last?.entries.length === 0;

  async function more() {
    setBusy(true);
    setProblem(undefined);
    const before = last?.next_before ? `&before=${last.next_before}` : "";
    try {
      const page = await readBridge<AuditLog>(browserBridge, `/audit?limit=${PAGE}${before}`);
      setPages((known) => [...known, page]);
    } catch (error) {
      setProblem((error as Error).message);
    }
    setBusy(false);
  }

  return (
    <div>
      <h2 className="text-sm font-medium">Security log</h2>
      <p className="mt-1.5 text-[13px] leading-relaxed text-muted">
        Who signed in, connected or was let in, and what was taken away. If something here was not you, change
        your password.
      </p>
      {isEmpty && <p className="py-8 text-center text-sm text-muted">Nothing is recorded yet.</p>}
      <ul className="mt-3 divide-y divide-line">
        {pages.flatMap((page) =>
          page.entries.map((entry) => (
            <Entry key={entry.id} entry={entry} page={page} me={me} zone={zone} clients={names} />
          )),
        )}
      </ul>
      {problem && (
        <div className="mt-4">
          <Notice tone="problem">{problem}</Notice>
        </div>
      )}
      {(problem || last?.next_before) && (
        <Button className="mt-4" look="secondary" disabled={busy || !hydrated} onClick={() => void more()}>
          {busy ? "One moment…" : problem ? "Try again" : "Show older entries"}
        </Button>
      )}
    </div>
  );
}

interface EntryProps {
  entry: AuditEntry;
  page: AuditLog;
  me: string;
  zone: string;
  clients: Record<string, string>;
}

function Entry({ entry, page, me, zone, clients }: EntryProps) {
  const place = placeOf(entry);
  return (
    <li className="py-3 last:pb-0">
      <p className="text-sm leading-6 wrap-anywhere">
        <Sentence parts={sentenceOf(entry, me, page)} />
      </p>
      <p className="mt-0.5 text-[13px] text-muted wrap-anywhere">
        <time dateTime={entry.at}>{momentIn(zone, new Date(entry.at))}</time>
        {place.length > 0 && " · "}
        <Sentence parts={place} />
        {place.length === 0 && entry.client && (
          <>
            {" · with "}
            <bdi>{clientName(entry.client, clients)}</bdi>
          </>
        )}
      </p>
    </li>
  );
}

/** Names are isolated, so that none can turn the direction of our own words. */
function Sentence({ parts }: { parts: Part[] }) {
  return parts.map((part, index) => (typeof part === "string" ? part : <bdi key={index}>{part.name}</bdi>));
}
