"""The part of the dashboard API on other people: invitations, teams and their members.

The verbs are those of the tools, so the same rules apply and answers tell known from unknown addresses no better.
"""

from typing import Annotated

from fastapi import Path, Query, Request, Response
from pydantic import Field

from mcp_server.api.responses import build_router, respond, scope_of, within
from storage.people import invitations, team_members, teams
from storage.people.invitations import Answer
from storage.schema.dashboard_models import OfferList
from storage.schema.request_models import MAX_ID, Person, StrictModel, TeamName, TeamRole
from storage.schema.response_models import InvitationList, ListedTeam, TeamAfterAdding, TeamDeleted, TeamView

PathId = Annotated[int, Field(ge=1, le=MAX_ID), within(1, MAX_ID), Path()]


class AnswerQuery(StrictModel):
    """What becomes of an invitation."""

    action: Answer = Field(description="block keeps out what its inviter offers later too; unblock lifts a block")


class TeamNameQuery(StrictModel):
    """How a team is called."""

    name: TeamName


class MemberQuery(StrictModel):
    """Who."""

    user: Person = Field(description="User id or e-mail address")


class RoleQuery(MemberQuery):
    """Who gets which role."""

    role: TeamRole = Field("member", description="owner and admin manage, member edits, viewer reads")


router = build_router()


@router.get("/invitations", response_model=OfferList, operation_id="getInvitations", summary="What waits for an answer")
async def get_invitations(request: Request, query: Annotated[StrictModel, Query()]) -> Response:
    """What new people offer to share with the caller, and whom the caller has blocked."""
    return respond(await invitations.find_offers(await scope_of(request)))


@router.post(
    "/invitations/{invitation_id}",
    response_model=InvitationList,
    operation_id="answerInvitation",
    summary="Answer an invitation",
)
async def answer_invitation(
    request: Request, invitation_id: PathId, query: Annotated[AnswerQuery, Query()]
) -> Response:
    """Accept or decline an invitation, block its inviter, or lift a block. Inviters only learn of acceptance."""
    return respond(await invitations.answer(await scope_of(request, reading=False), invitation_id, query.action))


@router.post("/teams", response_model=TeamView, operation_id="createTeam", summary="Create a team")
async def create_team(request: Request, query: Annotated[TeamNameQuery, Query()]) -> Response:
    """Create a team that the caller owns."""
    return respond(await teams.create(await scope_of(request, reading=False), query.name))


@router.get("/teams/{team_id}", response_model=ListedTeam, operation_id="getTeam", summary="A team and its members")
async def get_team(request: Request, team_id: PathId, query: Annotated[StrictModel, Query()]) -> Response:
    """The first 200 members, who joined first; `more_members` counts the others."""
    return respond(await team_members.read(await scope_of(request), team_id))


@router.delete("/teams/{team_id}", response_model=TeamDeleted, operation_id="deleteTeam", summary="Delete a team")
async def delete_team(request: Request, team_id: PathId, query: Annotated[StrictModel, Query()]) -> Response:
    """End a team for all its members. Its tasks stay with their owners. Only for owners."""
    return respond(await teams.delete(await scope_of(request, reading=False), team_id))


@router.put(
    "/teams/{team_id}/members",
    response_model=TeamAfterAdding,
    operation_id="putMember",
    summary="Invite somebody, or change a role",
)
async def put_member(request: Request, team_id: PathId, query: Annotated[RoleQuery, Query()]) -> Response:
    """Give somebody a role. Somebody new must accept first: `status` is then `pending`, known here or not."""
    return respond(await teams.add_member(await scope_of(request, reading=False), team_id, query.user, query.role))


@router.delete(
    "/teams/{team_id}/members",
    response_model=TeamView,
    operation_id="removeMember",
    summary="Remove a member, or leave",
)
async def remove_member(request: Request, team_id: PathId, query: Annotated[MemberQuery, Query()]) -> Response:
    """Remove somebody from a team, take an invitation back, or leave. Their tasks in it go to one of its owners."""
    return respond(await teams.remove_member(await scope_of(request, reading=False), team_id, query.user))
