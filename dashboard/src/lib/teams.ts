import type { Member, TeamDetail } from "./api/dashboard";

/** What the page of a team offers. The server decides; this only leaves out what it would refuse. */

export type Role = Member["role"];

/** The roles that a member with this role may give. */
export function rolesToGive(mine: Role): Role[] {
  if (mine === "owner") return ["owner", "admin", "member", "viewer"];
  return mine === "admin" ? ["admin", "member", "viewer"] : [];
}

/** Whether somebody with this role may change or remove this member. */
export function mayManage(mine: Role, member: Member): boolean {
  return mine === "owner" || (mine === "admin" && member.role !== "owner");
}

/** Whether the team would be left without an owner if this person went. */
export function isLastOwner(team: TeamDetail, userId: string): boolean {
  return team.role === "owner" && !team.members.some((m) => m.role === "owner" && m.user_id !== userId);
}

/**
 * Who gets the tasks that a member leaves behind in the team: the owner who removes them, else the owner who joined
 * first. Members are listed in the order in which they joined.
 */
export function heirOf(team: TeamDetail, leaver: string, me: string): Member | undefined {
  const owners = team.members.filter(({ role, user_id }) => role === "owner" && user_id !== leaver);
  return owners.find(({ user_id }) => user_id === me) ?? owners[0];
}

export function nameOf(member: Member): string {
  return member.name ?? member.email ?? member.user_id;
}
