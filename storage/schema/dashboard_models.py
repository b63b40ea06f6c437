"""Results that only pages show. They name parts that a tool's reply puts into one sentence."""

from typing import Literal

from storage.schema.activity_models import Change
from storage.schema.conversation_models import ConversationView, LinkedTask, MessageView
from storage.schema.request_models import MessageRole
from storage.schema.response_models import (
    DayCount,
    LinkedConversation,
    ResponseModel,
    Share,
    Subtask,
    TaskBrief,
    TaskView,
    TeamBrief,
    Totals,
)


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


class NamedPerson(ResponseModel):
    """Somebody with whom the caller shares something."""

    user_id: str
    name: str | None = None
    email: str | None = None


class TaskPageView(TaskView):
    """A task as its page shows it.

    `subtasks` are the first 100 right below it, open ones first; `subtask_count` counts them all. `people` are those to
    whom the caller may assign it, 200 members of its team at most, with the owner and the assignee. `conversations` are
    the caller's in which it was added or changed. `timezone` is the caller's, absent for UTC.
    """

    parent_title: str | None = None
    team_name: str | None = None
    subtasks: list[Subtask]
    subtask_count: int
    shares: list[Share]
    people: list[NamedPerson]
    conversations: list[LinkedConversation]
    history: list[Change]
    history_cursor: str | None = None
    timezone: str | None = None


class DashboardSnapshot(ResponseModel):
    """What a dashboard shows, all of the same moment.

    `trend` is oldest day first, `tasks` newest first, `teams` oldest first. `task_count` and `team_count` count all of
    them, not only those given. Days are in `timezone`, an IANA name; without one in UTC.
    """

    statistics: Totals
    trend: list[DayCount]
    tasks: list[TaskBrief]
    task_count: int
    teams: list[TeamBrief]
    team_count: int
    timezone: str | None = None


class ListedTask(TaskBrief):
    """A task in a list on a page, always with its team."""

    assignee: str | None = None
    version: int
    created_at: str
    updated_at: str


class TaskRows(ResponseModel):
    """A page of tasks. `total_count` counts the whole list; `timezone` is the caller's, absent for UTC."""

    tasks: list[ListedTask]
    total_count: int
    has_more: bool
    timezone: str | None = None


class TodayView(ResponseModel):
    """What a person looks at first: tasks that are late, due today or begun, and what agents changed since yesterday.

    Each list has 100 tasks at most, and the counts count all. `changes` are the newest 100, of all people whose tasks
    the caller sees. `timezone` is the caller's, absent for UTC.
    """

    overdue: list[ListedTask]
    overdue_count: int
    due_today: list[ListedTask]
    due_today_count: int
    in_progress: list[ListedTask]
    in_progress_count: int
    changes: list[Change]
    has_more_changes: bool
    timezone: str | None = None


class ConversationRows(ResponseModel):
    """A page of conversations, the one updated last first. `timezone` is the caller's, absent for UTC."""

    conversations: list[ConversationView]
    total_count: int
    next_cursor: str | None = None
    timezone: str | None = None


class FoundMessage(ResponseModel):
    """A message that was found; `title` is that of its conversation.

    `parts` are the passage that shows why: text and found words in turns, so that every second one is to be marked.
    """

    conversation_id: int
    title: str | None = None
    sequence: int
    role: MessageRole
    created_at: str
    parts: list[str]


class FoundMessages(ResponseModel):
    """A page of found messages, the best or the newest first."""

    messages: list[FoundMessage]
    next_cursor: str | None = None


class ConversationMatches(FoundMessages):
    """What a search in conversations found. `timezone` is the caller's, absent for UTC.

    `titled` are conversations with all words in their title, the one updated last first, on the first page only.
    """

    titled: list[ConversationView]
    timezone: str | None = None


class ConversationPageView(ResponseModel):
    """A part of a conversation as its page shows it, oldest message first.

    `tasks` are those that calls recorded in the whole conversation added or changed, the last ones first; `links` say
    the same of each message shown, 500 at most. `timezone` is the caller's, absent for UTC.
    """

    conversation: ConversationView
    messages: list[MessageView]
    has_earlier: bool
    has_later: bool
    tasks: list[LinkedTask]
    links: list[LinkedTask]
    timezone: str | None = None
