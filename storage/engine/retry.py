"""What an error of the database means for the caller, and when a verb is run again."""

import asyncio
import functools
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import asyncpg

from storage.schema.errors import InvalidInput, NotAllowed, StorageError, Unavailable

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

RETRY_SECONDS = 1.0
"""A verb that lost its connection is run again within this time; after that the caller gets the error."""

retries: Counter[str] = Counter()
"""How often each verb was run again since this process started; for /metrics."""

NO_SCHEMA = "The database has no schema, or an older one: run taskdeck migrate"

# OperatorInterventionError is SQLSTATE class 57: PostgreSQL shuts down, starts, or an administrator ended the session.
SEVERED = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)


class Transient(Unavailable):
    """A temporary error: nothing was committed, so the verb may run again."""


class Collision(Transient):
    """Two transactions conflicted. PostgreSQL looks for a deadlock only after a second (`deadlock_timeout`)."""


class Unprepared(Unavailable):
    """The schema is missing or the login may not use it; `fix` tells the operator what to do."""

    def __init__(self, fix: str) -> None:
        super().__init__("The database of this server is not set up: its operator must look into the log.", 30)
        self.fix = fix


def explained(error: Exception) -> Exception:
    """What a database error means for the caller; unexpected ones stay as they are. Outages go into the log."""
    meaning = _meaning(error)
    if isinstance(meaning, Unavailable) and not isinstance(meaning, Collision):
        text = meaning.fix if isinstance(meaning, Unprepared) else str(meaning)
        logger.warning("%s (%s)", text, type(error).__name__)
    return meaning


def _meaning(error: Exception) -> Exception:
    match error:
        case Unavailable():
            return error
        case asyncpg.SerializationError() | asyncpg.DeadlockDetectedError() | asyncpg.InvalidCachedStatementError():
            return Collision("The item is being changed by others. Nothing was changed; try again.")
        # Before SEVERED, whose OperatorInterventionError includes it. Not Transient: each attempt takes five seconds.
        case asyncpg.QueryCanceledError():
            return too_long()
        # Nothing was changed: a write whose COMMIT was lost is Unavailable before it gets here (Scope.transaction), and
        # any other transaction is rolled back with its connection.
        case _ if isinstance(error, SEVERED):
            return Transient("The database cannot be reached. Nothing was changed; try again.")
        # The two seconds of lock_timeout have been waited already, so there is no retry either.
        case asyncpg.LockNotAvailableError():
            return Unavailable("Somebody else is changing this right now. Nothing was changed; try again.")
        case asyncpg.InsufficientResourcesError():
            return Unavailable("The database is at its limit. Nothing was changed; try again later.")
        case asyncpg.UndefinedTableError() | asyncpg.UndefinedFunctionError() | asyncpg.UndefinedColumnError():
            return Unprepared(NO_SCHEMA)
        case asyncpg.InsufficientPrivilegeError() | asyncpg.ForeignKeyViolationError():
            return _refusal(error)
        case asyncpg.DataError():
            return InvalidInput("A value cannot be stored. Check numbers and texts for unusual characters.")
        case _:
            return error


def _refusal(error: asyncpg.PostgresError) -> Exception:
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return NotAllowed("You are not allowed to do this.")
    # The caller was deleted, or whom they name, since this process looked.
    return NotAllowed("The account was deleted.") if str(error.constraint_name).endswith("_user_id_fkey") else error


def too_long() -> Unavailable:
    """The error for a statement or transaction that reached its limit."""
    return Unavailable("The database took too long. Nothing was changed; ask for less, or try again.")


def unidentified(error: asyncpg.PostgresError) -> Unprepared:
    """The error for a login that may not set the role or identity of a request: only the operator can fix it."""
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return Unprepared("The login may not work for users: GRANT taskdeck_app TO the role of DATABASE_URL")
    return Unprepared(NO_SCHEMA)


def retry_transient(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Run a verb again if a temporary error rolled its transaction back: a lost connection, a deadlock."""

    @functools.wraps(function)
    async def run(*args: P.args, **kwargs: P.kwargs) -> R:
        started = time.monotonic()
        for attempt in range(4):
            try:
                return await function(*args, **kwargs)
            except Transient as error:
                # A collision is retried even if it is late: finding the deadlock alone took a second.
                late = time.monotonic() - started > RETRY_SECONDS
                if attempt == 3 or (late and not isinstance(error, Collision)):
                    raise
                # Random, so that two transactions that collided do not meet again.
                retries[function.__qualname__] += 1
                await asyncio.sleep(random.uniform(0.01, 0.05) * 4**attempt)  # noqa: S311
        raise StorageError("unreachable")

    return run
