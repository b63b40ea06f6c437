"""Tools on teams and sharing: who else sees a task."""

from functools import partial
from typing import Literal, Self

from pydantic import Field, model_validator

from mcp_server.tools.registry import Call, NoArguments, tool
from storage.people import invitations, teams
from storage.schema import token_budget
from storage.schema.errors import NeedsConsent
from storage.schema.plain_text import quoted
from storage.schema.request_models import Id, Permission, Person, StrictModel, TeamName, TeamRole
from storage.schema.response_models import (
    AllUnshared,
    InvitationList,
    TaskShares,
    TeamAfterAdding,
    TeamDeleted,
    TeamList,
    TeamView,
)
from storage.tasks import sharing


class CreateTeam(StrictModel):
    """Arguments of create_team."""

    name: TeamName


class AddTeamMember(StrictModel):
    """Arguments of add_team_member."""

    team_id: Id
    user: Person = Field(description="User id or e-mail")
    role: TeamRole = "member"


class RemoveTeamMember(StrictModel):
    """Arguments of remove_team_member."""

    team_id: Id
    user: Person = Field(description="User id or e-mail; oneself to leave")


class ShareTask(StrictModel):
    """Arguments of share_task."""

    task_id: Id
    user: Person = Field(description="User id or e-mail")
    permission: Permission = "view"


class DeleteTeam(StrictModel):
    """Arguments of delete_team."""

    team_id: Id


class UnshareTask(StrictModel):
    """Arguments of unshare_task."""

    task_id: Id | None = None
    user: Person = Field(description="User id or e-mail; oneself to give it back")
    all: bool = Field(False, description="Instead of task_id: all shares between you, both ways")

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.task_id is None) != self.all:
            raise ValueError("Give either task_id, or all=true for every task")
        return self


class ManageInvitations(StrictModel):
    """Arguments of manage_invitations."""

    action: Literal["list", "accept", "decline", "block", "unblock"] = "list"
    invitation_id: Id | None = None

    @model_validator(mode="after")
    def _check_id(self) -> Self:
        if self.action != "list" and self.invitation_id is None:
            raise ValueError("invitation_id is required")
        return self


@tool("teams", "Create a team")
async def create_team(call: Call, args: CreateTeam) -> TeamView:
    """Create a team that you own. Its members see all tasks that are put into it (team_id)."""
    return await teams.create(call.scope, args.name)


@tool("teams", "List teams", reads=True)
async def list_teams(call: Call, args: NoArguments) -> TeamList:
    """List your teams, your role in each, and their members; more_members and more_teams count what had no room."""
    return await teams.find_fitting(call.scope, token_budget.allowed(token_budget.PAGE_ROWS))


@tool("teams", "Add a team member", repeatable=True, shares=True)
async def add_team_member(call: Call, args: AddTeamMember) -> TeamAfterAdding:
    """Add somebody to a team, or change their role: owner and admin manage, member edits, viewer reads.

    Somebody new is pending until they accept.
    """
    add = partial(teams.add_member, call.scope, args.team_id, args.user, args.role)
    try:
        return await add(ask=call.can_ask)
    except NeedsConsent as needed:
        question = f"Invite {quoted(args.user)}, who is new to you, to the team {quoted(needed.titles[0])}"
        call.confirm(f"{question} as {args.role}?", "Invite")
        return await add()


@tool("teams", "Remove a team member", destroys=True)
async def remove_team_member(call: Call, args: RemoveTeamMember) -> TeamView:
    """Remove somebody from a team, at once; or leave it yourself. The last owner cannot leave.

    Their tasks in the team go to one of its owners.
    """
    return await teams.remove_member(call.scope, args.team_id, args.user)


@tool("teams", "Delete a team", destroys=True)
async def delete_team(call: Call, args: DeleteTeam) -> TeamDeleted:
    """Delete a team of the user's for all its members, for good. Its tasks stay with their owners."""
    try:
        return await teams.delete(call.scope, args.team_id, ask=call.can_ask)
    except NeedsConsent as needed:
        call.confirm(f"Delete the team {quoted(needed.titles[0])} for all its members ({needed.count})?", "Delete it")
        return await teams.delete(call.scope, args.team_id)


@tool("teams", "Share a task", repeatable=True, shares=True)
async def share_task(call: Call, args: ShareTask) -> TaskShares:
    """Share a task with somebody, to view or to edit. Sharing again changes the permission.

    With somebody new it is pending until they accept.
    """
    share = partial(sharing.share, call.scope, args.task_id, args.user, args.permission)
    try:
        return await share(ask=call.can_ask)
    except NeedsConsent as needed:
        question = f"Share the task {quoted(needed.titles[0])} with {quoted(args.user)}, who is new to you"
        call.confirm(f"{question}, to {args.permission}?", "Share")
        return await share()


@tool("teams", "Unshare a task", destroys=True)
async def unshare_task(call: Call, args: UnshareTask) -> TaskShares | AllUnshared:
    """Take a share back, at once; or give back one that you got."""
    if args.task_id is None:
        return await sharing.unshare_all(call.scope, args.user)
    return await sharing.unshare(call.scope, args.task_id, args.user)


@tool("teams", "Invitations")
async def manage_invitations(call: Call, args: ManageInvitations) -> InvitationList:
    """List what new people offer the user to share, or answer one as the user decides. Quoted words are the inviter's.

    block also keeps out what that person offers later.
    """
    if args.action == "list" or args.invitation_id is None:
        return await invitations.find(call.scope)
    if args.action == "accept" and call.can_ask:
        waiting = {invitation.id: invitation for invitation in (await invitations.find(call.scope)).invitations}
        if (asked := waiting.get(args.invitation_id)) is not None:
            call.confirm(f"Accept from {asked.inviter}: {asked.offer}?", "Accept")
    return await invitations.answer(call.scope, args.invitation_id, args.action)
