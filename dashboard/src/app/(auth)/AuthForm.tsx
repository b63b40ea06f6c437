"use client";

import Link from "next/link";
import { useSearchParams } from "next/navigation";
import { type FormEvent, useEffect, useState } from "react";
import { Button } from "@/components/Button";
import { announceSignOut } from "@/components/dashboard/SessionWatch";
import { Field } from "@/components/Field";
import { Notice } from "@/components/Notice";
import { useHydrated } from "@/hooks/useHydrated";
import { authClient } from "@/lib/auth-client";
import { attempt, errorMessage } from "@/lib/auth-errors";
import { NO_MAIL } from "@/lib/mail-notice";
import { PASSWORD_LENGTH } from "@/lib/passwords";
import { browserTimeZone } from "@/lib/timezones";
import { CheckMail, type MailWay } from "./CheckMail";
import { SecondFactor } from "./SecondFactor";

const REASONS: Record<string, string> = {
  ended: "Your session has ended. Sign in again to go on.",
  "signed-out": "You are signed out.",
  "password-changed":
    "Your password is changed. Sign in with the new one. AI clients must be connected again, and personal tokens made again.",
  confirm: "Sign in to confirm your e-mail address.",
};

const linkClass =
  "text-sm font-medium text-ink underline decoration-line-strong underline-offset-4 hover:decoration-ink";

export interface Account {
  email: string;
  password: string;
  name: string;
  timezone: string;
  next: string;
}

interface Props {
  mode: "sign-in" | "sign-up";
  /** Where to go afterwards, unless the URL carries an authorization request. */
  next: string;
  providers: ("github" | "google")[];
  mailWay: MailWay;
  /** The new account becomes the owner of this machine's tasks. */
  isLocalOwner?: boolean;
}

export function AuthForm({ mode, next, providers, mailWay, isLocalOwner = false }: Props) {
  const query = useSearchParams();
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [asksForCode, setAsksForCode] = useState(false);
  const [sent, setSent] = useState<{ account: Account; link?: string }>();
  // Before hydration the browser would submit the form itself, with the password in the URL.
  const hydrated = useHydrated();
  const isNew = mode === "sign-up";
  const reason = REASONS[query.get("reason") ?? ""];
  const signedOut = query.get("reason") === "signed-out";
  useEffect(() => {
    if (signedOut) announceSignOut();
  }, [signedOut]);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? "").trim();
    const credentials = { email: text("email"), password: String(form.get("password")) };
    setBusy(true);
    setProblem(undefined);
    const account = { ...credentials, name: text("name"), timezone: browserTimeZone(), next: destination() };
    const { data, error } = await attempt(() =>
      isNew ? authClient.signUp.email(account) : authClient.signIn.email(credentials),
    );
    if (error) {
      setProblem(errorMessage(error));
      setBusy(false);
    } else if (data && "twoFactorRedirect" in data) {
      setAsksForCode(true);
    } else if (data && "status" in data) {
      setSent({ account, link: (data as { link?: string }).link });
    } else if (!(data && "redirect" in data && data.redirect)) {
      window.location.assign(next);
    }
  }

  /** Where the link in the mail leads: back to the authorization request, without the signature that ends sooner. */
  function destination(): string {
    if (!query.has("client_id")) return next;
    const request = new URLSearchParams(query);
    for (const name of ["sig", "exp", "ba_iat", "ba_pl", "ba_param"]) request.delete(name);
    return `/api/auth/oauth2/authorize?${request}`;
  }

  async function continueWith(provider: "github" | "google") {
    const { error } = await attempt(() =>
      authClient.signIn.social({
        provider,
        callbackURL: next,
        errorCallbackURL: "/error",
        additionalData: { timezone: browserTimeZone() },
      }),
    );
    if (error) setProblem(errorMessage(error));
  }

  if (asksForCode) return <SecondFactor next={next} />;
  if (sent) return <CheckMail {...sent} mailWay={mailWay} />;
  const mayEnter = !isNew || mailWay !== null || isLocalOwner;
  return (
    <>
      <h1 className="text-2xl font-semibold tracking-tight">{isNew ? "Create your account" : "Sign in"}</h1>
      <p className="mt-2 text-[15px] text-muted">
        {query.has("client_id")
          ? "An AI client is waiting to be connected. You decide what it may do in the next step."
          : "One task list that you and your AI agents share."}
      </p>

      {!mayEnter && (
        <div className="mt-8">
          <Notice tone="problem">{NO_MAIL}</Notice>
        </div>
      )}
      {mayEnter && (
        <form onSubmit={submit} className="mt-8 grid gap-5" aria-label={isNew ? "Create account" : "Sign in"}>
          {problem ? <Notice tone="problem">{problem}</Notice> : reason && <Notice>{reason}</Notice>}
          {isLocalOwner && (
            <Notice>
              This is the first account on this machine. Tasks that were added here without an account become
              yours.
            </Notice>
          )}
          {isNew && <Field label="Name" name="name" autoComplete="name" required maxLength={100} />}
          <Field label="E-mail" name="email" type="email" autoComplete="email" required maxLength={254} />
          <Field
            label="Password"
            name="password"
            type="password"
            autoComplete={isNew ? "new-password" : "current-password"}
            hint={
              isNew
                ? `At least ${PASSWORD_LENGTH.min} characters. A few unrelated words work well.`
                : undefined
            }
            minLength={isNew ? PASSWORD_LENGTH.min : undefined}
            maxLength={PASSWORD_LENGTH.max}
            required
          />
          <Button type="submit" className="h-10" disabled={busy || !hydrated}>
            {busy ? "One moment…" : isNew ? "Create account" : "Sign in"}
          </Button>
          {!isNew && (
            <Link href="/forgot-password" className={`-mt-1 justify-self-start ${linkClass}`}>
              Forgot your password?
            </Link>
          )}
        </form>
      )}

      {providers.length > 0 && (
        <div className="mt-5 grid gap-2.5 border-t border-line pt-5">
          {providers.map((provider) => (
            <Button key={provider} look="secondary" className="h-10" onClick={() => continueWith(provider)}>
              Continue with {provider === "github" ? "GitHub" : "Google"}
            </Button>
          ))}
        </div>
      )}

      <p className="mt-8 text-sm text-muted">
        {isNew ? "You have an account already?" : "New here?"}{" "}
        <Link
          href={`${isNew ? "/sign-in" : "/sign-up"}${query.size ? `?${query}` : ""}`}
          className={linkClass}
        >
          {isNew ? "Sign in" : "Create an account"}
        </Link>
      </p>
    </>
  );
}
