"""What a fault of the database means for the caller, and when a verb simply runs again."""

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
"""A verb that lost its connection is started again within this time, then the caller is told."""

retries: Counter[str] = Counter()
"""How often each verb was started again since this process began; for /metrics."""

NO_SCHEMA = "The database has no schema, or an older one: run taskdeck migrate"

SEVERED = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)


class Transient(Unavailable):
    """A fault that passes: nothing was committed, so the verb may simply run again."""


class Collision(Transient):
    """Two transactions stood in each other's way. PostgreSQL looks for a deadlock only after a second."""


class Unprepared(Unavailable):
    """The database lacks what migrations make, or the login may not use it; `fix` tells the operator what to do."""

    def __init__(self, fix: str) -> None:
        super().__init__("The database of this server is not set up: its operator must look into the log.", 30)
        self.fix = fix


def explained(error: Exception) -> Exception:
    """What a database error means for the caller; unexpected ones stay as they are. Outages go into the log."""
    meaning = _meaning(error)
    if isinstance(meaning, Unavailable) and not isinstance(meaning, Collision):
        told = meaning.fix if isinstance(meaning, Unprepared) else str(meaning)
        logger.warning("%s (%s)", told, type(error).__name__)
    return meaning


def _meaning(error: Exception) -> Exception:
    match error:
        case Unavailable():
            return error
        case asyncpg.SerializationError() | asyncpg.DeadlockDetectedError() | asyncpg.InvalidCachedStatementError():
            return Collision("The item is being changed by others. Nothing was changed; try again.")
        case asyncpg.QueryCanceledError():
            return Unavailable("The database took too long. Nothing was changed; ask for less, or try again.")
        case _ if isinstance(error, SEVERED):
            return Transient("The database cannot be reached. Nothing was changed; try again.")
        case asyncpg.LockNotAvailableError():
            return Unavailable("Somebody else is changing this right now. Nothing was changed; try again.")
        case asyncpg.InsufficientResourcesError():
            return Unavailable("The database is at its limit. Nothing was changed; try again later.")
        case asyncpg.UndefinedTableError() | asyncpg.UndefinedFunctionError() | asyncpg.UndefinedColumnError():
            return Unprepared(NO_SCHEMA)
        case asyncpg.InsufficientPrivilegeError():
            return NotAllowed("You are not allowed to do this.")
        case asyncpg.DataError():
            return InvalidInput("A value cannot be stored. Check numbers and texts for unusual characters.")
        case _:
            return error


def unidentified(error: asyncpg.PostgresError) -> Unprepared:
    """What it means that PostgreSQL does not let us say who asks. The caller has no part in it."""
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return Unprepared("The login may not work for users: GRANT taskdeck_app TO the role of DATABASE_URL")
    return Unprepared(NO_SCHEMA)


def retry_transient(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """Run a verb's transaction again when a passing fault undid it: a dropped connection, a deadlock."""

    @functools.wraps(function)
    async def run(*args: P.args, **kwargs: P.kwargs) -> R:
        started = time.monotonic()
        for attempt in range(4):
            try:
                return await function(*args, **kwargs)
            except Transient as error:
                late = time.monotonic() - started > RETRY_SECONDS
                if attempt == 3 or (late and not isinstance(error, Collision)):
                    raise
                retries[function.__qualname__] += 1
                await asyncio.sleep(random.uniform(0.01, 0.05) * 4**attempt)  # noqa: S311
        raise StorageError("unreachable")

    return run
