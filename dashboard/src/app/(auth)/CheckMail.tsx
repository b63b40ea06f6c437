"use client";

import { useState } from "react";
import { Button, buttonClass } from "@/components/Button";
import { Notice } from "@/components/Notice";
import { authClient } from "@/lib/auth-client";
import { attempt, errorMessage } from "@/lib/auth-errors";
import type { Account } from "./AuthForm";

/** How a link reaches the person: by mail, on the terminal in which Taskdeck runs, or not at all. */
export type MailWay = "smtp" | "terminal" | null;

interface Props {
  account: Account;
  /** Only for the user of this machine, where mail is printed. */
  link?: string;
  mailWay: MailWay;
}

/** After sign-up: where the link is that completes it. */
export function CheckMail({ account, link, mailWay }: Props) {
  const [current, setCurrent] = useState(link);
  const [outcome, setOutcome] = useState<"busy" | "sent" | { problem: string }>();

  async function sendAgain() {
    setOutcome("busy");
    const { data, error } = await attempt(() => authClient.signUp.email(account));
    if (error) return setOutcome({ problem: errorMessage(error) });
    setCurrent((data as { link?: string } | null)?.link);
    setOutcome("sent");
  }

  return (
    <>
      <h1 className="text-2xl font-semibold tracking-tight">
        {mailWay === "smtp" ? "Check your mail" : "Open the link"}
      </h1>
      <div className="mt-3 grid gap-4 text-[15px] leading-relaxed text-muted">
        {mailWay === "smtp" ? (
          <p>
            We have written to <strong className="font-medium wrap-anywhere text-ink">{account.email}</strong>
            . Open the link in the message in this browser, and you are signed in.
          </p>
        ) : (
          <p>
            This server sends no mail. The message to{" "}
            <strong className="font-medium wrap-anywhere text-ink">{account.email}</strong> is printed in the
            terminal in which Taskdeck runs. Open its link in this browser, and you are signed in.
          </p>
        )}
        {outcome === "sent" && <Notice>The message is on its way again.</Notice>}
        {outcome && typeof outcome === "object" && <Notice tone="problem">{outcome.problem}</Notice>}
      </div>
      <div className="mt-6 flex flex-wrap gap-3">
        {current && (
          <a href={current} className={`${buttonClass()} h-10`}>
            Open the link
          </a>
        )}
        <Button look="secondary" className="h-10" disabled={outcome === "busy"} onClick={sendAgain}>
          {outcome === "busy" ? "One moment…" : "Send it again"}
        </Button>
      </div>
    </>
  );
}
