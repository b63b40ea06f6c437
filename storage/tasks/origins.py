"""The conversations of the caller in which a task was added or changed."""

from sqlalchemy import BigInteger, bindparam, func, select
from sqlmodel import col

from storage.engine.database import Transaction
from storage.engine.statements import compiled
from storage.schema.response_models import LinkedConversation
from storage.schema.system_tables import TaskMessage
from storage.schema.tables import Conversation

CONVERSATIONS = 5
"""How many conversations are shown with a task."""
_READ = 200
"""How many of a task's last links are read for them: a conversation may have many."""

_last = (
    select(col(TaskMessage.conversation_id), col(TaskMessage.sequence), col(TaskMessage.created_at))
    .where(
        col(TaskMessage.task_id) == bindparam("task_id", type_=BigInteger),
        col(TaskMessage.user_id) == func.current_user_id(),
    )
    .order_by(col(TaskMessage.created_at).desc())
    .limit(_READ)
    .subquery()
)
_linked = (
    select(
        _last.c.conversation_id,
        func.min(_last.c.sequence).label("sequence"),
        func.max(_last.c.created_at).label("last"),
    )
    .group_by(_last.c.conversation_id)
    .subquery()
)
_CONVERSATIONS = compiled(
    select(col(Conversation.id), col(Conversation.title), _linked.c.sequence)
    .join(_linked, _linked.c.conversation_id == col(Conversation.id))
    .order_by(_linked.c.last.desc(), col(Conversation.id).desc())
    .limit(CONVERSATIONS)
)


async def find_conversations(transaction: Transaction, task_id: int) -> list[LinkedConversation]:
    """The caller's conversations linked to a task, those that touched it last first."""
    rows = await transaction.fetch_all(_CONVERSATIONS, task_id=task_id)
    return [LinkedConversation.model_construct(**row) for row in rows]
