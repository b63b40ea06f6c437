import { expect, test } from "vitest";
import type { Member, TeamDetail } from "@/lib/api/dashboard";
import { heirOf, isLastOwner, mayManage, rolesToGive } from "@/lib/teams";

const member = (user_id: string, role: Member["role"]): Member => ({ user_id, role });
const team = (role: TeamDetail["role"], ...members: Member[]): TeamDetail => ({
  id: 1,
  name: "Crew",
  role,
  members,
});

test("tasks go to the owner who removes somebody, else to the owner who joined first", () => {
  const crew = team("owner", member("ada", "owner"), member("bea", "owner"), member("cleo", "member"));
  expect(heirOf(crew, "cleo", "bea")?.user_id).toBe("bea");
  expect(heirOf(crew, "cleo", "somebody with the role admin")?.user_id).toBe("ada");
  expect(heirOf(crew, "ada", "ada")?.user_id).toBe("bea");
});

test("only an owner without another one is the last owner", () => {
  expect(isLastOwner(team("owner", member("ada", "owner"), member("bea", "admin")), "ada")).toBe(true);
  expect(isLastOwner(team("owner", member("ada", "owner"), member("bea", "owner")), "ada")).toBe(false);
  expect(isLastOwner(team("admin", member("ada", "owner"), member("bea", "admin")), "bea")).toBe(false);
});

test("admins manage everybody but owners, and make no owners", () => {
  expect(rolesToGive("admin")).toEqual(["admin", "member", "viewer"]);
  expect(mayManage("admin", member("bea", "admin"))).toBe(true);
  expect(mayManage("admin", member("ada", "owner"))).toBe(false);
  expect(mayManage("owner", member("ada", "owner"))).toBe(true);
  expect(rolesToGive("member")).toEqual([]);
  expect(mayManage("viewer", member("bea", "viewer"))).toBe(false);
});
