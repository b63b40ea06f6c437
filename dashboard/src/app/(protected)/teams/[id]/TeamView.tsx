"use client";

import Link from "next/link";
import { useRouter } from "next/navigation";
import { MemberRow } from "@/components/people/MemberRow";
import { InviteForm } from "@/components/people/InviteForm";
import { LeaveTeam } from "@/components/people/LeaveTeam";
import { ConfirmButton } from "@/components/ConfirmButton";
import { ReadState } from "@/components/ReadState";
import { useToast } from "@/components/Toast";
import { useBridge } from "@/hooks/useBridge";
import { type TeamDetail, writeBridge } from "@/lib/api/dashboard";
import { heirOf, nameOf, rolesToGive, type Role } from "@/lib/teams";

const cardClass = "mt-6 rounded-2xl border border-line bg-surface shadow-card";

/** A team: who is in it, and what the person's role lets them do about it. */
export function TeamView({ id, initial, me }: { id: string; initial?: TeamDetail; me: string }) {
  const { data: team, error, refresh, retry } = useBridge<TeamDetail>(`/teams/${id}`, "people", initial);
  const [toast, show] = useToast();
  const router = useRouter();

  if (error?.status === 404 || !team)
    return (
      <section className="rounded-2xl border border-line bg-surface shadow-card">
        {error?.status === 404 ? (
          <p className="px-6 py-16 text-center text-[15px] text-muted">
            You are not in this team any more.{" "}
            <Link href="/teams" className="font-medium text-ink underline">
              Your teams
            </Link>
          </p>
        ) : (
          <ReadState what="the team" error={error} onRetry={retry} />
        )}
      </section>
    );

  const members = `/teams/${id}/members`;
  const manages = rolesToGive(team.role).length > 0;

  async function give(user: string, role: Role): Promise<void> {
    const answer = await writeBridge<{ status?: string }>(
      "PUT",
      `${members}?${new URLSearchParams({ user, role })}`,
    );
    refresh();
    show({
      text: answer.status
        ? `If ${user} can be reached, the invitation waits there for an answer. It ends after 30 days.`
        : `${nameIn(team, user)} is ${/^[ao]/.test(role) ? "an" : "a"} ${role} now.`,
    });
  }

  async function remove(user: string): Promise<void> {
    await writeBridge("DELETE", `${members}?${new URLSearchParams({ user })}`);
    if (user === me) router.push("/teams");
    else refresh();
  }

  return (
    <>
      <p className="text-sm text-muted">
        <Link href="/teams" className="hover:text-ink hover:underline">
          Teams
        </Link>{" "}
        /
      </p>
      <h1 className="mt-1 text-2xl font-semibold tracking-tight wrap-anywhere">
        <bdi>{team.name}</bdi>
      </h1>
      <p className="mt-2 text-[15px] text-muted">
        You are {/^[ao]/.test(team.role) ? "an" : "a"} {team.role} of this team: {MAY[team.role]}
      </p>
      {manages && (
        <section aria-label="Invite" className={`${cardClass} p-5 sm:p-6`}>
          <InviteForm roles={rolesToGive(team.role)} onInvite={give} />
        </section>
      )}
      <section aria-label="Members" className={cardClass}>
        <ul className="divide-y divide-line">
          {team.members.map((member) => (
            <MemberRow
              key={member.user_id}
              member={member}
              team={team}
              me={me}
              onRole={(role) =>
                give(member.user_id, role).catch((failure: Error) =>
                  show({ text: failure.message, tone: "problem" }),
                )
              }
              onRemove={() => remove(member.user_id)}
            />
          ))}
        </ul>
        {!!team.more_members && (
          <p className="border-t border-line px-6 py-3 text-[13px] text-muted">
            and {team.more_members} more
          </p>
        )}
      </section>
      <section aria-label="Leave or delete" className={`${cardClass} divide-y divide-line`}>
        <LeaveTeam
          team={team}
          me={me}
          heir={heirOf(team, me, me)}
          onLeave={() => remove(me)}
          onHandOver={async (user) => {
            await give(user, "owner");
            await remove(me);
          }}
        />
        {team.role === "owner" && (
          <div className="flex flex-wrap items-center justify-between gap-4 px-5 py-4 sm:px-6">
            <p className="max-w-xl text-sm text-muted">
              Deleting the team ends it for all its members. Its tasks stay with their owners, outside any
              team.
            </p>
            <ConfirmButton
              label="Delete team"
              subject={team.name}
              title={`Delete the team “${team.name}”?`}
              text={`It ends for all its members (${team.members.length + (team.more_members ?? 0)}), for good. Its tasks stay with their owners, who then see only their own.`}
              action={async () => {
                await writeBridge("DELETE", `/teams/${id}`);
                router.push("/teams");
              }}
            />
          </div>
        )}
      </section>
      {toast}
    </>
  );
}

const MAY: Record<Role, string> = {
  owner: "you may change its tasks and members, and delete it.",
  admin: "you may change its tasks and members.",
  member: "you may change its tasks.",
  viewer: "you may read its tasks.",
};

function nameIn(team: TeamDetail | undefined, user: string): string {
  const member = team?.members.find(({ user_id, email }) => user_id === user || email === user);
  return member ? nameOf(member) : user;
}
