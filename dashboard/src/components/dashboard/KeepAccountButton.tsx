"use client";

import { useRouter } from "next/navigation";
import { useState } from "react";
import { Button } from "@/components/Button";
import { useHydrated } from "@/hooks/useHydrated";
import { authClient } from "@/lib/auth-client";
import { attempt, errorMessage } from "@/lib/auth-errors";

/** Withdraws the wish to delete the account. */
export function KeepAccountButton() {
  const router = useRouter();
  const hydrated = useHydrated();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();

  async function keep() {
    setBusy(true);
    const { error } = await attempt(() => authClient.$fetch("/keep-account", { method: "POST", body: {} }));
    setBusy(false);
    setProblem(error ? errorMessage(error) : undefined);
    if (!error) router.refresh();
  }

  return (
    <div className="flex flex-wrap items-center gap-3">
      {problem && <p role="alert">{problem}</p>}
      <Button look="secondary" onClick={keep} disabled={busy || !hydrated}>
        Keep my account
      </Button>
    </div>
  );
}
