"""Results for callers. An optional field that is None is left out."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from storage.schema.request_models import Access, Permission, Priority, Status, TeamRole


# Most results are built from rows with model_construct, which does not validate: PostgreSQL has checked the values, and
# moments are ISO 8601 texts already. `extra="forbid"` makes the schemas of results exact.
class ResponseModel(BaseModel):
    """Base of everything that leaves storage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def payload(self) -> dict[str, Any]:
        """As JSON values, without fields that are None."""
        return self.model_dump(mode="json", exclude_none=True)

    def payload_json(self) -> str:
        """As compact JSON, without fields that are None."""
        return self.model_dump_json(exclude_none=True)


class TaskBrief(ResponseModel):
    """A task in a list; `owner` and `team_id` are named when it is somebody else's."""

    id: int
    title: str
    status: Status
    priority: Priority
    due: str | None = None
    tags: list[str]
    team_id: int | None = None
    parent_id: int | None = None
    access: Access
    owner: str | None = None


class TaskView(ResponseModel):
    """A task. `access` is what this caller may do with it; `owner` is given if it is another person."""

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


class NextOccurrence(TaskBrief):
    """What follows a recurring task; `subtasks` counts the tasks below it."""

    subtasks: int | None = None


class TaskCompleted(TaskView):
    """A completed task; `open_subtasks` counts what is not completed below it."""

    open_subtasks: int | None = None
    next_occurrence: NextOccurrence | None = None


class TaskDeleted(TaskView):
    """A deleted task; `deleted_subtasks` counts those that went with it."""

    deleted_subtasks: int | None = None


class TasksDeleted(ResponseModel):
    """Tasks that were deleted by one call; `deleted_subtasks` counts those that went with them."""

    tasks: list[TaskBrief]
    deleted_subtasks: int | None = None


class TaskRestored(TaskView):
    """A task that is back; `restored_subtasks` counts those that came back with it."""

    restored_subtasks: int | None = None


class Share(ResponseModel):
    """One person's permission on a task."""

    user_id: str
    email: str | None = None
    permission: Permission


class HistoryEntry(ResponseModel):
    """One change of a task: `changes` maps a field to [before, after]."""

    event_type: str
    user_id: str
    client: str | None = None
    at: str
    changes: dict[str, Any]


class Subtask(ResponseModel):
    """A task as the one above it shows it."""

    id: int
    title: str
    status: Status


class LinkedConversation(ResponseModel):
    """A conversation of the caller, and the first of its messages that recorded a change of a task."""

    id: int
    title: str | None = None
    sequence: int


class TaskDetail(TaskView):
    """A task with its shares and its last events, newest first.

    `subtasks` are the first right below it, open ones first; `subtask_count` counts them all. `conversations` are those
    in which the caller's calls added or changed it, the last first. Each is absent when there is none.
    """

    subtasks: list[Subtask] | None = None
    subtask_count: int | None = None
    conversations: list[LinkedConversation] | None = None
    shares: list[Share]
    history: list[HistoryEntry]


class Reverted(ResponseModel):
    """A change that was undone. `call` numbers the calls that were taken back, 1 being the last one made.

    `title` is the task's after undoing; `changes` maps a field to [before, after] as in the history, with short values.
    """

    call: int
    event_type: str
    task_id: int
    title: str | None = None
    changes: dict[str, Any] | None = None


class Undone(ResponseModel):
    """What undo reverted, the last change first; `more_reverted` counts the changes that it has no room for."""

    reverted: list[Reverted]
    more_reverted: int | None = None


class TaskPage(ResponseModel):
    """A page of tasks. `total_count` counts the whole list, not the page."""

    tasks: list[TaskBrief | TaskView]
    total_count: int
    next_cursor: str | None = None


class TaskShares(ResponseModel):
    """A task's shares after a change; `status` is `pending` while somebody new has not accepted theirs."""

    task_id: int
    shares: list[Share]
    status: Literal["pending"] | None = None


class Member(ResponseModel):
    """A member of a team."""

    user_id: str
    name: str | None = None
    email: str | None = None
    role: TeamRole


class TeamView(ResponseModel):
    """A team; `role` is the caller's."""

    id: int
    name: str
    role: TeamRole
    members: list[Member]


class TeamAfterAdding(TeamView):
    """A team after a change of its members; `status` is `pending` while somebody new has not accepted."""

    status: Literal["pending"] | None = None


class TeamDeleted(ResponseModel):
    """A team that is gone."""

    team_id: int
    deleted: bool


class AllUnshared(ResponseModel):
    """How many tasks one person and the caller no longer share, in either direction."""

    unshared: int


class InvitationView(ResponseModel):
    """What somebody offers, in words, with theirs in quotes: `member of team "Crew"`; absent for a blocked inviter."""

    id: int
    inviter: str
    offer: str | None = None
    status: Literal["pending", "blocked"]
    at: str


class InvitationList(ResponseModel):
    """What waits for an answer; `more_invitations` counts what had no room, and an id names what was just accepted."""

    invitations: list[InvitationView]
    more_invitations: int | None = None
    team_id: int | None = None
    task_id: int | None = None


class TeamBrief(ResponseModel):
    """A team without its members; `role` is the caller's."""

    id: int
    name: str
    role: TeamRole


class ListedTeam(TeamView):
    """A team in a list; `more_members` counts those that it has no room for."""

    more_members: int | None = None


class TeamList(ResponseModel):
    """The caller's teams; `more_teams` counts those that it has no room for."""

    teams: list[ListedTeam]
    more_teams: int | None = None


class DayCount(ResponseModel):
    """What happened on one day in the caller's time zone."""

    date: str
    created: int
    completed: int


class Totals(ResponseModel):
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


class AuditEntryView(ResponseModel):
    """One entry of the audit log. `by` is missing if the reader did it, and `server` if nobody asked for it."""

    id: int
    at: str
    action: str
    by: str | None = None
    client: str | None = None
    details: dict[str, str | int]


class AuditLog(ResponseModel):
    """A page of the caller's audit log, newest first. The next page is `before` this id, if there is one.

    `people`, `tasks` and `teams` name, by id, those in the entries that the caller still sees.
    """

    entries: list[AuditEntryView]
    next_before: int | None = None
    people: dict[str, str] = {}
    tasks: dict[str, str] = {}
    teams: dict[str, str] = {}
