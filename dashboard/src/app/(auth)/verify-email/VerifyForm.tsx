"use client";

import { type FormEvent, useCallback, useEffect, useRef, useState } from "react";
import { Button } from "@/components/Button";
import { Field } from "@/components/Field";
import { Notice } from "@/components/Notice";
import { useHydrated } from "@/hooks/useHydrated";
import { authClient } from "@/lib/auth-client";
import { attempt, errorMessage } from "@/lib/auth-errors";
import { PASSWORD_LENGTH } from "@/lib/passwords";

interface Props {
  token: string;
  email: string;
  /** The sign-up came from this browser, so its password counts. */
  isSameBrowser: boolean;
}

/** Completes a sign-up: at once in the browser that began it, elsewhere with a new password. */
export function VerifyForm({ token, email, isSameBrowser }: Props) {
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(isSameBrowser);
  const hydrated = useHydrated();
  const begun = useRef(false);

  const complete = useCallback(
    async (password?: string) => {
      const { data, error } = await attempt(() =>
        authClient.$fetch<{ next: string }>("/sign-up/complete", {
          method: "POST",
          body: { token, password },
        }),
      );
      if (data) return window.location.assign(data.next);
      setProblem(errorMessage(error ?? { status: 0 }));
      setBusy(false);
    },
    [token],
  );

  useEffect(() => {
    if (!isSameBrowser || begun.current) return;
    begun.current = true;
    void complete();
  }, [isSameBrowser, complete]);

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    void complete(isSameBrowser ? undefined : String(new FormData(event.currentTarget).get("password")));
  }

  return (
    <>
      <h1 className="text-2xl font-semibold tracking-tight">
        {isSameBrowser ? "Confirming your address" : "Choose a password"}
      </h1>
      <p className="mt-3 text-[15px] leading-relaxed text-muted">
        <strong className="font-medium wrap-anywhere text-ink">{email}</strong>{" "}
        {isSameBrowser
          ? "becomes the address of your account."
          : "is yours. You opened the link in another browser than the one that signed up, so choose the password of your account now."}
      </p>
      <form onSubmit={submit} className="mt-8 grid gap-5" aria-label="Confirm your address">
        {problem && <Notice tone="problem">{problem}</Notice>}
        {!isSameBrowser && (
          <Field
            label="Password"
            name="password"
            type="password"
            autoComplete="new-password"
            hint={`At least ${PASSWORD_LENGTH.min} characters. A few unrelated words work well.`}
            minLength={PASSWORD_LENGTH.min}
            maxLength={PASSWORD_LENGTH.max}
            required
          />
        )}
        <Button type="submit" className="h-10" disabled={busy || !hydrated}>
          {busy ? "One moment…" : "Create account"}
        </Button>
      </form>
    </>
  );
}
