"use client";

import Link from "next/link";
import { type FormEvent, useState } from "react";
import { Button, buttonClass } from "@/components/Button";
import { Field } from "@/components/Field";
import { Notice } from "@/components/Notice";
import { useHydrated } from "@/hooks/useHydrated";
import { authClient } from "@/lib/auth-client";
import { attempt, errorMessage } from "@/lib/auth-errors";
import type { MailWay } from "../CheckMail";

/** Asks for a link that sets a new password. The answer does not say whether the address has an account. */
export function ForgotForm({ mailWay }: { mailWay: MailWay }) {
  const [outcome, setOutcome] = useState<"busy" | "sent" | { problem: string }>();
  const hydrated = useHydrated();

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const email = String(new FormData(event.currentTarget).get("email")).trim();
    setOutcome("busy");
    const { error } = await attempt(() => authClient.requestPasswordReset({ email }));
    setOutcome(error ? { problem: errorMessage(error) } : "sent");
  }

  return (
    <>
      <h1 className="text-2xl font-semibold tracking-tight">Forgot your password?</h1>
      <p className="mt-2 text-[15px] leading-relaxed text-muted">
        {mailWay === "terminal"
          ? "This server sends no mail: a link to choose a new one is printed in the terminal in which Taskdeck runs."
          : "We send you a link to choose a new one."}
      </p>
      <form onSubmit={submit} className="mt-8 grid gap-5" aria-label="Forgot your password?">
        {mailWay === null && (
          <Notice tone="problem">
            This server cannot send e-mail. Its operator must set TASKDECK_SMTP_URL and TASKDECK_MAIL_FROM.
          </Notice>
        )}
        {outcome === "sent" && (
          <Notice>If this address has an account with a password, the link is on its way.</Notice>
        )}
        {outcome && typeof outcome === "object" && <Notice tone="problem">{outcome.problem}</Notice>}
        <Field label="E-mail" name="email" type="email" autoComplete="email" required maxLength={254} />
        <Button type="submit" className="h-10" disabled={outcome === "busy" || !hydrated || mailWay === null}>
          {outcome === "busy" ? "One moment…" : "Send the link"}
        </Button>
        <Link href="/sign-in" className={buttonClass("quiet")}>
          Back to sign-in
        </Link>
      </form>
    </>
  );
}
