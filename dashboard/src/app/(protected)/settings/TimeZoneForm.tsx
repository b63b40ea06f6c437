"use client";

import { useActionState, useState } from "react";
import { Button } from "@/components/Button";
import { inputClass } from "@/components/Field";
import { Notice } from "@/components/Notice";
import { useHydrated } from "@/hooks/useHydrated";
import { saveTimeZone } from "@/lib/actions";
import { browserTimeZone } from "@/lib/timezones";

interface Props {
  zone: string;
  regions: [region: string, zones: string[]][];
}

export function TimeZoneForm({ zone, regions }: Props) {
  const [result, save, busy] = useActionState(saveTimeZone, null);
  const [chosen, choose] = useState(zone);
  // What is chosen before hydration would be put back by it.
  const hydrated = useHydrated();
  const here = hydrated ? browserTimeZone() : zone;
  const offered = here !== chosen && regions.some(([, zones]) => zones.includes(here));
  return (
    <form action={save} className="grid gap-5" aria-label="Time zone">
      <label className="grid gap-1.5 text-sm font-medium">
        Time zone
        <select
          name="timezone"
          value={chosen}
          disabled={!hydrated}
          onChange={(event) => choose(event.target.value)}
          aria-describedby="timezone-hint"
          className={inputClass}
        >
          {regions.map(([region, zones]) => (
            <optgroup key={region} label={region}>
              {zones.map((name) => (
                <option key={name} value={name}>
                  {name.replaceAll("_", " ")}
                </option>
              ))}
            </optgroup>
          ))}
        </select>
      </label>
      <p id="timezone-hint" className="-mt-3 text-[13px] leading-relaxed text-muted">
        Your days begin at midnight there: what is due today or overdue, and each day of the trend. Recurring
        tasks keep their local time when the clocks change.
      </p>
      {offered && (
        <Button type="button" look="secondary" onClick={() => choose(here)} className="justify-self-start">
          Use {here.replaceAll("_", " ")}, as this browser
        </Button>
      )}
      <Button type="submit" disabled={busy || !hydrated} className="h-10">
        {busy ? "One moment…" : "Save"}
      </Button>
      {result && "problem" in result && <Notice tone="problem">{result.problem}</Notice>}
      {result && "saved" in result && (
        <Notice>Saved. Your days are in {result.saved.replaceAll("_", " ")}.</Notice>
      )}
    </form>
  );
}
