"""What callers say and what they see. Absent means absent: an optional field that is None is left out.

Limits stand here once; tools derive their schemas from these classes.
"""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

Status = Literal["pending", "in_progress", "completed"]
Priority = Literal["low", "medium", "high", "urgent"]
Access = Literal["owner", "edit", "view"]
Permission = Literal["view", "edit"]
TeamRole = Literal["owner", "admin", "member", "viewer"]
MessageRole = Literal["user", "assistant", "system", "tool"]

MAX_ID = 2**63 - 1
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def _storable(value: str) -> str:
    if _UNSTORABLE.search(value):
        raise ValueError("contains a NUL or half of a surrogate pair, which cannot be stored; remove it")
    return value


def _meant(value: str) -> str:
    value = value.strip()
    if not value:
        raise ValueError("must not be empty")
    return value


def _whole(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a whole number")  # pydantic reports only ValueErrors
    return value


def _bytes_at_most(limit: int) -> AfterValidator:
    def check(value: str) -> str:
        if len(value.encode()) > limit:
            raise ValueError(f"is longer than {limit} bytes; shorten it")
        return value

    return AfterValidator(check)


def _storable_calls(value: list[dict[str, Any]]) -> list[dict[str, Any]]:
    try:
        said = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        raise ValueError("is not JSON that can be stored") from error
    if _UNSTORABLE.search(said) or _ESCAPED_NUL.search(said):
        raise ValueError("contains a NUL or half of a surrogate pair, which cannot be stored; remove it")
    if len(said.encode()) > 65536:
        raise ValueError("is longer than 65536 bytes; shorten it")
    return value


def _distinct(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


Text = Annotated[str, AfterValidator(_storable)]
Line = Annotated[Text, AfterValidator(_meant)]
Id = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=MAX_ID)]
Count = Annotated[int, BeforeValidator(_whole)]
Title = Annotated[Line, Field(max_length=500)]
Tag = Annotated[Line, Field(max_length=50)]
Tags = Annotated[list[Tag], AfterValidator(_distinct), Field(max_length=20)]
Moment = Annotated[Text, Field(max_length=40)]
TeamName = Annotated[Line, Field(max_length=100)]
ConversationTitle = Annotated[Line, Field(max_length=200)]
Person = Annotated[Line, Field(max_length=320)]
Key = Annotated[Line, Field(max_length=128)]


class View(BaseModel):
    """Base of everything that leaves storage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def facts(self) -> dict[str, Any]:
        """As JSON values, without what is absent."""
        return self.model_dump(mode="json", exclude_none=True)


class Said(BaseModel):
    """Base of everything that callers say: an argument that nobody asked for is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class TaskFields(Said):
    """The fields of a task that a caller may set."""

    title: Title | None = None
    description: Annotated[Text, _bytes_at_most(16384)] | None = Field(None, description="Markdown, up to 16 KiB")
    priority: Priority | None = None
    due: Moment | None = Field(None, description="2026-03-01, or 2026-03-01T17:00:00+01:00")
    tags: Tags | None = None
    team_id: Id | None = None
    parent_id: Id | None = None
    assignee: Person | None = Field(None, description="User id or e-mail")
    recurrence: Annotated[Line, Field(max_length=500)] | None = Field(
        None, description="RFC 5545 RRULE such as FREQ=WEEKLY;BYDAY=MO; needs due"
    )


class NewTask(TaskFields):
    """A task to add."""

    title: Title  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]: required here, optional in a change


class TaskBrief(View):
    """A task in a list."""

    id: int
    title: str
    status: Status
    priority: Priority
    due: str | None = None
    tags: list[str]
    access: Access


class TaskView(View):
    """A task. `access` is what this caller may do with it; `owner` is named when it is somebody else."""

    id: int
    title: str
    description: str | None = None
    status: Status
    priority: Priority
    due: str | None = None
    tags: list[str]
    team_id: int | None = None
    parent_id: int | None = None
    assignee: str | None = None
    recurrence: str | None = None
    access: Access
    owner: str | None = None
    version: int
    created_at: str
    updated_at: str
    completed_at: str | None = None


class TaskCompleted(TaskView):
    """A completed task, with its next occurrence when it recurs."""

    next_occurrence: TaskBrief | None = None


class Share(View):
    """One person's permission on a task."""

    user_id: str
    email: str | None = None
    permission: Permission


class HistoryEntry(View):
    """One change of a task: `changes` maps a field to [before, after]."""

    event_type: str
    user_id: str
    client: str | None = None
    at: str
    changes: dict[str, Any]


class TaskDetail(TaskView):
    """A task with its shares and its last events, newest first."""

    shares: list[Share]
    history: list[HistoryEntry]


class Reverted(View):
    """A change that was undone."""

    event_type: str
    task_id: int


class Undone(View):
    """What undo reverted, the last change first."""

    reverted: list[Reverted]


class TaskPage(View):
    """A page of tasks. `total_count` counts the whole list, not the page."""

    tasks: list[TaskBrief | TaskView]
    total_count: int
    next_cursor: str | None = None


class TaskShares(View):
    """A task's shares after a change."""

    task_id: int
    shares: list[Share]


class Member(View):
    """Somebody in a team."""

    user_id: str
    name: str | None = None
    email: str | None = None
    role: TeamRole


class TeamView(View):
    """A team; `role` is the caller's."""

    id: int
    name: str
    role: TeamRole
    members: list[Member]


class NewMessage(Said):
    """A message to keep."""

    role: MessageRole
    content: Annotated[Text, _bytes_at_most(65536)] = Field(description="Up to 64 KiB")
    tool_calls: Annotated[list[dict[str, Any]], AfterValidator(_storable_calls)] | None = None
    model: Annotated[Line, Field(max_length=200)] | None = None


class MessageView(View):
    """A kept message; `sequence` counts from 1 in its conversation."""

    sequence: int
    role: MessageRole
    content: str
    tool_calls: list[dict[str, Any]] | None = None
    model: str | None = None
    created_at: str


class ConversationView(View):
    """A conversation without its messages."""

    id: int
    title: str | None = None
    message_count: int
    created_at: str
    updated_at: str


class MessagesAppended(View):
    """Where appended messages stand in their conversation."""

    conversation_id: int
    first_sequence: int
    last_sequence: int


class ConversationList(View):
    """A page of conversations, the one updated last first. `total_count` counts the whole list."""

    conversations: list[ConversationView]
    total_count: int
    next_cursor: str | None = None


class ConversationPage(View):
    """A part of a conversation, oldest message first. `has_more` says that older ones are left."""

    conversation: ConversationView
    messages: list[MessageView]
    has_more: bool


class MessageMatch(View):
    """A message that was found, and the words around the first match."""

    conversation_id: int
    sequence: int
    role: MessageRole
    snippet: str


class MessageMatches(View):
    """A page of matches, newest message first."""

    matches: list[MessageMatch]
    next_cursor: str | None = None


class ConversationDeleted(View):
    """What is left of a conversation."""

    conversation_id: int
    deleted: bool


class DayCount(View):
    """What happened on one UTC day."""

    date: str
    created: int
    completed: int


class Totals(View):
    """The four numbers. Of a team: `shared_tasks` are those of its tasks that are shared with somebody."""

    total_tasks: int
    pending_tasks: int
    completed_tasks: int
    shared_tasks: int


class Overview(Totals):
    """The four numbers, what is late or due today, and a trend, oldest day first."""

    overdue_tasks: int
    due_today_tasks: int
    trend: list[DayCount]
