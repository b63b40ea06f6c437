"use client";

import { type FormEvent, useState } from "react";
import { Button } from "@/components/Button";
import { Field } from "@/components/Field";
import { Notice } from "@/components/Notice";
import { useHydrated } from "@/hooks/useHydrated";
import { authClient } from "@/lib/auth-client";
import { attempt, errorMessage } from "@/lib/auth-errors";
import { PASSWORD_LENGTH } from "@/lib/passwords";
import { replaceSession } from "@/lib/session-lock";

/** Changes the password, which ends all other sessions, AI clients and personal tokens. */
export function PasswordForm() {
  const [outcome, setOutcome] = useState<"busy" | "saved" | { problem: string }>();
  const hydrated = useHydrated();

  async function change(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const element = event.currentTarget;
    const form = new FormData(element);
    const currentPassword = String(form.get("current"));
    const newPassword = String(form.get("new"));
    setOutcome("busy");
    const { error } = await attempt(() =>
      replaceSession(() => authClient.changePassword({ currentPassword, newPassword })),
    );
    setOutcome(error ? { problem: errorMessage(error) } : "saved");
    if (!error) element.reset();
  }

  return (
    <form onSubmit={change} className="grid gap-4" aria-label="Change the password">
      <h2 className="text-sm font-medium">Password</h2>
      <Field
        label="Current password"
        name="current"
        type="password"
        autoComplete="current-password"
        maxLength={PASSWORD_LENGTH.max}
        required
      />
      <Field
        label="New password"
        name="new"
        type="password"
        autoComplete="new-password"
        hint={`At least ${PASSWORD_LENGTH.min} characters. All other sessions end, AI clients must be connected again, and personal tokens are revoked.`}
        minLength={PASSWORD_LENGTH.min}
        maxLength={PASSWORD_LENGTH.max}
        required
      />
      <Button type="submit" look="secondary" disabled={outcome === "busy" || !hydrated} className="h-10">
        {outcome === "busy" ? "One moment…" : "Change the password"}
      </Button>
      {outcome === "saved" && (
        <Notice>
          Your password is changed. You are signed out everywhere else. AI clients are disconnected, and
          personal tokens are revoked.
        </Notice>
      )}
      {outcome && typeof outcome === "object" && <Notice tone="problem">{outcome.problem}</Notice>}
    </form>
  );
}
