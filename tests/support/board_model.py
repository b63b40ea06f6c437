"""The effect of calls on a board, in plain Python: the model for counts, lists, order and history.

It begins where the permission model ends: whether a call is allowed was asked there. Times are those that the product
It builds on the permission model, which decides whether a call is allowed.
"""

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from tests.support.permission_model import Chat, Task
from tests.support.sharing_model import SharingModel

RECURRENCE = "FREQ=DAILY"
ATTRIBUTES = {"team_id": "team", "parent_id": "parent"}
"""Names of fields that differ in the model."""


class By(NamedTuple):
    """The user and client of a call."""

    user: str
    client: str


@dataclass
class Event:
    """The change that one call made to one task, as in its history."""

    task: int
    kind: str
    changes: dict[str, Any]
    team: int | None
    owner: str
    target: str | None = None
    completed_before: datetime | None = None
    """The completion time of the task before this event."""


@dataclass
class Call:
    """A call that changed something. Numbers increase with time; calls without effect have none."""

    number: int
    by: By
    events: list[Event] = field(default_factory=list[Event])
    undoes: frozenset[int] = frozenset()
    """The numbers of the calls that this one reverts."""


@dataclass
class Board(SharingModel):
    """The current state and all calls that led to it."""

    zones: dict[str, str] = field(default_factory=dict[str, str])
    """The time zone of each person."""

    calls: list[Call] = field(default_factory=list[Call])
    changed: dict[int, int] = field(default_factory=dict[int, int])
    """The number of the last call that changed each task."""
    versions: dict[int, int] = field(default_factory=dict[int, int])
    shared: dict[tuple[int, str], int] = field(default_factory=dict[tuple[int, str], int])
    """The number of the call that shared a task with a user, by task and user."""
    next_occurrences: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    """The next occurrences that completing each task created."""
    message_times: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    """Logical times at which the messages of each conversation were stored."""
    updated: dict[int, int] = field(default_factory=dict[int, int])
    """Logical time of the last message of each conversation."""
    passed_over: set[int] = field(default_factory=set[int])
    """The numbers of calls that could not be undone."""

    @contextmanager
    def call(self, by: By, undoes: Iterable[int] = ()) -> Generator[Call]:
        made = Call(len(self.calls) + 1, by, undoes=frozenset(undoes))
        self.calls.append(made)
        yield made
        if not made.events:
            self.calls.pop()

    def sees_row(self, user: str, task_id: int) -> bool:
        """Whether the user may know of a task; deleted tasks are known to those who may restore them."""
        deleted = self.tasks[task_id].deleted is not None
        return (
            self.access_ignoring_deletion(user, task_id) == "owner"
            if deleted
            else self.access(user, task_id) is not None
        )

    # Effects of one call on one task.

    def create(self, call: Call, task_id: int, task: Task) -> None:
        self.tasks[task_id] = task
        self._note(call, task_id, "task_created", {})

    def change(self, call: Call, task_id: int, values: Mapping[str, Any], moment: datetime | None) -> None:
        """Set fields; `moment` is the completion time, if the task becomes completed."""
        task = self.tasks[task_id]
        before = {name: getattr(task, ATTRIBUTES.get(name, name)) for name in values}
        changes = {name: [before[name], value] for name, value in values.items() if before[name] != value}
        if not changes:
            return
        for name, (_, value) in changes.items():
            setattr(task, ATTRIBUTES.get(name, name), value)
        completed_before = task.completed_at
        if "status" in changes:
            task.completed_at = moment if task.status == "completed" else None
        completed = changes.get("status", [None, None])[1] == "completed"
        self._note(call, task_id, "task_completed" if completed else "task_updated", changes, completed_before)

    def set_deleted(self, call: Call, task_ids: Iterable[int], deleted: bool) -> None:
        """Delete or restore tasks."""
        for task_id in sorted(task_ids):
            self.tasks[task_id].deleted = call.number if deleted else None
            self._note(call, task_id, "task_deleted" if deleted else "task_restored", {})

    def set_share(self, call: Call, task_id: int, user: str, permission: str | None) -> None:
        task = self.tasks[task_id]
        before = task.shares.get(user)
        if before == permission:
            return
        if permission is None:
            del task.shares[user], task.givers[user], self.shared[task_id, user]
            (task.taken_back.discard if user == call.by.user else task.taken_back.add)(user)
        else:
            task.shares[user], task.givers[user] = permission, call.by.user
            self.shared.setdefault((task_id, user), call.number)
        kind = "task_unshared" if permission is None else "task_shared"
        changes = {"user": user, "permission": [before, permission]}
        call.events.append(Event(task_id, kind, changes, task.team, task.owner, user))

    def _note(
        self,
        call: Call,
        task_id: int,
        kind: str,
        changes: dict[str, Any],
        completed_before: datetime | None = None,
        target: str | None = None,
    ) -> None:
        team, owner = self.tasks[task_id].team, self.tasks[task_id].owner
        self.changed[task_id] = call.number
        self.versions[task_id] = self.versions.get(task_id, 0) + 1
        call.events.append(Event(task_id, kind, deepcopy(changes), team, owner, target, completed_before))

    # Effects of tool calls.

    def add(self, by: By, tasks: Mapping[int, Task]) -> None:
        with self.call(by) as call:
            for task_id, task in tasks.items():
                self.create(call, task_id, task)

    def update(self, by: By, task_id: int, values: Mapping[str, Any], moment: datetime | None = None) -> None:
        with self.call(by) as call:
            self.change(call, task_id, values, moment)

    def following(self, task_id: int) -> int | str | None:
        """The existing next occurrence of a task, else the due date of the one that completing it will create."""
        task = self.tasks[task_id]
        if task.recurrence is None or task.due is None:
            return None
        alive = [
            occurrence
            for occurrence in self.next_occurrences.get(task_id, ())
            if self.tasks[occurrence].deleted is None
        ]
        if alive:
            return max(alive)
        return (date.fromisoformat(task.due) + timedelta(days=1)).isoformat()

    def complete(self, by: By, task_id: int, moment: datetime, next_id: int | None) -> None:
        """Complete a task; `next_id` is the id of its new occurrence, if there is one."""
        task, due = self.tasks[task_id], self.following(task_id)
        with self.call(by) as call:
            self.change(call, task_id, {"status": "completed"}, moment)
            if next_id is None or not isinstance(due, str):
                return
            following = Task(task.owner, task.team, task.title, task.parent, due=due, created_at=moment)
            following.priority = task.priority
            following.tags, following.recurrence = list(task.tags), task.recurrence
            self.create(call, next_id, following)
            self.next_occurrences.setdefault(task_id, []).append(next_id)
            for user, permission in task.shares.items():
                self.set_share(call, next_id, user, permission)

    def remove(self, by: By, task_ids: Iterable[int]) -> None:
        """Delete tasks, with the subtasks that the user may delete too."""
        named = [task_id for task_id in task_ids if self.tasks[task_id].deleted is None]
        going = {n for task_id in named for n in self._below(task_id, lambda n: self.access(by.user, n) == "owner")}
        with self.call(by) as call:
            self.set_deleted(call, going, True)

    def bring_back(self, by: By, task_id: int) -> None:
        """Restore a task, with what the same call deleted."""
        if self.tasks[task_id].deleted is not None:
            with self.call(by) as call:
                self.set_deleted(call, self._deleted_together(by.user, task_id), False)

    def put_share(self, by: By, task_id: int, user: str, permission: str | None) -> None:
        with self.call(by) as call:
            self.set_share(call, task_id, user, permission)

    def dismiss(self, by: By, team: int, member: str) -> None:
        """Take a member out of a team, whose tasks in it go to an owner. No undo takes that back."""
        heir, handed_over = self.leave(by.user, team, member)
        with self.call(by, [0]) as call:
            for task_id in handed_over:
                for other in self.lost_shares(task_id, heir):
                    self.set_share(call, task_id, other, None)
                self.tasks[task_id].owner = heir
                self._note(call, task_id, "task_updated", {"owner": [member, heir]}, target=member)

    def keep(self, user: str, chat_id: int, messages: list[str], title: str | None = None) -> None:
        """Add messages to a conversation, creating it if it is new."""
        now = max(self.updated.values(), default=0) + 1
        self.chats.setdefault(chat_id, Chat(user, [], title)).messages.extend(messages)
        self.message_times.setdefault(chat_id, []).extend([now] * len(messages))
        self.updated[chat_id] = now

    def forget(self, chat_id: int) -> None:
        del self.chats[chat_id], self.message_times[chat_id], self.updated[chat_id]
