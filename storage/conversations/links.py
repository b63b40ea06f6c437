"""Which tasks were added or changed by the calls that a conversation recorded. Only its owner sees the links."""

from sqlalchemy import BigInteger, Integer, Text, bindparam, cast, func, insert, select
from sqlmodel import col

from storage.engine.database import Transaction
from storage.engine.statements import compiled
from storage.schema.conversation_models import LinkedTask
from storage.schema.system_tables import TaskEvent, TaskMessage
from storage.schema.tables import Task

TASKS = 20
"""How many tasks are shown with a conversation."""
MOST_LINKS = 500
"""How many links of the messages of one page are shown."""
_READ = 200
"""How many of a conversation's last links are read for them: a task may have many."""

_ID = bindparam("conversation_id", type_=BigInteger)
_ME = func.current_user_id()
_CLIENT = func.coalesce(func.current_setting("app.client", True), "")
_LINK = compiled(
    insert(TaskMessage).from_select(
        ["conversation_id", "sequence", "task_id", "user_id"],
        select(_ID, bindparam("sequence", type_=Integer), col(TaskEvent.task_id), _ME)
        .where(
            # The columns of the index task_events_actor. Events have the time at which their transaction began.
            col(TaskEvent.user_id) == _ME,
            func.coalesce(col(TaskEvent.client), "") == _CLIENT,
            col(TaskEvent.created_at) == func.now(),
            col(TaskEvent.transaction_id) == cast(cast(func.pg_current_xact_id(), Text), BigInteger),
        )
        .distinct(),
    )
)

_last = (
    select(col(TaskMessage.task_id), col(TaskMessage.sequence))
    .where(col(TaskMessage.conversation_id) == _ID, col(TaskMessage.user_id) == _ME)
    .order_by(col(TaskMessage.sequence).desc())
    .limit(_READ)
    .subquery()
)
_touched = (
    select(
        _last.c.task_id,
        func.min(_last.c.sequence).label("sequence"),
        func.max(_last.c.sequence).label("last"),
    )
    .group_by(_last.c.task_id)
    .subquery()
)
_TASKS = compiled(
    select(col(Task.id), col(Task.title), col(Task.status), _touched.c.sequence)
    .join(_touched, _touched.c.task_id == col(Task.id))
    .where(col(Task.deleted_at).is_(None))
    .order_by(_touched.c.last.desc(), col(Task.id).desc())
    .limit(TASKS)
)
_OF_MESSAGES = compiled(
    select(col(Task.id), col(Task.title), col(Task.status), col(TaskMessage.sequence))
    .join(TaskMessage, col(TaskMessage.task_id) == col(Task.id))
    .where(
        col(TaskMessage.conversation_id) == _ID,
        col(TaskMessage.user_id) == _ME,
        col(TaskMessage.sequence).between(bindparam("first", type_=Integer), bindparam("last", type_=Integer)),
        col(Task.deleted_at).is_(None),
    )
    .order_by(col(TaskMessage.sequence), col(Task.id))
    .limit(MOST_LINKS)
)


async def link(transaction: Transaction, conversation_id: int, sequence: int) -> None:
    """Link a message to every task that this transaction has added or changed, deleted ones excepted."""
    await transaction.run(_LINK, conversation_id=conversation_id, sequence=sequence)


async def find_tasks(transaction: Transaction, conversation_id: int) -> list[LinkedTask]:
    """The tasks linked to a conversation that the caller still sees, those touched last first."""
    rows = await transaction.fetch_all(_TASKS, conversation_id=conversation_id)
    return [LinkedTask.model_construct(**row) for row in rows]


async def find_links(transaction: Transaction, conversation_id: int, first: int, last: int) -> list[LinkedTask]:
    """The tasks that each message from `first` to `last` added or changed, as far as the caller still sees them."""
    rows = await transaction.fetch_all(_OF_MESSAGES, conversation_id=conversation_id, first=first, last=last)
    return [LinkedTask.model_construct(**row) for row in rows]
