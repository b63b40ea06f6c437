"use client";

import { Menu } from "@base-ui/react/menu";
import { Check, ChevronsUpDown } from "lucide-react";
import type { Team } from "@/lib/api/dashboard";
import { menuItem, menuPopup } from "../menu";

const MINE = "mine";

/** The page's heading, and with teams also the way to another one's numbers. */
export function TeamSwitch(props: {
  teams: Team[];
  teamId: string | null;
  onSwitch: (id: string | null) => void;
}) {
  const choices = [
    { value: MINE, label: "My tasks" },
    ...props.teams.map((team) => ({ value: String(team.id), label: team.name })),
  ];
  const value = props.teamId ?? MINE;
  const label = <bdi>{choices.find((choice) => choice.value === value)?.label ?? "Team"}</bdi>;
  const heading = "min-w-0 truncate text-2xl font-semibold tracking-tight";
  if (props.teams.length === 0) return <h1 className={heading}>{label}</h1>;
  return (
    <div className="flex min-w-0 items-center gap-1">
      <h1 className={heading}>{label}</h1>
      <Menu.Root modal={false}>
        <Menu.Trigger
          aria-label="Switch team"
          className="grid size-8 shrink-0 place-items-center rounded-lg text-muted hover:bg-raised hover:text-ink"
        >
          <ChevronsUpDown className="size-4" aria-hidden="true" />
        </Menu.Trigger>
        <Menu.Portal>
          <Menu.Positioner sideOffset={6} align="start" className="z-30">
            <Menu.Popup className={menuPopup}>
              <Menu.RadioGroup
                value={value}
                onValueChange={(chosen) => props.onSwitch(chosen === MINE ? null : chosen)}
              >
                {choices.map((choice) => (
                  <Menu.RadioItem key={choice.value} value={choice.value} closeOnClick className={menuItem}>
                    <bdi className="truncate">{choice.label}</bdi>
                    <Menu.RadioItemIndicator className="ml-auto">
                      <Check className="size-4 text-accent" aria-hidden="true" />
                    </Menu.RadioItemIndicator>
                  </Menu.RadioItem>
                ))}
              </Menu.RadioGroup>
            </Menu.Popup>
          </Menu.Positioner>
        </Menu.Portal>
      </Menu.Root>
    </div>
  );
}
