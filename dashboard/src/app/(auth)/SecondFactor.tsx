"use client";

import { type FormEvent, useState } from "react";
import { Button } from "@/components/Button";
import { Field } from "@/components/Field";
import { Notice } from "@/components/Notice";
import { authClient } from "@/lib/auth-client";
import { attempt, errorMessage } from "@/lib/auth-errors";

/** The second step of signing in, for accounts that have one. */
export function SecondFactor({ next }: { next: string }) {
  const [recovers, setRecovers] = useState(false);
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const code = String(new FormData(event.currentTarget).get("code")).replace(/\s/g, "");
    setBusy(true);
    setProblem(undefined);
    const { data, error } = await attempt(() =>
      authClient.$fetch<{ redirect?: boolean }>(
        recovers ? "/two-factor/verify-backup-code" : "/two-factor/verify-totp",
        { method: "POST", body: { code } },
      ),
    );
    if (error) {
      setProblem(errorMessage(error));
      setBusy(false);
      // With an authorization request the client library navigates to the URL in the response.
    } else if (!data?.redirect) {
      window.location.assign(next);
    }
  }

  return (
    <>
      <h1 className="text-2xl font-semibold tracking-tight">Enter your code</h1>
      <form onSubmit={submit} className="mt-8 grid gap-5" aria-label="Second factor">
        {problem && <Notice tone="problem">{problem}</Notice>}
        <Field
          key={String(recovers)}
          label={recovers ? "Recovery code" : "Code"}
          name="code"
          autoFocus
          inputMode={recovers ? "text" : "numeric"}
          autoComplete={recovers ? "off" : "one-time-code"}
          maxLength={recovers ? 32 : 7}
          hint={recovers ? "Each works once." : "From your authenticator app."}
          required
        />
        <Button type="submit" className="h-10" disabled={busy}>
          {busy ? "One moment…" : "Continue"}
        </Button>
        <button
          type="button"
          onClick={() => setRecovers(!recovers)}
          className="justify-self-start text-sm text-muted underline decoration-line-strong underline-offset-4 hover:text-ink"
        >
          {recovers ? "Use your app instead" : "Use a recovery code instead"}
        </button>
      </form>
    </>
  );
}
