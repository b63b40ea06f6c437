"use client";

import { useRouter } from "next/navigation";
import { type FormEvent, useState } from "react";
import { Button } from "@/components/Button";
import { Field } from "@/components/Field";
import { Notice } from "@/components/Notice";
import { useHydrated } from "@/hooks/useHydrated";
import { authClient } from "@/lib/auth-client";
import { attempt, errorMessage } from "@/lib/auth-errors";
import { PASSWORD_LENGTH } from "@/lib/passwords";

/** Asks for the account to be deleted in a week. `email` is asked for where there is no password. */
export function EndAccountForm({ hasPassword, hasCode }: { hasPassword: boolean; hasCode: boolean }) {
  const router = useRouter();
  const hydrated = useHydrated();
  const [outcome, setOutcome] = useState<"busy" | { problem: string }>();

  async function end(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const body = Object.fromEntries(new FormData(event.currentTarget));
    setOutcome("busy");
    const { error } = await attempt(() => authClient.$fetch("/end-account", { method: "POST", body }));
    setOutcome(error ? { problem: errorMessage(error) } : undefined);
    if (!error) router.refresh();
  }

  return (
    <form onSubmit={end} className="grid gap-4" aria-label="Delete the account">
      <h2 className="text-sm font-medium">Delete the account</h2>
      <p className="text-[13px] leading-relaxed text-muted">
        In a week your account is deleted with all tasks and conversations, for good. Tasks in teams go to an
        owner of the team. At once, all other sessions end, AI clients are disconnected, and personal tokens
        are revoked. Until then you can sign in, download everything, and change your mind.
      </p>
      {hasPassword ? (
        <Field
          label="Your password"
          name="password"
          type="password"
          autoComplete="current-password"
          maxLength={PASSWORD_LENGTH.max}
          required
        />
      ) : (
        <Field label="Your e-mail address" name="email" type="email" autoComplete="off" required />
      )}
      {hasPassword && hasCode && (
        <Field
          label="Code"
          name="code"
          inputMode="numeric"
          autoComplete="one-time-code"
          maxLength={20}
          required
        />
      )}
      <Button type="submit" look="danger" disabled={outcome === "busy" || !hydrated} className="h-10">
        {outcome === "busy" ? "One moment…" : "Delete my account in a week"}
      </Button>
      {outcome && outcome !== "busy" && <Notice tone="problem">{outcome.problem}</Notice>}
    </form>
  );
}
