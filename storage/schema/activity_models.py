"""What callers receive of the changes of tasks: who made them, with which client, and what can be undone."""

from typing import Any

from storage.schema.response_models import HistoryEntry, ResponseModel


class Change(HistoryEntry):
    """A change in the feed. `id` names it for undo; changes with the same `call` were made together.

    `title`, `deleted` and `version` are those of the task now. `own`: the caller made it. `undone`: it was taken back.
    `undoable`: the caller may try to take it back. `undoes`: it took back another change.
    """

    id: int
    call: str
    task_id: int
    title: str
    deleted: bool
    version: int
    user_name: str | None = None
    own: bool
    undone: bool
    undoable: bool
    undoes: bool


class Activity(ResponseModel):
    """A page of changes, newest first. `timezone` is the caller's, absent for UTC."""

    changes: list[Change]
    next_cursor: str | None = None
    timezone: str | None = None


class ChangeBrief(ResponseModel):
    """A change as a model reads it: `user` and `client` made it; `user` is absent if it was the caller.

    `deleted` and `undone` are given if the task is deleted now, and if the change was taken back.
    """

    at: str
    event_type: str
    task_id: int
    title: str
    changes: dict[str, Any]
    client: str | None = None
    user: str | None = None
    deleted: bool | None = None
    undone: bool | None = None


class ChangePage(ResponseModel):
    """A page of changes, newest first."""

    changes: list[ChangeBrief]
    next_cursor: str | None = None


class ClientActivity(ResponseModel):
    """A client of the caller's that changed something; `at` is its last change (ISO 8601)."""

    client: str
    at: str


class ActiveClients(ResponseModel):
    """The clients with which the caller changed something, the latest first."""

    clients: list[ClientActivity]


class UndoPreview(ResponseModel):
    """What undoing everything since a moment would concern: calls, single changes and tasks."""

    calls: int
    changes: int
    tasks: int


class Kept(ResponseModel):
    """A change that could not be taken back, and why."""

    task_id: int
    reason: str


class UndoneSince(ResponseModel):
    """How much was taken back. `kept` are calls that stay as they are, 20 at most; `kept_calls` counts all."""

    undone_calls: int
    undone_changes: int
    kept_calls: int
    kept: list[Kept]
