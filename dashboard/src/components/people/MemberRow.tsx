"use client";

import { useHydrated } from "@/hooks/useHydrated";
import type { Member, TeamDetail } from "@/lib/api/dashboard";
import { heirOf, isLastOwner, mayManage, nameOf, type Role, rolesToGive } from "@/lib/teams";
import { ConfirmButton } from "../ConfirmButton";

/** One member: name, address and role, which managers can change, and a button that removes them. */
export function MemberRow(props: {
  member: Member;
  team: TeamDetail;
  me: string;
  onRole: (role: Role) => Promise<void>;
  onRemove: () => Promise<void>;
}) {
  const { member, team, me } = props;
  const name = nameOf(member);
  const hydrated = useHydrated();
  const managed = mayManage(team.role, member) && !(member.user_id === me && isLastOwner(team, me));
  const heir = heirOf(team, member.user_id, me);
  return (
    <li
      className="flex flex-wrap items-center justify-between gap-x-4 gap-y-3 px-5 py-3.5 sm:px-6"
      data-testid="member"
    >
      <div className="min-w-0 flex-1 basis-56">
        <p className="truncate text-[15px] font-medium">
          <bdi>{name}</bdi>
          {member.user_id === me && <span className="ml-2 text-[13px] font-normal text-muted">you</span>}
        </p>
        {member.name && <p className="truncate text-[13px] text-muted">{member.email ?? member.user_id}</p>}
      </div>
      {managed ? (
        <select
          aria-label={`Role of ${name}`}
          value={member.role}
          disabled={!hydrated}
          onChange={(event) => void props.onRole(event.target.value as Role)}
          className="h-9 rounded-lg border border-line-strong bg-surface px-2.5 text-sm text-ink capitalize hover:border-ink"
        >
          {rolesToGive(team.role).map((role) => (
            <option key={role} value={role}>
              {role}
            </option>
          ))}
        </select>
      ) : (
        <span className="text-sm text-muted capitalize">{member.role}</span>
      )}
      {managed && member.user_id !== me && (
        <ConfirmButton
          label="Remove"
          subject={name}
          title={`Remove ${name} from the team?`}
          text={`${name} loses sight of the team at once. The tasks in it that belong to ${name} go to ${
            heir?.user_id === me ? "you" : heir ? nameOf(heir) : "an owner of the team"
          }, and shares that ${name} gave on them end.`}
          action={props.onRemove}
        />
      )}
    </li>
  );
}
