"""What a fault of the database means for the caller, and when a verb simply runs again."""

import asyncio
import functools
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import asyncpg

from storage.errors import Conflict, InvalidInput, NotAllowed, StorageError, Unavailable

P = ParamSpec("P")
R = TypeVar("R")

RETRY_SECONDS = 1.0
"""A verb that lost its connection is started again within this time, then the caller is told."""

retries: Counter[str] = Counter()
"""How often each verb was started again since this process began; for /metrics."""

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


def explained(error: Exception) -> Exception:
    """What a database error means for the caller; unexpected ones stay as they are."""
    match error:
        case asyncpg.SerializationError() | asyncpg.DeadlockDetectedError() | asyncpg.InvalidCachedStatementError():
            return Collision("The item is being changed by others. Nothing was changed; try again.")
        case (
            asyncpg.PostgresConnectionError()
            | asyncpg.OperatorInterventionError()
            | asyncpg.InterfaceError()
            | asyncpg.InternalClientError()
            | OSError()
        ) if not isinstance(error, asyncpg.QueryCanceledError):
            return Transient("The database cannot be reached. Nothing was changed; try again.")
        case asyncpg.QueryCanceledError():
            return Unavailable("The database took too long. Nothing was changed; ask for less, or try again.")
        case asyncpg.LockNotAvailableError():
            return Conflict("Somebody else is changing this right now. Nothing was changed; try again.")
        case asyncpg.InsufficientResourcesError():
            return Unavailable("The database is at its limit. Nothing was changed; try again later.")
        case asyncpg.InsufficientPrivilegeError():
            return NotAllowed("You are not allowed to do this.")
        case asyncpg.DataError():
            return InvalidInput("A value cannot be stored. Check numbers and texts for unusual characters.")
        case _:
            return error


def verb(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
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
