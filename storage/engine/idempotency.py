"""Idempotency keys: a write that is repeated with the same key and arguments gets the same answer for 24 hours.

The key commits in the transaction of its write, so neither ever exists without the other.
"""

import hashlib
import json
from datetime import timedelta
from typing import Any

from sqlalchemy import Text, bindparam, cast, func, null, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlmodel import col

from storage.engine.database import Transaction
from storage.engine.statements import compiled
from storage.schema.errors import Conflict
from storage.schema.system_tables import IdempotencyKey

KEPT = timedelta(hours=24)

_claim = insert(IdempotencyKey).values(
    user_id=func.current_user_id(), key=bindparam("key", type_=Text), fingerprint=bindparam("print", type_=Text)
)
# The primary key makes a second transaction with the same key wait for the first one. If that commits, the condition
# on the age is false and no row is returned; if it rolls back, the second one inserts its row and does the write.
_CLAIM = compiled(
    _claim.on_conflict_do_update(
        index_elements=["user_id", "key"],
        set_={"fingerprint": _claim.excluded.fingerprint, "answer": null(), "created_at": func.now()},
        where=col(IdempotencyKey.created_at) < func.now() - KEPT,
    ).returning(col(IdempotencyKey.key))
)
# A statement of its own: under READ COMMITTED it gets a new snapshot, which includes the answer that the transaction
# it waited for has committed. Within the statement above, that row would be invisible.
_KEPT = compiled(
    select(col(IdempotencyKey.fingerprint), col(IdempotencyKey.answer)).where(
        col(IdempotencyKey.user_id) == func.current_user_id(),
        col(IdempotencyKey.key) == bindparam("key", type_=Text),
    )
)
_KEEP = compiled(
    update(IdempotencyKey)
    .where(
        col(IdempotencyKey.user_id) == func.current_user_id(),
        col(IdempotencyKey.key) == bindparam("key_", type_=Text),
    )
    .values(answer=cast(bindparam("answer_", type_=Text), JSONB))
)


async def recall(transaction: Transaction, key: str | None, verb: str, arguments: object) -> dict[str, Any] | None:
    """The stored answer of this key, or None if the write has to be done now.

    A second call with the same key waits here until the first one has committed or failed.

    Raises:
        Conflict: the key was used by another verb or with other arguments.
    """
    if key is None:
        return None
    # A hash of fixed size is enough to tell arguments apart. Sorted keys make it independent of their order.
    encoded = json.dumps([verb, arguments], sort_keys=True, default=str, ensure_ascii=True)
    fingerprint = hashlib.sha256(encoded.encode()).hexdigest()
    if await transaction.fetch_value(_CLAIM, key=key, print=fingerprint) is not None:
        return None
    kept = await transaction.fetch_one(_KEPT, key=key)
    if kept is None or kept["fingerprint"] != fingerprint:
        raise Conflict("This idempotency_key was used with other arguments within 24 hours. Use a new key.")
    return json.loads(kept["answer"])


async def keep(transaction: Transaction, key: str | None, answer: dict[str, Any]) -> None:
    """Store the answer of a write, to be returned again for the same key."""
    if key is not None:
        await transaction.run(_KEEP, key_=key, answer_=json.dumps(answer))
