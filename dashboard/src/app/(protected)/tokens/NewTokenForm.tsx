"use client";

import { useActionState } from "react";
import { Button } from "@/components/Button";
import { CopyBlock } from "@/components/CopyBlock";
import { Field, inputClass } from "@/components/Field";
import { Notice } from "@/components/Notice";
import { createToken } from "@/lib/actions";

export function NewTokenForm({ lifetimes, mcpUrl }: { lifetimes: number[]; mcpUrl: string }) {
  const [made, create, busy] = useActionState(createToken, null);
  return (
    <form action={create} className="grid grid-cols-[minmax(0,1fr)] gap-5" aria-label="New token">
      <h2 className="text-[15px] font-semibold tracking-tight">New token</h2>
      <Field
        label="Name"
        name="name"
        required
        maxLength={100}
        placeholder="Build server"
        autoComplete="off"
      />
      <label className="grid gap-1.5 text-sm font-medium">
        Access
        <select name="access" defaultValue="write" className={inputClass}>
          <option value="write">Read and change tasks</option>
          <option value="read">Only read</option>
        </select>
      </label>
      <label className="grid gap-1.5 text-sm font-medium">
        Works for
        <select name="days" defaultValue="90" className={inputClass}>
          {lifetimes.map((days) => (
            <option key={days} value={days}>
              {days === 365 ? "one year" : `${days} days`}
            </option>
          ))}
        </select>
      </label>
      <Button type="submit" disabled={busy} className="h-10">
        {busy ? "One moment…" : "Create token"}
      </Button>
      {made && "problem" in made && <Notice tone="problem">{made.problem}</Notice>}
      {made && "secret" in made && (
        <div
          className="grid grid-cols-[minmax(0,1fr)] gap-3 border-t border-line pt-5"
          data-testid="new-token"
        >
          <p role="status" className="text-sm leading-relaxed">
            <strong className="font-medium">{made.name}</strong> is ready. Copy it now: it is not shown again.
          </p>
          <CopyBlock label="the token" text={made.secret} />
          <p className="text-[13px] text-muted">To try it with Claude Code:</p>
          <CopyBlock
            label="the command"
            text={`claude mcp add --transport http taskdeck ${mcpUrl} --header "Authorization: Bearer ${made.secret}"`}
          />
        </div>
      )}
    </form>
  );
}
