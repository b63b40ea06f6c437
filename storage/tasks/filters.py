"""Filters of lists of tasks: as callers give them, as parameters, and as SQL conditions."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, DateTime, Text, bindparam, case, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from storage.schema import search_query
from storage.schema.request_models import DueGroup, Id, ListedStatus, Sort, TaskFilter
from storage.schema.system_tables import TaskEvent
from storage.schema.tables import Task
from storage.tasks import days, due_dates

_MOMENT = DateTime(timezone=True)
_DUE: dict[DueGroup, ColumnElement[bool]] = {
    "overdue": days.OVERDUE & days.BEFORE_TOMORROW,
    "today": days.DUE_TODAY & days.BEFORE_TOMORROW,
    "week": days.IN_A_WEEK,
    "none": col(Task.due_at).is_(None),
}


class PageFilter(TaskFilter):
    """A filter of lists on pages: also by assignee, by who completed tasks, and among these ids; no tool has it.

    `completed_by` is a user id, `completed_with` the client as histories name it (empty: one without a name). Both are
    those of the last completion, as far as the caller sees it.
    """

    sort: Sort = "created"  # pyright: ignore[reportIncompatibleVariableOverride]: pages always have an order
    assignee: str | None = None
    completed_by: str | None = None
    completed_with: str | None = None
    ids: list[Id] | None = None


def _last_completion(column: Any) -> ColumnElement[Any]:  # noqa: ANN401
    """A column of the event with which a task was completed last."""
    last = (
        select(column)
        .where(col(TaskEvent.task_id) == col(Task.id), col(TaskEvent.event_type) == "task_completed")
        .order_by(col(TaskEvent.created_at).desc(), col(TaskEvent.id).desc())
        .limit(1)
        .correlate(Task)
        .scalar_subquery()
    )
    # An open task needs no look at its history.
    return case((col(Task.completed_at).is_not(None), last))


def values_of(wanted: TaskFilter) -> dict[str, Any]:
    """The parameters of the statement for a filter.

    Raises:
        InvalidInput: a date.
    """
    plain = {"team_id", "parent_id", "search", "tag", "priority", "assignee", "completed_by", "completed_with", "ids"}
    values: dict[str, Any] = wanted.model_dump(include=plain, exclude_none=True)
    if wanted.search is not None and wanted.sort is None:
        question = search_query.parse(wanted.search)
        # Without words, there are only exclusions, and nothing to rank by.
        if question.words.strip():
            del values["search"]
            values |= {"words": question.words, "condition": question.condition, "pinned": None}
    for name in ("due_before", "due_after", "completed_before", "completed_after"):
        moment = getattr(wanted, name, None)
        if moment is not None:
            bound = due_dates.parse_due(moment, name)
            # A date is a day in the caller's time zone, which only the database knows.
            values[f"{name}_day" if bound.is_date else name] = bound.at
    return values


def conditions(status: ListedStatus, due: DueGroup | None, given: frozenset[str]) -> list[ColumnElement[bool]]:
    """What a task has to meet: its status, when it is due, and the filters for which values are `given`."""
    required: list[ColumnElement[bool]] = [col(Task.deleted_at).is_(None)]
    if status == "pending":
        required.append(col(Task.status) != "completed")
    elif status != "all":
        required.append(col(Task.status) == status)
    filters: dict[str, ColumnElement[bool]] = {
        "parent_id": col(Task.parent_id) == bindparam("parent_id", type_=BigInteger),
        "search": col(Task.id) == func.any(func.matching_task_ids(bindparam("search", type_=Text))),
        "tag": bindparam("tag", type_=Text) == func.any(col(Task.tags)),
        "priority": col(Task.priority) == bindparam("priority", type_=Text),
        "due_before": days.due_before("due_before", day=False),
        "due_before_day": days.due_before("due_before_day", day=True),
        "due_after": days.due_after("due_after", day=False),
        "due_after_day": days.due_after("due_after_day", day=True),
        "completed_before": col(Task.completed_at) < bindparam("completed_before", type_=_MOMENT),
        "completed_before_day": days.begins_before(col(Task.completed_at), "completed_before_day"),
        "completed_after": col(Task.completed_at) >= bindparam("completed_after", type_=_MOMENT),
        "completed_after_day": days.begins_after(col(Task.completed_at), "completed_after_day"),
        "completed_by": _last_completion(col(TaskEvent.user_id)) == bindparam("completed_by", type_=Text),
        "completed_with": _last_completion(func.coalesce(col(TaskEvent.client), ""))
        == bindparam("completed_with", type_=Text),
        "assignee": col(Task.assignee_id) == bindparam("assignee", type_=Text),
        "ids": col(Task.id) == func.any(bindparam("ids", type_=ARRAY(BigInteger))),
    }
    if due is not None:
        required.append(_DUE[due])
    return required + [condition for name, condition in filters.items() if name in given]
