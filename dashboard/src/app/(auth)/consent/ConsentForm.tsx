"use client";

import { Check, X } from "lucide-react";
import { type FormEvent, useState } from "react";
import { Button } from "@/components/Button";
import { Notice } from "@/components/Notice";
import { useHydrated } from "@/hooks/useHydrated";
import { signOut } from "@/lib/actions";
import { authClient } from "@/lib/auth-client";

interface Props {
  name: string;
  scopes: string[];
  /** Whether it gets a refresh token. */
  staysConnected: boolean;
  /** The host that vouches for the name, if any. */
  identity: string | null;
  returnsTo: string;
  /** The signed authorization request, to continue under another account. */
  query: string;
}

export function ConsentForm({ name, scopes, staysConnected, identity, returnsTo, query }: Props) {
  const asksToWrite = scopes.includes("mcp:write");
  const [mayWrite, setMayWrite] = useState(asksToWrite);
  const [problem, setProblem] = useState(false);
  const [busy, setBusy] = useState(false);
  // Before hydration the browser would submit the form itself and lose the request, and a change of the tick.
  const hydrated = useHydrated();

  async function answer(accept: boolean) {
    setBusy(true);
    setProblem(false);
    const granted = scopes.filter((scope) => scope !== "mcp:write" || mayWrite);
    const { error } = await authClient.oauth2
      .consent({ accept, scope: accept ? granted.join(" ") : undefined })
      .catch(() => ({ error: true }));
    // On success the client library navigates to the URL in the response.
    if (error) {
      setProblem(true);
      setBusy(false);
    }
  }

  function submit(event: FormEvent) {
    event.preventDefault();
    void answer(true);
  }

  return (
    <form onSubmit={submit} aria-label={`Connect ${name}`}>
      <h2 className="mt-7 text-sm font-medium">It will be able to</h2>
      <ul className="mt-3 grid gap-3 text-[15px] leading-snug">
        <Item allowed>Read your tasks, teams, saved conversations and numbers</Item>
        {mayWrite && (
          <Item allowed>
            Add, change, complete, share and delete tasks, manage your teams, and save conversations
          </Item>
        )}
        {staysConnected && <Item allowed>Stay connected until you disconnect it here</Item>}
      </ul>
      <h2 className="mt-6 text-sm font-medium">It will not be able to</h2>
      <ul className="mt-3 grid gap-3 text-[15px] leading-snug text-muted">
        {!mayWrite && <Item>Change anything</Item>}
        <Item>See your password or change your account</Item>
        <Item>See tasks of other people that are not shared with you</Item>
      </ul>

      {asksToWrite && (
        <label className="mt-6 flex cursor-pointer items-start gap-3 rounded-lg border border-line px-4 py-3 text-sm hover:bg-raised">
          <input
            type="checkbox"
            checked={mayWrite}
            disabled={!hydrated}
            onChange={(event) => setMayWrite(event.target.checked)}
            className="mt-0.5 size-4 accent-accent"
          />
          <span>
            Allow changes
            <span className="block text-[13px] text-muted">Take the tick away to let it only read.</span>
          </span>
        </label>
      )}

      {mayWrite && (
        <p className="mt-4 rounded-lg bg-danger-soft px-4 py-3 text-[13px] leading-relaxed text-danger">
          It can delete teams and conversations for good. Tasks that it deletes can be restored for 30 days.
        </p>
      )}

      <p className="mt-6 text-[13px] leading-relaxed text-muted">
        {identity ? (
          <>
            Its name is vouched for by <strong className="font-medium text-ink">{identity}</strong>.{" "}
          </>
        ) : (
          <>The client chose its name itself, and nobody has checked it. </>
        )}
        Allow it only if you have just started this. You go back to{" "}
        <strong className="font-medium text-ink">{returnsTo}</strong>.
      </p>

      {problem && (
        <div className="mt-5">
          <Notice tone="problem">
            Your answer could not be saved: the request has expired, or the server cannot be reached. Nothing
            was shared. Go back to your AI client and connect again.
          </Notice>
        </div>
      )}

      <div className="mt-7 grid gap-3 sm:grid-cols-2">
        <Button look="secondary" className="h-10" disabled={busy || !hydrated} onClick={() => answer(false)}>
          Don’t allow
        </Button>
        <Button type="submit" className="h-10" disabled={busy || !hydrated}>
          {busy ? "One moment…" : "Allow"}
        </Button>
      </div>
      <button
        type="button"
        onClick={() => signOut(query)}
        className="mt-5 text-[13px] text-muted underline decoration-line-strong underline-offset-4 hover:text-ink"
      >
        Use another account
      </button>
    </form>
  );
}

function Item({ allowed = false, children }: { allowed?: boolean; children: string }) {
  const Icon = allowed ? Check : X;
  return (
    <li className="flex gap-3">
      <Icon
        className={`mt-0.5 size-4 shrink-0 ${allowed ? "text-accent" : ""}`}
        strokeWidth={2.5}
        aria-hidden="true"
      />
      {children}
    </li>
  );
}
