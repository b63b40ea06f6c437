"""The feed of changes: what people and their clients did to the tasks that the caller sees, newest first.

Who sees which change is decided as for the history of one task: by the policy of the events, and for shares by
the rule that get_task has. The changes of deleted tasks are seen by those who may restore them.
"""

import json
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Text,
    bindparam,
    func,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.orm import aliased
from sqlmodel import col

from storage.engine import pagination
from storage.engine.database import Row, Scope, Transaction
from storage.engine.retry import retry_transient
from storage.engine.statements import Statement, compiled
from storage.people import users
from storage.schema import token_budget
from storage.schema.activity_models import ActiveClients, Activity, Change, ClientActivity
from storage.schema.request_models import Moment, StrictModel
from storage.schema.system_tables import TaskEvent
from storage.schema.tables import Task, User
from storage.tasks import days, due_dates
from storage.tasks.access import ME, MY_SHARED_TASK_IDS, MY_TEAM_IDS
from storage.tasks.history import CLIPPED, clip, forget_hidden_parents, without_completion

MOST_CLIENTS = 20
"""How many clients are listed."""

_MOMENT = DateTime(timezone=True)
_CLIENT = func.coalesce(col(TaskEvent.client), literal_column("''::text", Text))
# An update without changes is the mark that undo leaves at a change that it could not revert.
_IS_CHANGE = (col(TaskEvent.event_type) != "task_updated") | (col(TaskEvent.changes) != literal_column("'{}'::jsonb"))
# Only those who may share a task see with whom, as in the history of one task.
_SEEN = (
    col(TaskEvent.target_user_id).is_(None)
    | (col(TaskEvent.target_user_id) == ME)
    | (func.my_task_access(col(TaskEvent.task_id)) == "owner")
)
_OTHERS = col(TaskEvent.owner_id) != ME
_OUTSIDE_MY_TEAMS = func.coalesce(col(TaskEvent.team_id) != func.all(MY_TEAM_IDS), true())
# Disjoint sets, each read in the order of its index, as for lists of tasks (storage/tasks/access.py).
_EVERYTHING = (
    col(TaskEvent.owner_id) == ME,
    (col(TaskEvent.team_id) == func.any(MY_TEAM_IDS)) & _OTHERS,
    (col(TaskEvent.task_id) == func.any(MY_SHARED_TASK_IDS)) & _OTHERS & _OUTSIDE_MY_TEAMS,
)
_FILTERS: dict[str, ColumnElement[bool]] = {
    "client": bindparam("client", type_=Text) == _CLIENT,
    "person": col(TaskEvent.user_id) == bindparam("person", type_=Text),
    "task_id": col(TaskEvent.task_id) == bindparam("task_id", type_=BigInteger),
    "since": col(TaskEvent.created_at) >= bindparam("since", type_=_MOMENT),
    "except_client": bindparam("except_client", type_=Text) != _CLIENT,
    "since_day": days.begins_after(col(TaskEvent.created_at), "since_day"),
}


class ActivityFilter(StrictModel):
    """Which changes: by a client (empty: by none that has a name), a person (user id), since a moment, of a task."""

    client: str | None = None
    except_client: str | None = None
    person: str | None = None
    since: Moment | None = None
    task_id: int | None = None


class _Shape(NamedTuple):
    given: frozenset[str]
    by_me: bool
    continued: bool


@retry_transient
async def find(
    scope: Scope, wanted: ActivityFilter, limit: int = 50, cursor: str | None = None, max_tokens: int | None = None
) -> Activity:
    """A page of the changes that the caller may see, newest first. A page of more than `max_tokens` ends early.

    Raises:
        InvalidInput: a date, or a cursor that belongs to another listing.
    """
    async with scope.transaction() as transaction:
        return await read(transaction, wanted, limit, cursor, max_tokens)


async def read(
    transaction: Transaction,
    wanted: ActivityFilter,
    limit: int = 50,
    cursor: str | None = None,
    max_tokens: int | None = None,
) -> Activity:
    """As `find`, within a transaction."""
    me = transaction.user_id
    values: dict[str, Any] = wanted.model_dump(
        include={"client", "except_client", "person", "task_id"}, exclude_none=True
    )
    if wanted.since is not None:
        bound = due_dates.parse_due(wanted.since, "since")
        values["since_day" if bound.is_date else "since"] = bound.at
    listing = f"activity {wanted.model_dump_json()}"
    given = frozenset(values)
    if cursor is not None:
        values["after_at"], values["after_id"] = pagination.read(cursor, listing, datetime, int)
    statement = _find(_Shape(given, wanted.person == me, cursor is not None))
    rows = await transaction.fetch_all(statement, **values, page_size=limit + 1)
    changes = token_budget.fill([_change(row, me) for row in rows[:limit]], max_tokens)
    await forget_hidden_parents(transaction, (change.changes for change in changes))
    timezone = await users.timezone_of(transaction, me)
    following = pagination.following(listing, rows, len(changes), "created_at", "id")
    return Activity(changes=changes, next_cursor=following, timezone=timezone)


_latest = func.max(col(TaskEvent.created_at)).label("at")
_CLIENTS = compiled(
    select(_CLIENT.label("client"), _latest)
    .where(
        col(TaskEvent.user_id) == ME,
        col(TaskEvent.created_at) > func.now() - literal_column("interval '30 days'"),
        _IS_CHANGE,
    )
    .group_by(_CLIENT)
    .order_by(_latest.desc())
    .limit(MOST_CLIENTS)
)


@retry_transient
async def find_clients(scope: Scope) -> ActiveClients:
    """The clients with which the caller changed something in the last 30 days, the latest first."""
    async with scope.transaction() as transaction:
        rows = await transaction.fetch_all(_CLIENTS)
    return ActiveClients(clients=[ClientActivity(client=row["client"], at=row["at"].isoformat()) for row in rows])


# Bounded, because callers choose the combination of filters.
@lru_cache(maxsize=64)
def _find(shape: _Shape) -> Statement:
    position = tuple_(col(TaskEvent.created_at), col(TaskEvent.id))
    conditions = [_IS_CHANGE, _SEEN, *(_FILTERS[name] for name in sorted(shape.given))]
    if shape.continued:
        conditions.append(
            position < tuple_(bindparam("after_at", type_=_MOMENT), bindparam("after_id", type_=BigInteger))
        )

    def page(branch: ColumnElement[bool]) -> Any:  # noqa: ANN401
        chosen = select(TaskEvent).where(branch, *conditions)
        ordered = chosen.order_by(col(TaskEvent.created_at).desc(), col(TaskEvent.id).desc())
        return select(ordered.limit(bindparam("page_size", type_=BigInteger)).subquery())

    event = union_all(*map(page, _branches(shape))).subquery().c
    undo = aliased(TaskEvent)
    undone = (
        select(col(undo.id))
        .where(
            col(undo.user_id) == event.user_id,
            col(undo.undoes) == event.transaction_id,
            col(undo.created_at) > event.created_at,
            (col(undo.event_type) != "task_updated") | (col(undo.changes) != literal_column("'{}'::jsonb")),
        )
        .exists()
    )
    wanted = (event.id, event.transaction_id, event.task_id, event.user_id, event.client, event.event_type)
    found = (
        select(*wanted, event.created_at, event.changes, event.undoes, undone.label("undone"))
        .add_columns(col(Task.title), col(Task.version), col(Task.deleted_at).is_not(None).label("deleted"))
        .add_columns(col(User.name).label("user_name"))
        .join(Task, col(Task.id) == event.task_id)
        .join(User, col(User.id) == event.user_id, isouter=True)
        .order_by(event.created_at.desc(), event.id.desc())
        .limit(bindparam("page_size", type_=BigInteger))
    )
    return compiled(found)


def _branches(shape: _Shape) -> tuple[ColumnElement[bool], ...]:
    if "task_id" in shape.given:
        return (_FILTERS["task_id"],)
    # Changes by one of the caller's own clients have an index of their own.
    if shape.by_me and "client" in shape.given:
        return (col(TaskEvent.user_id) == ME,)
    return _EVERYTHING


def _change(row: Row, me: str) -> Change:
    own, undoes = row["user_id"] == me, row["undoes"] is not None
    return Change.model_construct(
        id=row["id"],
        call=str(row["transaction_id"]),
        task_id=row["task_id"],
        title=row["title"],
        deleted=row["deleted"],
        version=row["version"],
        event_type=row["event_type"],
        user_id=row["user_id"],
        user_name=row["user_name"],
        client=row["client"],
        at=row["created_at"].isoformat(),
        changes=clip(without_completion(json.loads(row["changes"])), CLIPPED),
        own=own,
        undone=row["undone"],
        undoable=own and not undoes and not row["undone"],
        undoes=undoes and row["undoes"] != 0,
    )
