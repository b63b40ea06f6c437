"""Tools on teams and sharing: who else sees a task."""

from pydantic import Field

from mcp_server.tools.registry import Call, NoArguments, tool
from storage.people import teams
from storage.schema import token_budget
from storage.schema.request_models import Id, Permission, Person, StrictModel, TeamName, TeamRole
from storage.schema.response_models import TaskShares, TeamList, TeamView
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


class UnshareTask(StrictModel):
    """Arguments of unshare_task."""

    task_id: Id
    user: Person = Field(description="User id or e-mail; oneself to give it back")


@tool("teams", "Create a team")
async def create_team(call: Call, args: CreateTeam) -> TeamView:
    """Create a team that you own. Its members see all tasks that are put into it (team_id)."""
    return await teams.create(call.scope, args.name)


@tool("teams", "List teams", reads=True)
async def list_teams(call: Call, args: NoArguments) -> TeamList:
    """List your teams, your role in each, and their members; more_members and more_teams count what had no room."""
    return await teams.find_fitting(call.scope, token_budget.allowed(token_budget.PAGE_ROWS))


@tool("teams", "Add a team member", repeatable=True)
async def add_team_member(call: Call, args: AddTeamMember) -> TeamView:
    """Add somebody to a team, or change their role: owner and admin manage, member edits, viewer reads."""
    return await teams.add_member(call.scope, args.team_id, args.user, args.role)


@tool("teams", "Remove a team member", destroys=True)
async def remove_team_member(call: Call, args: RemoveTeamMember) -> TeamView:
    """Remove somebody from a team, at once; or leave it yourself. The last owner cannot leave."""
    return await teams.remove_member(call.scope, args.team_id, args.user)


@tool("teams", "Share a task", repeatable=True)
async def share_task(call: Call, args: ShareTask) -> TaskShares:
    """Share a task with somebody, to view or to edit. Sharing again changes the permission."""
    return await sharing.share(call.scope, args.task_id, args.user, args.permission)


@tool("teams", "Unshare a task", destroys=True)
async def unshare_task(call: Call, args: UnshareTask) -> TaskShares:
    """Take a share back, at once; or give back one that you got."""
    return await sharing.unshare(call.scope, args.task_id, args.user)
