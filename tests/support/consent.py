"""People who accept what others offer them: sharing with somebody new takes both."""

from typing import Any, Protocol

from storage.engine.database import Scope
from storage.people import invitations, teams
from storage.schema.request_models import Permission, TeamRole
from storage.tasks import sharing


class Agent(Protocol):
    """Somebody whose agent calls tools."""

    @property
    def user_id(self) -> str: ...

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]: ...


async def accept_all(scope: Scope) -> None:
    """Accept whatever waits for somebody's answer."""
    while waiting := [row for row in (await invitations.find(scope)).invitations if row.status == "pending"]:
        for invitation in waiting:
            await invitations.answer(scope, invitation.id, "accept")


async def share(owner: Scope, task_id: int, other: Scope, permission: Permission = "view") -> None:
    """Share a task with somebody who accepts."""
    if (await sharing.share(owner, task_id, other.user_id, permission)).status:
        await accept_all(other)


async def add_member(owner: Scope, team_id: int, other: Scope, role: TeamRole = "member") -> None:
    """Add somebody to a team who accepts."""
    if (await teams.add_member(owner, team_id, other.user_id, role)).status:
        await accept_all(other)


async def agreed(giver: Agent, tool: str, other: Agent, /, **arguments: Any) -> dict[str, Any]:
    """Call share_task or add_team_member; the result when the other person has accepted."""
    result = await giver.call(tool, user=other.user_id, **arguments)
    if "status" not in result:
        return result
    waiting = (await other.call("manage_invitations"))["invitations"]
    for invitation in waiting:
        if invitation["status"] == "pending":
            await other.call("manage_invitations", action="accept", invitation_id=invitation["id"])
    return await giver.call(tool, user=other.user_id, **arguments)
