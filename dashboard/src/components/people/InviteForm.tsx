"use client";

import { type FormEvent, useId, useState } from "react";
import { useHydrated } from "@/hooks/useHydrated";
import type { Role } from "@/lib/teams";
import { Button } from "../Button";
import { Field, inputClass } from "../Field";
import { Notice } from "../Notice";

const MEANING: Record<Role, string> = {
  owner: "Owner: also makes owners, and deletes the team",
  admin: "Admin: also invites and removes people",
  member: "Member: reads and changes tasks",
  viewer: "Viewer: reads tasks",
};

/** Invites a person to a team by e-mail address. */
export function InviteForm(props: { roles: Role[]; onInvite: (user: string, role: Role) => Promise<void> }) {
  const roleId = useId();
  const hydrated = useHydrated();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();

  async function invite(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const element = event.currentTarget;
    const form = new FormData(element);
    setBusy(true);
    setProblem(undefined);
    try {
      await props.onInvite(String(form.get("user")).trim(), form.get("role") as Role);
      element.reset();
    } catch (error) {
      setProblem((error as Error).message);
    }
    setBusy(false);
  }

  return (
    <form
      onSubmit={(event) => void invite(event)}
      aria-label="Invite somebody"
      className="grid items-end gap-4 sm:grid-cols-[minmax(0,1fr)_minmax(0,1fr)_auto]"
    >
      <Field label="E-mail address" name="user" type="email" required maxLength={254} autoComplete="off" />
      <div className="grid gap-1.5">
        <label htmlFor={roleId} className="text-sm font-medium">
          Role
        </label>
        <select id={roleId} name="role" defaultValue="member" className={inputClass}>
          {props.roles.map((role) => (
            <option key={role} value={role}>
              {MEANING[role]}
            </option>
          ))}
        </select>
      </div>
      <Button type="submit" disabled={busy || !hydrated} className="h-10">
        {busy ? "One moment…" : "Invite"}
      </Button>
      {problem && (
        <div className="sm:col-span-3">
          <Notice tone="problem">{problem}</Notice>
        </div>
      )}
    </form>
  );
}
