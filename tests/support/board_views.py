"""What each user sees of a board, in plain Python: ordered lists, numbers, trends and histories."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.board_model import Board, Event
from tests.support.permission_model import Chat, Task

PRIORITIES = ("low", "medium", "high", "urgent")
EVENTS = 10
NEVER = datetime.max.replace(tzinfo=UTC)


def zone_of(board: Board, user: str) -> tzinfo:
    """The time zone that defines a user's days."""
    return ZoneInfo(board.zones[user])


def instant(text: str, zone: tzinfo) -> datetime:
    """The start of a date in the zone, or the moment itself."""
    if len(text) == 10:
        return datetime.combine(date.fromisoformat(text), time(), zone)
    return datetime.fromisoformat(text)


def now() -> datetime:
    return datetime.now(UTC)


# Lists.


def list_tasks(board: Board, user: str, wanted: dict[str, Any]) -> list[int]:
    """The ids on all pages of list_tasks, or of the list of the dashboard API, for its arguments `wanted`."""
    zone = zone_of(board, user)
    seen = board.seen(user, wanted.get("scope", "all"))
    found = [task_id for task_id, task in seen.items() if _fits(task, wanted, zone)]
    if {"completed_by", "completed_with"} & {*wanted}:
        found = [task_id for task_id in found if _completed_so(board, user, task_id, wanted)]
    if "search" in wanted and "sort" not in wanted:
        return _by_relevance(board, user, wanted["search"], found)
    if wanted.get("sort") == "due":
        return sorted(found, key=lambda n: (_due(board.tasks[n], zone), n))
    return sorted(found, key=lambda n: (_newest(board, n, wanted.get("sort", "created")), n), reverse=True)


def _by_relevance(board: Board, user: str, word: str, found: list[int]) -> list[int]:
    """Ordered by BM25 for one word (k1 0.8, b 0.3), then newest first: often, and in a short title, is best.

    The average size is that of all tasks with the word that the person sees, whatever else is asked for.
    """
    having = [task.title for task in board.seen(user, "all").values() if word in task.title.split()]
    average = int(sum(map(len, having)) / max(1, len(having)) + 0.5)

    def score(task_id: int) -> float:
        title = board.tasks[task_id].title
        times = title.split().count(word)
        return times / (times + 0.8 * (0.7 + 0.3 * len(title) / average))

    return sorted(found, key=lambda n: (score(n), n), reverse=True)


def _newest(board: Board, task_id: int, sort: str) -> Any:
    task = board.tasks[task_id]
    by = {"created": task.created_at, "updated": board.changed[task_id], "priority": PRIORITIES.index(task.priority)}
    return by[sort]


def _due(task: Task, zone: tzinfo) -> datetime:
    return NEVER if task.due is None else instant(task.due, zone)


def _fits(task: Task, wanted: dict[str, Any], zone: tzinfo) -> bool:
    status = wanted.get("status", "pending")
    status_fits = task.status != "completed" if status == "pending" else status in ("all", task.status)
    return (
        status_fits
        and wanted.get("team_id") in (None, task.team)
        and wanted.get("parent_id") in (None, task.parent)
        and wanted.get("priority") in (None, task.priority)
        and ("tag" not in wanted or wanted["tag"] in task.tags)
        and ("search" not in wanted or wanted["search"] in task.title.split())
        and ("due" not in wanted or _is_due(task, wanted["due"], now(), zone))
        and _was_completed(task, wanted, zone)
        and ("due_before" not in wanted or _due(task, zone) < instant(wanted["due_before"], zone))
        and ("due_after" not in wanted or instant(wanted["due_after"], zone) <= _due(task, zone) < NEVER)
    )


def _is_due(task: Task, group: str, moment: datetime, zone: tzinfo) -> bool:
    if task.due is None:
        return group == "none"
    day, today = _due(task, zone).astimezone(zone).date(), moment.astimezone(zone).date()
    fits = {"today": day == today, "week": today <= day <= today + timedelta(days=6), "none": False}
    return _is_late(task.due, moment, zone) if group == "overdue" else fits[group]


def _was_completed(task: Task, wanted: dict[str, Any], zone: tzinfo) -> bool:
    if not {"completed_before", "completed_after"} & {*wanted}:
        return True
    at = task.completed_at
    return (
        at is not None
        and ("completed_before" not in wanted or at < instant(wanted["completed_before"], zone))
        and ("completed_after" not in wanted or at >= instant(wanted["completed_after"], zone))
    )


def _completed_so(board: Board, user: str, task_id: int, wanted: dict[str, Any]) -> bool:
    """Whether the last completion that the user sees is by the person and the client that are asked for."""
    last = [
        call.by
        for call in board.calls
        for event in call.events
        if (event.task, event.kind) == (task_id, "task_completed") and _sees_event(board, user, call.number, event)
    ][-1:]
    return bool(
        last
        and board.tasks[task_id].status == "completed"
        and wanted.get("completed_by") in (None, last[0].user)
        and wanted.get("completed_with") in (None, last[0].client)
    )


def brief(board: Board, user: str, task_id: int) -> dict[str, Any]:
    """A brief row, as in list_tasks."""
    task = board.tasks[task_id]
    known = {"id": task_id, "title": task.title, "status": task.status, "priority": task.priority, "due": task.due}
    known["parent_id"] = board.parent(user, task_id)
    if task.owner != user:
        known |= {"team_id": task.team, "owner": task.owner}
    shown = {name: value for name, value in known.items() if value is not None}
    return shown | {"tags": task.tags, "access": board.access(user, task_id)}


def full(board: Board, user: str, task_id: int) -> dict[str, Any]:
    """A full row without `updated_at`, with times as datetimes."""
    task = board.tasks[task_id]
    known = {"team_id": task.team, "recurrence": task.recurrence, "owner": None if task.owner == user else task.owner}
    known |= {"version": board.versions[task_id], "created_at": task.created_at, "completed_at": task.completed_at}
    return brief(board, user, task_id) | {name: value for name, value in known.items() if value is not None}


def subtasks(board: Board, user: str, task_id: int) -> list[int]:
    """The ids of direct subtasks, open ones first."""
    return sorted(board.children(user, task_id), key=lambda n: (board.tasks[n].status == "completed", n))


def tags(board: Board, user: str) -> list[str]:
    """The tags that completion suggests, most used first."""
    used = Counter(tag for task in board.seen(user, "all").values() for tag in task.tags)
    return sorted(used, key=lambda tag: (-used[tag], tag))


# Numbers.


def statistics(board: Board, user: str, team: int | None, days: int, now: datetime) -> dict[str, Any]:
    """The reply of get_statistics at a moment."""
    zone = zone_of(board, user)
    tasks = [t for t in board.tasks.values() if t.deleted is None and (t.team == team if team else t.owner == user)]
    completed = sum(task.status == "completed" for task in tasks)
    shared = sum(bool(task.shares) for task in tasks) if team else len(board.seen(user, "shared"))
    dated = [task for task in tasks if task.due is not None and task.status != "completed"]
    today = now.astimezone(zone).date()
    return {
        "total_tasks": len(tasks),
        "pending_tasks": len(tasks) - completed,
        "completed_tasks": completed,
        "shared_tasks": shared,
        "overdue_tasks": sum(_is_late(task.due or "", now, zone) for task in dated),
        "due_today_tasks": sum(_due(task, zone).astimezone(zone).date() == today for task in dated),
        "trend": [_on(today - timedelta(days=ago), tasks, zone) for ago in reversed(range(days))],
    }


def review(board: Board, user: str, now: datetime) -> tuple[dict[str, Any], int]:
    """The numbers of weekly_review, and how many visible tasks were completed on its days."""
    numbers = statistics(board, user, None, 7, now)
    zone = zone_of(board, user)
    done = [task.completed_at for task in board.seen(user, "all").values() if task.completed_at is not None]
    since = date.fromisoformat(numbers["trend"][0]["date"])
    return numbers, sum(moment.astimezone(zone).date() >= since for moment in done)


def plan(board: Board, user: str, now: datetime) -> list[int]:
    """The number of tasks in plan_my_day due by today, then all ids: due ones first, the others by priority."""
    tomorrow = now.astimezone(zone_of(board, user)).date() + timedelta(days=1)
    due = list_tasks(board, user, {"sort": "due", "due_before": tomorrow.isoformat()})
    others = list_tasks(board, user, {"sort": "priority"})
    return [len(due), *due, *(task_id for task_id in others if task_id not in due)]


def _is_late(due: str, now: datetime, zone: tzinfo) -> bool:
    """Whether a due date's day is over, or a due moment has passed."""
    return date.fromisoformat(due) < now.astimezone(zone).date() if len(due) == 10 else instant(due, zone) < now


def _on(day: date, tasks: Iterable[Task], zone: tzinfo) -> dict[str, Any]:
    created = sum(task.created_at.astimezone(zone).date() == day for task in tasks)
    done = [task.completed_at for task in tasks if task.completed_at is not None]
    completed = sum(moment.astimezone(zone).date() == day for moment in done)
    return {"date": day.isoformat(), "created": created, "completed": completed}


# Histories.


def history(board: Board, user: str, task_id: int) -> list[list[dict[str, Any]]]:
    """The events that get_task shows, newest first, grouped by call."""
    events = [
        (call.number, {"event_type": event.kind, "user_id": call.by.user, "client": call.by.client}, event)
        for call in reversed(board.calls)
        for event in reversed(call.events)
        if event.task == task_id and _sees_event(board, user, call.number, event)
    ]
    shown = [
        (number, known | {"changes": visible_changes(board, user, event.changes)})
        for number, known, event in events[:EVENTS]
    ]
    return [[event for _, event in group] for _, group in groupby(shown, key=lambda entry: entry[0])]


def visible_changes(board: Board, user: str, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes of an event, without a parent that the user may not know of."""
    parents = [task_id for task_id in changes.get("parent_id", ()) if task_id is not None]
    hidden = not all(board.sees_row(user, task_id) for task_id in parents)
    return {name: change for name, change in changes.items() if not (hidden and name == "parent_id")}


def _sees_event(board: Board, user: str, number: int, event: Event) -> bool:
    """Owners see all events, a team those of its time, others those since their share."""
    if event.target not in (None, user) and board.access(user, event.task) != "owner":
        return False
    in_time = board.role(user, event.team) is not None and "team_id" not in event.changes
    since = board.shared.get((event.task, user))
    return user == event.owner or in_time or (since is not None and since <= number)


# Conversations.


def list_conversations(board: Board, user: str, word: str | None = None) -> list[dict[str, Any]]:
    """The rows of list_conversations without times, latest message first."""
    mine = [n for n, chat in board.chats.items() if chat.owner == user and (word is None or _has(chat, word))]
    rows = [
        {"id": n, "title": board.chats[n].title, "message_count": len(board.chats[n].messages)}
        for n in sorted(mine, key=lambda n: board.updated[n], reverse=True)
    ]
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def _has(chat: Chat, word: str) -> bool:
    return any(word in text.split() for text in (chat.title or "", *chat.messages))


def search_messages(board: Board, user: str, word: str) -> list[tuple[int, int]]:
    """Conversation id and sequence number of each message that has the word, newest first."""
    found = [
        (when, chat_id, sequence)
        for chat_id, chat in board.chats.items()
        if chat.owner == user
        for sequence, (text, when) in enumerate(zip(chat.messages, board.message_times[chat_id], strict=True), start=1)
        if word in text.split()
    ]
    return [(chat_id, sequence) for _, chat_id, sequence in sorted(found, reverse=True)]
