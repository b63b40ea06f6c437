"""The lines of an archive: docs/export.md describes each field, and a test compares the two.

Times are ISO 8601 with an offset. An optional field that is None is left out.
"""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from storage.schema.request_models import (
    CallId,
    ConversationTitle,
    Id,
    Line,
    MessageRole,
    Permission,
    Priority,
    Status,
    Tags,
    TeamName,
    TeamRole,
    Text,
    Title,
)
from storage.schema.response_models import ResponseModel

FORMAT = "taskdeck-archive"
VERSION = 1


class Manifest(ResponseModel):
    """`manifest.json`: what the archive contains. `counts` has the number of lines of each file."""

    format: Literal["taskdeck-archive"]
    version: Literal[1]
    exported_at: AwareDatetime
    user_id: str
    counts: dict[str, int]


class PersonRecord(ResponseModel):
    """`person.json`: the person and their settings."""

    id: str
    email: str | None = None
    name: str | None = None
    timezone: str | None = None
    created_at: AwareDatetime


class TaskRecord(ResponseModel):
    """A line of `tasks.jsonl`: a task that the person owns, in a team or not, deleted or not."""

    id: Id
    title: Title
    description: Text | None = None
    status: Status
    priority: Priority
    due: str | None = None
    tags: Tags
    recurrence: str | None = None
    parent_id: Id | None = None
    assignee: str | None = None
    team_id: Id | None = None
    team_name: TeamName | None = None
    version: int
    created_at: AwareDatetime
    updated_at: AwareDatetime
    completed_at: AwareDatetime | None = None
    deleted_at: AwareDatetime | None = None


class ConversationRecord(ResponseModel):
    """A line of `conversations.jsonl`."""

    id: Id
    title: ConversationTitle | None = None
    message_count: Annotated[int, Field(ge=0)]
    created_at: AwareDatetime
    updated_at: AwareDatetime


class MessageRecord(ResponseModel):
    """A line of `messages.jsonl`; messages of a conversation follow each other, by their number.

    `task_ids` are the person's tasks that the call recorded in the message added or changed.
    """

    conversation_id: Id
    sequence: Annotated[int, Field(ge=1)]
    role: MessageRole
    content: Text
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: CallId | None = None
    model: Annotated[Line, Field(max_length=200)] | None = None
    created_at: AwareDatetime
    task_ids: list[Id] | None = None


class ChangeRecord(ResponseModel):
    """A line of `changes.jsonl`: the history of a task while the person owned it."""

    task_id: int
    event_type: str
    user_id: str
    client: str | None = None
    changes: dict[str, Any]
    created_at: AwareDatetime


class TeamRecord(ResponseModel):
    """A line of `teams.jsonl`: a team that the person is in; `role` is the person's."""

    id: Id
    name: TeamName
    role: TeamRole


class MemberRecord(ResponseModel):
    """A line of `members.jsonl`: a member of one of these teams, the person included."""

    team_id: int
    user_id: str
    name: str | None = None
    email: str | None = None
    role: TeamRole


class ShareRecord(ResponseModel):
    """A line of `shares.jsonl`: a task that the person shares (`given`), or that is shared with them (`received`).

    `user_id`, `name` and `email` are those of the other person.
    """

    direction: Literal["given", "received"]
    task_id: int
    title: str | None = None
    user_id: str
    name: str | None = None
    email: str | None = None
    permission: Permission
    created_at: AwareDatetime


class InvitationRecord(ResponseModel):
    """A line of `invitations.jsonl`: `sent` in the last 30 days, or `received` and not answered or blocked.

    The answer to a sent one is left out. A received one is `pending` or `blocked`.
    """

    direction: Literal["sent", "received"]
    address: str | None = None
    user_id: str | None = None
    name: str | None = None
    email: str | None = None
    status: Literal["pending", "blocked"] | None = None
    offered: str
    team_name: str | None = None
    task_title: str | None = None
    created_at: AwareDatetime


class AuditRecord(ResponseModel):
    """A line of `audit.jsonl`: something that concerned the security of the person's account or data."""

    by: str | None = None
    action: str
    client: str | None = None
    details: dict[str, Any]
    created_at: AwareDatetime


LINES: dict[str, type[ResponseModel]] = {
    "tasks.jsonl": TaskRecord,
    "conversations.jsonl": ConversationRecord,
    "messages.jsonl": MessageRecord,
    "changes.jsonl": ChangeRecord,
    "teams.jsonl": TeamRecord,
    "members.jsonl": MemberRecord,
    "shares.jsonl": ShareRecord,
    "invitations.jsonl": InvitationRecord,
    "audit.jsonl": AuditRecord,
}
"""The model of each file of JSON lines."""
