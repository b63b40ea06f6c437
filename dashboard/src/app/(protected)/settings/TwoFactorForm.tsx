"use client";

import { useRouter } from "next/navigation";
import { type FormEvent, useState } from "react";
import { encode } from "uqr";
import { Button } from "@/components/Button";
import { CopyBlock } from "@/components/CopyBlock";
import { Field } from "@/components/Field";
import { Notice } from "@/components/Notice";
import { useHydrated } from "@/hooks/useHydrated";
import { authClient } from "@/lib/auth-client";
import { attempt, errorMessage } from "@/lib/auth-errors";
import { PASSWORD_LENGTH } from "@/lib/passwords";
import { replaceSession } from "@/lib/session-lock";

/** What an authenticator app needs, and codes for the day when it is lost. */
interface Setup {
  totpURI?: string;
  backupCodes: string[];
}

/** Turns the second factor on or off, and makes new recovery codes. */
export function TwoFactorForm({ isOn }: { isOn: boolean }) {
  const router = useRouter();
  const hydrated = useHydrated();
  const [setup, setSetup] = useState<Setup>();
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);

  async function send<Result>(endpoint: string, body: object): Promise<Result | null> {
    setBusy(true);
    setProblem(undefined);
    const { data, error } = await attempt(() =>
      replaceSession(() => authClient.$fetch<Result>(`/two-factor/${endpoint}`, { method: "POST", body })),
    );
    setBusy(false);
    if (error) setProblem(errorMessage(error));
    return error ? null : data;
  }

  async function change(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const password = String(new FormData(form).get("password"));
    const wish = (event.nativeEvent as SubmitEvent).submitter?.getAttribute("value") ?? "enable";
    const result = await send<Setup>(wish, { password });
    if (!result) return;
    form.reset();
    setSetup(wish === "disable" ? undefined : result);
    if (wish === "disable") router.refresh();
  }

  async function confirm(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const code = String(new FormData(event.currentTarget).get("code")).replace(/\s/g, "");
    if (!(await send("verify-totp", { code }))) return;
    setSetup((made) => made && { backupCodes: made.backupCodes });
    router.refresh();
  }

  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-4">
      <h2 className="text-sm font-medium">Second factor</h2>
      <p className="text-[13px] leading-relaxed text-muted">
        {isOn
          ? "On. Signing in with your password also takes a code from your authenticator app."
          : "Off. With it, signing in with your password also takes a code from an authenticator app."}
      </p>
      {setup?.totpURI && <Pairing uri={setup.totpURI} onSubmit={confirm} disabled={busy} />}
      {setup && !setup.totpURI && <RecoveryCodes codes={setup.backupCodes} />}
      {!setup && (
        <form onSubmit={change} className="grid gap-4" aria-label="Second factor">
          <Field
            label="Your password"
            name="password"
            type="password"
            autoComplete="current-password"
            maxLength={PASSWORD_LENGTH.max}
            required
          />
          <div className="flex flex-wrap gap-3">
            {isOn && (
              <Button
                type="submit"
                look="secondary"
                value="generate-backup-codes"
                disabled={busy || !hydrated}
              >
                Make new recovery codes
              </Button>
            )}
            <Button
              type="submit"
              look="secondary"
              value={isOn ? "disable" : "enable"}
              disabled={busy || !hydrated}
            >
              {isOn ? "Turn it off" : "Turn it on"}
            </Button>
          </div>
        </form>
      )}
      {problem && <Notice tone="problem">{problem}</Notice>}
    </div>
  );
}

interface PairingProps {
  uri: string;
  disabled: boolean;
  onSubmit: (event: FormEvent<HTMLFormElement>) => void;
}

function Pairing({ uri, disabled, onSubmit }: PairingProps) {
  return (
    <form onSubmit={onSubmit} className="grid grid-cols-[minmax(0,1fr)] gap-4" aria-label="Pair an app">
      <p className="text-sm leading-relaxed">
        Scan this with your authenticator app, or type the key into it. Then enter the code that it shows.
      </p>
      <QrCode text={uri} />
      <CopyBlock label="the key" text={new URL(uri).searchParams.get("secret") ?? ""} />
      <Field
        label="Code"
        name="code"
        inputMode="numeric"
        autoComplete="one-time-code"
        maxLength={7}
        required
      />
      <Button type="submit" className="h-10" disabled={disabled}>
        Confirm
      </Button>
    </form>
  );
}

function RecoveryCodes({ codes }: { codes: string[] }) {
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-3">
      <p role="status" className="text-sm leading-relaxed">
        Keep these recovery codes. Each replaces your app once, and they are not shown again.
      </p>
      <CopyBlock label="the recovery codes" text={codes.join("\n")} />
    </div>
  );
}

/** Always dark on light: scanners expect it. */
function QrCode({ text }: { text: string }) {
  const { data, size } = encode(text, { ecc: "M", border: 2 });
  const path = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ""))).join("");
  return (
    <svg viewBox={`0 0 ${size} ${size}`} role="img" aria-label="QR code" className="w-44 rounded-lg bg-white">
      <path d={path} className="fill-black" shapeRendering="crispEdges" />
    </svg>
  );
}
