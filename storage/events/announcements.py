"""Announcements that triggers send with NOTIFY (storage/sql/functions/announcements.sql), and what they mean."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from storage.events.changes import Change, ConversationChange, EventType, PeopleChange, Resync, SessionEnded, TaskChange

Addressed = tuple[Change, frozenset[str]]
"""A change and the users who may know of it."""

# Bounded, because ids become bigint parameters of one query for a whole batch, which a larger number would break.
Id = Annotated[int, Field(ge=1, lt=2**63)]


class Tasks(BaseModel):
    """Tasks that one statement changed; `by` is the user who did, `at` when the transaction began (ISO 8601)."""

    type: Literal["task_created", "task_updated", "task_deleted", "task_completed", "task_restored"]
    by: str
    at: str
    ids: list[Id]

    def changes(self, audience: dict[int, frozenset[str]]) -> list[Addressed]:
        """One change per task, for those in `audience`. A restored task is announced to readers as updated."""
        event_type: EventType = "task_updated" if self.type == "task_restored" else self.type
        return [
            (TaskChange(event_type, task_id, self.by, self.at), audience.get(task_id, frozenset()))
            for task_id in self.ids
        ]


class Access(BaseModel):
    """These users may see other rows than before, or show days of another time zone."""

    type: Literal["access"]
    users: list[str]

    def changes(self, _: object) -> list[Addressed]:
        """A Resync for each of them."""
        return [(Resync(), frozenset(self.users))]


class Move(BaseModel):
    """Tasks that left team `before`, entered team `after`, or both; or that were deleted with their owner."""

    # Without users: a team may have more members than fit into the 8,000 bytes of a notification, and members may join
    # before the move commits.

    type: Literal["move"]
    ids: list[Id]
    before: Id | None
    after: Id | None

    def changes(self, _: object) -> list[Addressed]:
        """None: the feed looks up who is affected."""
        return []


class Conversation(BaseModel):
    """A conversation changed, came or went."""

    type: Literal["conversation"]
    id: int
    users: list[str]

    def changes(self, _: object) -> list[Addressed]:
        """One change, for the conversation's owner."""
        return [(ConversationChange(self.id), frozenset(self.users))]


class EndedSession(BaseModel):
    """A session of the dashboard ended (dashboard/src/lib/session-ends.ts)."""

    type: Literal["session_ended"]
    user: str
    session: str

    def changes(self, _: object) -> list[Addressed]:
        """One change, for the person whose session it was."""
        return [(SessionEnded(self.session), frozenset({self.user}))]


class People(BaseModel):
    """What waits for an answer of these users, or who is in a team with them, changed."""

    type: Literal["people"]
    users: list[str]

    def changes(self, _: object) -> list[Addressed]:
        """One change for each of them."""
        return [(PeopleChange(), frozenset(self.users))]


Announcement = Tasks | Access | Move | Conversation | EndedSession | People
_ANNOUNCEMENT: TypeAdapter[Announcement] = TypeAdapter(Annotated[Announcement, Field(discriminator="type")])


def parse(text: str) -> Announcement | None:
    """Read an announcement; None for any other text, because NOTIFY is open to every login of the database."""
    try:
        return _ANNOUNCEMENT.validate_json(text)
    except ValidationError:
        return None
