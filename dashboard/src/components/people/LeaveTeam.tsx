"use client";

import { useState } from "react";
import type { Member, TeamDetail } from "@/lib/api/dashboard";
import { isLastOwner, nameOf } from "@/lib/teams";
import { ConfirmButton } from "../ConfirmButton";

/** Leaves a team; the last owner hands it over first. */
export function LeaveTeam(props: {
  team: TeamDetail;
  me: string;
  heir?: Member;
  onLeave: () => Promise<void>;
  onHandOver: (userId: string) => Promise<void>;
}) {
  const { team, me, heir } = props;
  const others = team.members.filter(({ user_id }) => user_id !== me);
  const [chosen, choose] = useState("");
  const next = others.find(({ user_id }) => user_id === chosen) ?? others[0];
  const last = isLastOwner(team, me);

  if (!last)
    return (
      <Row text="You lose sight of the team's tasks. Those that belong to you stay in the team.">
        <ConfirmButton
          label="Leave team"
          subject={team.name}
          title={`Leave the team “${team.name}”?`}
          text={`Your tasks in it go to ${heir ? nameOf(heir) : "an owner of the team"}. Somebody has to invite you if you want to come back.`}
          action={props.onLeave}
        />
      </Row>
    );
  if (!next) return <Row text="You are its only member. To end the team, delete it." />;
  return (
    <Row text="You are the only owner. To leave, hand the team over to somebody else.">
      <div className="flex flex-wrap items-center gap-2">
        <select
          aria-label="New owner"
          value={next.user_id}
          onChange={(event) => choose(event.target.value)}
          className="h-9 max-w-56 rounded-lg border border-line-strong bg-surface px-2.5 text-sm text-ink"
        >
          {others.map((member) => (
            <option key={member.user_id} value={member.user_id}>
              {nameOf(member)}
            </option>
          ))}
        </select>
        <ConfirmButton
          label="Hand over and leave"
          subject={team.name}
          title={`Hand “${team.name}” over to ${nameOf(next)} and leave?`}
          text={`${nameOf(next)} becomes its owner and gets your tasks in it. Somebody has to invite you if you want to come back.`}
          action={() => props.onHandOver(next.user_id)}
        />
      </div>
    </Row>
  );
}

function Row({ text, children }: { text: string; children?: React.ReactNode }) {
  return (
    <div className="flex flex-wrap items-center justify-between gap-4 px-5 py-4 sm:px-6">
      <p className="max-w-xl text-sm text-muted">{text}</p>
      {children}
    </div>
  );
}
