"use client";

import { ChevronRight } from "lucide-react";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { type FormEvent, useState } from "react";
import { Button } from "@/components/Button";
import { Field } from "@/components/Field";
import { Notice } from "@/components/Notice";
import { ReadState } from "@/components/ReadState";
import { useBridge } from "@/hooks/useBridge";
import { useHydrated } from "@/hooks/useHydrated";
import { type TeamDetail, type Teams, writeBridge } from "@/lib/api/dashboard";

/** The person's teams, and a form that creates another one. */
export function TeamList({ initial }: { initial?: Teams }) {
  const { data, error, retry } = useBridge<Teams>("/teams", "people", initial);
  return (
    <div className="mt-8 grid grid-cols-[minmax(0,1fr)] items-start gap-6 lg:grid-cols-[minmax(0,1.4fr)_minmax(0,1fr)]">
      <section aria-label="Your teams" className="rounded-2xl border border-line bg-surface shadow-card">
        {!data ? (
          <ReadState what="your teams" error={error} onRetry={retry} />
        ) : data.teams.length === 0 ? (
          <p className="px-6 py-12 text-center text-sm text-muted">You are in no team yet.</p>
        ) : (
          <ul className="divide-y divide-line">
            {data.teams.map(({ id, name, role }) => (
              <li key={id}>
                <Link
                  href={`/teams/${id}`}
                  className="flex items-center gap-4 px-5 py-4 hover:bg-raised sm:px-6"
                >
                  <span className="min-w-0 flex-1 truncate text-[15px] font-medium">
                    <bdi>{name}</bdi>
                  </span>
                  <span className="text-[13px] text-muted capitalize">{role}</span>
                  <ChevronRight className="size-4 text-muted" aria-hidden="true" />
                </Link>
              </li>
            ))}
          </ul>
        )}
      </section>
      <section
        aria-label="New team"
        className="rounded-2xl border border-line bg-surface p-5 shadow-card sm:p-6"
      >
        <NewTeamForm />
      </section>
    </div>
  );
}

function NewTeamForm() {
  const router = useRouter();
  const hydrated = useHydrated();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();

  async function create(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name"));
    setBusy(true);
    setProblem(undefined);
    try {
      const team = await writeBridge<TeamDetail>("POST", `/teams?${new URLSearchParams({ name })}`);
      router.push(`/teams/${team.id}`);
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
    }
  }

  return (
    <form onSubmit={(event) => void create(event)} className="grid gap-5" aria-label="New team">
      <h2 className="text-[15px] font-semibold tracking-tight">New team</h2>
      <Field label="Name" name="name" required maxLength={100} placeholder="Family" autoComplete="off" />
      <Button type="submit" disabled={busy || !hydrated} className="h-10">
        {busy ? "One moment…" : "Create team"}
      </Button>
      {problem && <Notice tone="problem">{problem}</Notice>}
    </form>
  );
}
