"use client";

import Link from "next/link";
import { useRouter } from "next/navigation";
import { type FormEvent, useState } from "react";
import { Button, buttonClass } from "@/components/Button";
import { Field } from "@/components/Field";
import { Notice } from "@/components/Notice";
import { useHydrated } from "@/hooks/useHydrated";
import { authClient } from "@/lib/auth-client";
import { attempt, errorMessage } from "@/lib/auth-errors";
import { PASSWORD_LENGTH } from "@/lib/passwords";

/** Sets a new password with the token of a link. */
export function ResetForm({ token }: { token: string }) {
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const hydrated = useHydrated();
  const router = useRouter();

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const newPassword = String(new FormData(event.currentTarget).get("password"));
    setBusy(true);
    setProblem(undefined);
    const { error } = await attempt(() => authClient.resetPassword({ newPassword, token }));
    if (!error) return router.push("/sign-in?reason=password-changed");
    setProblem(errorMessage(error));
    setBusy(false);
  }

  return (
    <>
      <h1 className="text-2xl font-semibold tracking-tight">Choose a new password</h1>
      <p className="mt-2 text-[15px] leading-relaxed text-muted">
        You are signed out everywhere once it is saved.
      </p>
      <form onSubmit={submit} className="mt-8 grid gap-5" aria-label="Choose a new password">
        {problem && <Notice tone="problem">{problem}</Notice>}
        <Field
          label="New password"
          name="password"
          type="password"
          autoComplete="new-password"
          hint={`At least ${PASSWORD_LENGTH.min} characters. A few unrelated words work well.`}
          minLength={PASSWORD_LENGTH.min}
          maxLength={PASSWORD_LENGTH.max}
          required
        />
        <Button type="submit" className="h-10" disabled={busy || !hydrated}>
          {busy ? "One moment…" : "Save the password"}
        </Button>
        <Link href="/forgot-password" className={buttonClass("quiet")}>
          Get a new link
        </Link>
      </form>
    </>
  );
}
