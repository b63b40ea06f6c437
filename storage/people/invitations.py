"""Verbs on shares and memberships that wait for the other person to accept them.

Somebody with whom the caller shares nothing yet is invited, known or not: no answer tells which. Until they accept, no
list, count, search or event of theirs contains what was offered (docs/security.md, "Invitations").
"""

import re
from datetime import datetime
from typing import Literal

from sqlalchemy import BigInteger, Text, bindparam, func, select

from storage.engine.database import Row, Scope, Transaction
from storage.engine.retry import retry_transient
from storage.engine.statements import compiled
from storage.schema.dashboard_models import Offer, OfferList
from storage.schema.errors import Conflict, InvalidInput, NotFound
from storage.schema.plain_text import quoted
from storage.schema.response_models import InvitationList, InvitationView

Answer = Literal["accept", "decline", "block", "unblock"]

MOST_LISTED = 20

_PERSON = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|[A-Za-z0-9_.:@|-]{1,128}")
_LIMITS = {
    "inviter": "You have invited 50 people in the last 24 hours, which is the limit. Try again tomorrow.",
    "invitee": "{person} has 100 unanswered invitations, which is the limit. Ask them to answer some first.",
}

_TEAM, _TASK = bindparam("team_id", type_=BigInteger), bindparam("task_id", type_=BigInteger)
_NAMED = bindparam("person", type_=Text)
_TAKES_DIRECTLY = compiled(select(func.takes_directly(bindparam("user_id", type_=Text), _TEAM, _TASK)))
_INVITE = compiled(select(func.invite(_NAMED, _TEAM, _TASK, bindparam("offered", type_=Text))))
_WITHDRAW = compiled(select(func.withdraw_invitation(_NAMED, _TEAM, _TASK)))
_mine = func.my_invitations(bindparam("most", type_=BigInteger)).table_valued(
    *("id", "status", "inviter_id", "inviter_name", "inviter_email"),
    *("team_id", "team_name", "task_title", "offered", "created_at", "total"),
)
_LIST = compiled(select(_mine))
_answered = func.answer_invitation(
    bindparam("invitation_id", type_=BigInteger), bindparam("answer", type_=Text)
).table_valued("team_id", "task_id")
_ANSWER = compiled(select(_answered))


@retry_transient
async def find(scope: Scope) -> InvitationList:
    """What waits for the caller's answer, newest first, and then whom they have blocked; MOST_LISTED in all."""
    async with scope.transaction() as transaction:
        return await _read(transaction)


@retry_transient
async def find_offers(scope: Scope) -> OfferList:
    """As `find`, with the parts of each invitation by themselves."""
    async with scope.transaction() as transaction:
        rows = await transaction.fetch_all(_LIST, most=MOST_LISTED)
    return OfferList(invitations=[_offer(row) for row in rows], more=rows[0]["total"] - len(rows) if rows else 0)


@retry_transient
async def answer(scope: Scope, invitation_id: int, chosen: Answer) -> InvitationList:
    """Accept, decline, block the inviter, or lift a block; gives what is left, and what was accepted.

    A block also ends whatever else waits from that person, and they are not told.

    Raises:
        NotFound: no such invitation waits, or it was withdrawn, has ended, or is somebody else's; Conflict: the team is
        full.
    """
    async with scope.transaction() as transaction:
        row = await transaction.fetch_one(_ANSWER, invitation_id=invitation_id, answer=chosen)
        if row is None:
            raise NotFound(f"No invitation {invitation_id}. Use manage_invitations to see what waits for an answer.")
        left = await _read(transaction)
        accepted = dict(row) if chosen == "accept" else {}
        if (team_id := accepted.get("team_id")) is not None:
            await transaction.quotas.check(transaction, "members", 0, team_id)
        return left.model_copy(update={name: number for name, number in accepted.items() if number is not None})


async def takes_directly(
    transaction: Transaction, user_id: str, *, team_id: int | None = None, task_id: int | None = None
) -> bool:
    """Whether somebody gets a role in the caller's team, or a share of the caller's task, without being asked."""
    return await transaction.fetch_value(_TAKES_DIRECTLY, user_id=user_id, team_id=team_id, task_id=task_id)


async def invite(
    transaction: Transaction, person: str, offered: str, *, team_id: int | None = None, task_id: int | None = None
) -> None:
    """Offer a role in a team, or a permission on a task, to somebody by user id or e-mail.

    Raises:
        InvalidInput: neither an id nor an address; Conflict: too many invitations of the caller's or for that person.
    """
    if not _PERSON.fullmatch(person):
        raise InvalidInput("user must be a user id or an e-mail address.")
    outcome = await transaction.fetch_value(_INVITE, person=person, offered=offered, team_id=team_id, task_id=task_id)
    if outcome != "pending":
        raise Conflict(_LIMITS[outcome].format(person=person))


async def withdraw(
    transaction: Transaction, person: str, *, team_id: int | None = None, task_id: int | None = None
) -> bool:
    """Take back what waits for somebody's answer; False if nothing does."""
    return await transaction.fetch_value(_WITHDRAW, person=person, team_id=team_id, task_id=task_id)


async def _read(transaction: Transaction) -> InvitationList:
    rows = await transaction.fetch_all(_LIST, most=MOST_LISTED)
    more = rows[0]["total"] - len(rows) if rows else 0
    return InvitationList(invitations=[_view(row) for row in rows], more_invitations=more or None)


def _view(row: Row) -> InvitationView:
    """Names and titles come from somebody the reader does not know: they stand short and quoted among our words."""
    named = quoted(row["inviter_name"]) if row["inviter_name"] else ""
    created: datetime = row["created_at"]
    return InvitationView(
        id=row["id"],
        inviter=" ".join(filter(None, (named, row["inviter_email"] or row["inviter_id"]))),
        offer=None if row["status"] == "blocked" else _describe(row),
        status=row["status"],
        at=created.isoformat(timespec="seconds"),
    )


def _offer(row: Row) -> Offer:
    blocked = row["status"] == "blocked"
    return Offer(
        id=row["id"],
        status=row["status"],
        inviter_id=row["inviter_id"],
        inviter_name=row["inviter_name"],
        inviter_email=row["inviter_email"],
        team_name=None if blocked else row["team_name"],
        task_title=None if blocked else row["task_title"],
        offered=None if blocked else row["offered"],
        at=row["created_at"].isoformat(timespec="seconds"),
    )


def _describe(row: Row) -> str:
    if row["team_id"] is not None:
        return f"{row['offered']} of team {quoted(row['team_name'])}"
    return f"{row['offered']} task {quoted(row['task_title'])}"
