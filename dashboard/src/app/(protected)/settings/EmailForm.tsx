"use client";

import { type FormEvent, useState } from "react";
import { Button } from "@/components/Button";
import { Field } from "@/components/Field";
import { Notice } from "@/components/Notice";
import { useHydrated } from "@/hooks/useHydrated";
import { authClient } from "@/lib/auth-client";
import { attempt, errorMessage } from "@/lib/auth-errors";

interface Props {
  email: string | null;
  isVerified: boolean;
  mailWay: "smtp" | "terminal" | null;
}

const CALLBACK = "/settings?verified";

/** The account's address: confirm it, or change it to one that is confirmed first. */
export function EmailForm({ email, isVerified, mailWay }: Props) {
  const [busy, setBusy] = useState(false);
  const [sentTo, setSentTo] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const hydrated = useHydrated();

  async function request(to: string, call: Parameters<typeof attempt>[0]) {
    setBusy(true);
    setProblem(undefined);
    setSentTo(undefined);
    const { error } = await attempt(call);
    if (error) setProblem(errorMessage(error));
    else setSentTo(to);
    setBusy(false);
  }

  function confirm(address: string) {
    void request(address, () => authClient.sendVerificationEmail({ email: address, callbackURL: CALLBACK }));
  }

  function change(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const newEmail = String(new FormData(event.currentTarget).get("email")).trim();
    void request(newEmail, () => authClient.changeEmail({ newEmail, callbackURL: CALLBACK }));
  }

  const disabled = busy || !hydrated || mailWay === null;
  return (
    <div className="grid gap-5">
      <div>
        <h2 className="text-sm font-medium">E-mail address</h2>
        <p className="mt-1.5 text-sm wrap-anywhere">
          {email ?? "None"}
          {email && (
            <span className={`ml-2 text-[13px] ${isVerified ? "text-muted" : "font-medium text-danger"}`}>
              {isVerified ? "confirmed" : "not confirmed"}
            </span>
          )}
        </p>
        {email && !isVerified && (
          <>
            <p className="mt-2 text-[13px] leading-relaxed text-muted">
              Nobody can share with you by this address before you confirm that it is yours.
            </p>
            <Button className="mt-3" look="secondary" disabled={disabled} onClick={() => confirm(email)}>
              Send the link
            </Button>
          </>
        )}
      </div>
      <form onSubmit={change} className="grid gap-4" aria-label="Change the e-mail address">
        <Field label="New address" name="email" type="email" autoComplete="email" required maxLength={254} />
        <Button type="submit" look="secondary" disabled={disabled} className="h-10">
          {busy ? "One moment…" : "Change the address"}
        </Button>
      </form>
      {problem && <Notice tone="problem">{problem}</Notice>}
      {sentTo && (
        <Notice>
          {mailWay === "terminal"
            ? `A link for ${sentTo} is printed in the terminal in which Taskdeck runs. Open it in this browser.`
            : `If ${sentTo} can be yours, a link is on its way there. Open it in this browser.`}
        </Notice>
      )}
      {mailWay === null && (
        <p className="text-[13px] leading-relaxed text-muted">
          This server cannot send e-mail. Its operator must set TASKDECK_SMTP_URL and TASKDECK_MAIL_FROM.
        </p>
      )}
    </div>
  );
}
