"""Results that only pages show: they name parts that a tool's reply puts into one sentence."""

from typing import Literal

from storage.schema.response_models import ResponseModel


class Offer(ResponseModel):
    """A share of a task, or a role in a team, that somebody offers; a blocked inviter has none of the two.

    `offered` is the permission or the role. `at` is ISO 8601.
    """

    id: int
    status: Literal["pending", "blocked"]
    inviter_id: str
    inviter_name: str | None = None
    inviter_email: str | None = None
    team_name: str | None = None
    task_title: str | None = None
    offered: str | None = None
    at: str


class OfferList(ResponseModel):
    """What waits for the caller's answer, newest first, then whom they have blocked; `more` counts the rest."""

    invitations: list[Offer]
    more: int
