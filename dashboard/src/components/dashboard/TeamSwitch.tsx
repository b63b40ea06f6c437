"use client";

import { Select } from "@base-ui/react/select";
import { Check, ChevronsUpDown } from "lucide-react";
import type { Team } from "@/lib/api/dashboard";

const MINE = "mine";

/** The page's heading, and with teams also the way to another one's numbers. */
export function TeamSwitch(props: {
  teams: Team[];
  teamId: string | null;
  onSwitch: (id: string | null) => void;
}) {
  const options = [
    { value: MINE, label: "My tasks" },
    ...props.teams.map((team) => ({ value: String(team.id), label: team.name })),
  ];
  const chosen = options.find(({ value }) => value === (props.teamId ?? MINE));
  const heading = "text-2xl font-semibold tracking-tight truncate";
  if (props.teams.length === 0) return <h1 className={heading}>{chosen?.label ?? "My tasks"}</h1>;
  return (
    <Select.Root
      items={options}
      value={props.teamId ?? MINE}
      onValueChange={(value) => props.onSwitch(value === MINE ? null : value)}
      modal={false}
    >
      <h1 className="min-w-0">
        <Select.Trigger
          aria-label="Team"
          className="-mx-2.5 flex max-w-full items-center gap-2 rounded-lg px-2.5 py-1 text-left hover:bg-raised"
        >
          <Select.Value className={heading} />
          <ChevronsUpDown className="size-4 shrink-0 text-muted" aria-hidden="true" />
        </Select.Trigger>
      </h1>
      <Select.Portal>
        <Select.Positioner sideOffset={6} align="start" alignItemWithTrigger={false} className="z-30">
          <Select.Popup className="max-h-80 min-w-56 animate-appear overflow-y-auto rounded-xl border border-line bg-surface p-1.5 shadow-card outline-none">
            {options.map(({ value, label }) => (
              <Select.Item
                key={value}
                value={value}
                className="flex h-9 cursor-default items-center gap-6 rounded-md px-2.5 text-sm outline-none select-none data-highlighted:bg-raised"
              >
                <Select.ItemText>
                  <bdi>{label}</bdi>
                </Select.ItemText>
                <Select.ItemIndicator className="ml-auto">
                  <Check className="size-4 text-accent" aria-hidden="true" />
                </Select.ItemIndicator>
              </Select.Item>
            ))}
          </Select.Popup>
        </Select.Positioner>
      </Select.Portal>
    </Select.Root>
  );
}
