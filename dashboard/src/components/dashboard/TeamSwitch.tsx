import { ChevronsUpDown } from "lucide-react";
import { useHydrated } from "@/hooks/useHydrated";
import type { Team } from "@/lib/api/dashboard";

const HEADING_CLASS = "text-2xl font-semibold tracking-tight";

/** The page's heading; for people with teams, a menu that chooses whose numbers to show. */
export function TeamSwitch(props: {
  teams: Team[];
  /** All teams, including those that the menu leaves out. */
  teamCount: number;
  teamId: string | null;
  onSwitch: (id: string | null) => void;
}) {
  const hydrated = useHydrated();
  if (props.teams.length === 0) return <h1 className={HEADING_CLASS}>My tasks</h1>;
  return (
    <div className="relative -ml-2.5 max-w-full min-w-0">
      <h1 className="sr-only">Dashboard</h1>
      <select
        aria-label="Team"
        value={props.teamId ?? ""}
        disabled={!hydrated}
        onChange={(event) => props.onSwitch(event.target.value || null)}
        className={`field-sizing-content max-w-full cursor-pointer appearance-none truncate rounded-lg bg-transparent py-1 pr-9 pl-2.5 hover:bg-raised ${HEADING_CLASS}`}
      >
        <option value="">My tasks</option>
        {props.teams.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
        {props.teamCount > props.teams.length && (
          <option disabled>{props.teamCount - props.teams.length} more teams</option>
        )}
      </select>
      <ChevronsUpDown
        className="pointer-events-none absolute top-1/2 right-2.5 size-4 -translate-y-1/2 text-muted"
        aria-hidden="true"
      />
    </div>
  );
}
