"use client";

import Link from "next/link";
import { useSearchParams } from "next/navigation";
import { type FormEvent, useState } from "react";
import { Button } from "@/components/Button";
import { Field } from "@/components/Field";
import { Notice } from "@/components/Notice";
import { useHydrated } from "@/hooks/useHydrated";
import { authClient } from "@/lib/auth-client";
import { browserTimeZone } from "@/lib/timezones";

const REASONS: Record<string, string> = {
  ended: "Your session has ended. Sign in again to go on.",
  "signed-out": "You are signed out.",
};

interface Props {
  mode: "sign-in" | "sign-up";
  /** Where to go afterwards, unless the URL carries an authorization request. */
  next: string;
  providers: ("github" | "google")[];
  /** The new account becomes the owner of this machine's tasks. */
  isLocalOwner?: boolean;
}

export function AuthForm({ mode, next, providers, isLocalOwner = false }: Props) {
  const query = useSearchParams();
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  // Before hydration the browser would submit the form itself, with the password in the URL.
  const hydrated = useHydrated();
  const isNew = mode === "sign-up";
  const reason = REASONS[query.get("reason") ?? ""];

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? "").trim();
    const credentials = { email: text("email"), password: String(form.get("password")) };
    setBusy(true);
    setProblem(undefined);
    const account = { ...credentials, name: text("name"), timezone: browserTimeZone() };
    const { data, error } = await attempt(() =>
      isNew ? authClient.signUp.email(account) : authClient.signIn.email(credentials),
    );
    if (error) {
      setProblem(explain(error));
      setBusy(false);
    } else if (!(data && "redirect" in data && data.redirect)) {
      window.location.assign(next);
    }
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
    if (error) setProblem(explain(error));
  }

  return (
    <>
      <h1 className="text-2xl font-semibold tracking-tight">{isNew ? "Create your account" : "Sign in"}</h1>
      <p className="mt-2 text-[15px] text-muted">
        {query.has("client_id")
          ? "An AI client is waiting to be connected. You decide what it may do in the next step."
          : "One task list that you and your AI agents share."}
      </p>

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
          hint={isNew ? "At least 10 characters. A few unrelated words work well." : undefined}
          minLength={isNew ? 10 : undefined}
          maxLength={128}
          required
        />
        <Button type="submit" className="h-10" disabled={busy || !hydrated}>
          {busy ? "One moment…" : isNew ? "Create account" : "Sign in"}
        </Button>
      </form>

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
          className="font-medium text-ink underline decoration-line-strong underline-offset-4 hover:decoration-ink"
        >
          {isNew ? "Sign in" : "Create an account"}
        </Link>
      </p>
    </>
  );
}

interface Failure {
  status: number;
  code?: string;
  message?: string;
}

/** Turn a network error into a failure with status 0. */
async function attempt<T>(call: () => Promise<{ data: T; error: Failure | null }>) {
  return call().catch(() => ({ data: null, error: { status: 0 } as Failure }));
}

function explain({ status, code, message }: Failure): string {
  if (code === "INVALID_EMAIL_OR_PASSWORD")
    return "The e-mail or the password is not right. Check both and try again.";
  if (code?.startsWith("USER_ALREADY_EXISTS"))
    return "There is an account with this e-mail already. Sign in instead.";
  if (code === "INVALID_SIGNATURE" || message === "invalid_signature")
    return "This request to connect has expired. Go back to your AI client and connect again.";
  if (status === 429) return "Too many attempts. Wait ten seconds and try again.";
  if (status === 0 || status >= 500)
    return "The server cannot reach its database right now. Nothing was changed. Try again in a moment.";
  return message
    ? `${message}.`.replace(/\.\.$/, ".")
    : "That did not work. Check what you typed and try again.";
}
