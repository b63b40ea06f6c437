"""The model of undo: it reverts the last effective calls of one client, newest first, all or none."""

from copy import deepcopy
from typing import Any

from tests.support.board_model import ATTRIBUTES, Board, By, Call, Event
from tests.support.board_views import visible_changes
from tests.support.permission_model import OK


class Stuck(Exception):
    """A call that cannot be reverted."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.call = call


def undoable(board: Board, by: By) -> list[Call]:
    """The calls of a client that can still be undone, newest first."""
    gone = board.passed_over.union(*(call.undoes for call in board.calls))
    return [c for c in reversed(board.calls) if c.by == by and not c.undoes and c.number not in gone]


def undo(board: Board, by: By, count: int) -> tuple[Board, list[dict[str, Any]]]:
    """Undo `count` calls; return the new board and the expected reply of the tool.

    Raises:
        Stuck: one of the calls cannot be reverted, so none is.
    """
    calls = undoable(board, by)[:count]
    after, taken = deepcopy(board), list[tuple[int, Event]]()
    with after.call(by, [call.number for call in calls]) as undoing:
        for number, call in enumerate(calls, start=1):
            if not _revert_call(after, undoing, call):
                raise Stuck(call)
            taken += [(number, event) for event in _own(call) if board.sees_row(by.user, event.task)]
    titles = {event.task: board.tasks[event.task].title for _, event in taken}
    events: list[dict[str, Any]] = []
    for number, event in taken:
        titles[event.task] = event.changes.get("title", [titles[event.task]])[0]
        changes = visible_changes(after, by.user, event.changes)
        known = {"call": number, "event_type": event.kind, "task_id": event.task, "title": titles[event.task]}
        events.append(known | ({"changes": changes} if changes else {}))
    return after, events


def _own(call: Call) -> list[Event]:
    """The events of a call to revert, newest first: of tasks that it added, only the creation."""
    added = {event.task for event in call.events if event.kind == "task_created"}
    return [e for e in reversed(call.events) if e.kind == "task_created" or e.task not in added]


def _revert_call(board: Board, undoing: Call, call: Call) -> bool:
    user = undoing.by.user
    deleted = [event.task for event in call.events if event.kind == "task_deleted"]
    if deleted:
        if not all(
            board.tasks[n].deleted is not None and board.access_ignoring_deletion(user, n) == "owner" for n in deleted
        ):
            return False
        board.set_deleted(undoing, deleted, False)
        return True
    return all(_revert(board, undoing, call, event) for event in _own(call))


def _revert(board: Board, undoing: Call, call: Call, event: Event) -> bool:
    access = board.access(undoing.by.user, event.task)
    if access is None:
        return False
    if event.kind in ("task_created", "task_restored"):
        may = access == "owner" or (access == "edit" and event.kind == "task_created")
        if not may or _is_worked_on(board, undoing.by.user, call, event):
            return False
        board.set_deleted(undoing, [event.task], True)
        return True
    if event.target is not None:
        before, after = event.changes["permission"]
        if access != "owner" or board.tasks[event.task].shares.get(event.target) != after:
            return False
        if after is None and not board.may_restore_share(undoing.by.user, event.target, event.task):
            return False
        board.set_share(undoing, event.task, event.target, before)
        return True
    return _revert_fields(board, undoing, event, access)


def _is_worked_on(board: Board, user: str, call: Call, event: Event) -> bool:
    """Whether a field or share now differs, or the task got a subtask that the user sees."""
    first: dict[tuple[str | None, str], Any] = {}
    last: dict[tuple[str | None, str], Any] = {}
    for later in board.calls[call.number :]:
        for change in later.events:
            for name, values in change.changes.items() if change.task == event.task else ():
                if name != "user":
                    first.setdefault((change.target, name), values[0])
                    last[change.target, name] = values[1]
    touched = {other.task for other in call.events}
    return first != last or bool(board.children(user, event.task) - touched)


def _revert_fields(board: Board, undoing: Call, event: Event, access: str) -> bool:
    user, task, changes = undoing.by.user, board.tasks[event.task], event.changes
    if access == "view" or ("team_id" in changes and access != "owner"):
        return False
    for name, (_, after) in changes.items():
        shown = board.parent(user, event.task) if name == "parent_id" else getattr(task, ATTRIBUTES.get(name, name))
        if shown != after:
            return False
    before = {name: change[0] for name, change in changes.items()}
    if board.may_place(user, task.owner, before.get("team_id")) != OK:
        return False
    above = before.get("parent_id")
    if above is not None and (not board.sees_row(user, above) or board.is_below(user, above, event.task)):
        return False
    board.change(undoing, event.task, before, event.completed_before)
    return True
