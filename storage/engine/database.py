"""The only door to rows: a Scope is a user, and its transaction tells PostgreSQL who is asking.

Every setting is local to its transaction, so a connection carries nothing from one user to the next, also
behind a pooler in transaction mode.
"""

import asyncio
import functools
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import asyncpg

from storage.engine.dsn import cleaned
from storage.engine.retry import SEVERED, Transient, Unprepared, explained, unidentified
from storage.engine.statements import Statement
from storage.schema.errors import Unavailable
from storage.schema.request_models import USER_ID

logger = logging.getLogger(__name__)

Row = asyncpg.Record

if TYPE_CHECKING:
    Connection = asyncpg.pool.PoolConnectionProxy[Row]


ACQUIRE_SECONDS = 1.0
"""How long a request waits for a connection before it is told to come back."""

COMMAND_SECONDS = 6.0
"""How long a statement may take before the connection is given up; PostgreSQL ends it after 5 itself."""

FAST_POOL_SIZE = 2
STATEMENTS_KEPT = 200

# One round trip: the transaction begins, and PostgreSQL learns who asks and how long it may take. The planner
# settings belong here because a pooler drops them from the connection (docs/research.md, "Planner settings").
# Plans are generic, for none of ours depends on its values, and to plan a listing takes as long as to run it.
_IDENTITY = (
    "SELECT set_config('role','taskdeck_app',true),set_config('app.user_id','{user}',true),"
    "set_config('app.client','{client}',true),set_config('statement_timeout','5s',true),"
    "set_config('lock_timeout','2s',true),set_config('idle_in_transaction_session_timeout','10s',true),"
    "set_config('random_page_cost','1.1',true),set_config('jit','off',true),"
    "set_config('plan_cache_mode','force_generic_plan',true)"
)

_OF_THE_DATABASE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_NOT_IDENTIFIED = (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError)


class Transaction:
    """Statements that commit together, as one user."""

    def __init__(self, connection: "Connection", user_id: str) -> None:
        self._connection = connection
        self.user_id = user_id

    async def fetch_all(self, statement: Statement, **values: Any) -> list[Row]:  # noqa: ANN401
        """Every row."""
        return await self._connection.fetch(statement.sql, *statement.arguments(values))

    async def fetch_one(self, statement: Statement, **values: Any) -> Row | None:  # noqa: ANN401
        """The first row, or None."""
        return await self._connection.fetchrow(statement.sql, *statement.arguments(values))

    async def fetch_value(self, statement: Statement, **values: Any) -> Any:  # noqa: ANN401
        """The first column of the first row, or None."""
        return await self._connection.fetchval(statement.sql, *statement.arguments(values))

    async def run(self, statement: Statement, **values: Any) -> None:  # noqa: ANN401
        """Nothing comes back."""
        await self._connection.execute(statement.sql, *statement.arguments(values))

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """Undo what was done inside if it fails, and only that."""
        await self._connection.execute("SAVEPOINT inner_verb")
        try:
            yield
        except Exception:
            await self._connection.execute("ROLLBACK TO SAVEPOINT inner_verb; RELEASE SAVEPOINT inner_verb")
            raise
        await self._connection.execute("RELEASE SAVEPOINT inner_verb")


@dataclass(frozen=True)
class Scope:
    """Who asks, with which client. The first argument of every verb; only `Database.scope` makes one."""

    database: "Database"
    user_id: str
    client: str | None = None
    joined: Transaction | None = None
    reading: bool = False
    """Only reads, so that it matters to nobody whether a transaction was committed."""

    def within(self, transaction: Transaction) -> "Scope":
        """The same caller, whose verbs join this transaction instead of beginning their own."""
        return replace(self, joined=transaction)

    @asynccontextmanager
    async def transaction(self, *, snapshot: bool = False) -> AsyncGenerator[Transaction]:
        """Begin as this user; commit at the end, roll back on any exception.

        With `snapshot` all statements see the same moment, and none may write (a transaction that is joined decides
        for itself).

        Raises:
            Unavailable: no connection in time, or the database is away.
        """
        if self.joined is not None:
            async with self.joined.savepoint():
                yield self.joined
            return
        async with self.database.connection() as connection:
            try:
                await self._begin(connection, " ISOLATION LEVEL REPEATABLE READ READ ONLY" if snapshot else "")
                yield Transaction(connection, self.user_id)
            except TimeoutError:
                connection.terminate()  # a peer that is silent would not answer a ROLLBACK either
                raise
            except BaseException:
                await _roll_back(connection)
                raise
            try:
                await connection.execute("COMMIT")
            except SEVERED as error:
                if self.reading:
                    raise
                # Whether it was committed is unknown: the verb must not silently run twice.
                raise Unavailable(
                    "The connection broke while saving. Read the item again to see whether it was saved."
                ) from error

    async def _begin(self, connection: "Connection", mode: str) -> None:
        try:
            await connection.execute(f"BEGIN{mode}; {self._identity()}", timeout=ACQUIRE_SECONDS)
        except _NOT_IDENTIFIED as error:
            raise unidentified(error) from error

    def _identity(self) -> str:
        client = (self.client or "")[:100].replace("\x00", "").replace("'", "''").replace("\\", "/")
        return _IDENTITY.format(user=self.user_id, client=client)


async def _roll_back(connection: "Connection") -> None:
    """End the transaction whatever happened; a connection that cannot is thrown away."""
    try:
        if not connection.is_closed():
            await connection.execute("ROLLBACK", timeout=2)
    except (OSError, asyncio.CancelledError, asyncpg.InterfaceError, asyncpg.PostgresError):
        connection.terminate()


class Database:
    """A pool of connections to one PostgreSQL. Open with `async with Database.open(url)`."""

    def __init__(self, pool: "asyncpg.Pool[Row]", fast_pool: "asyncpg.Pool[Row]", url: str) -> None:
        self.pool = pool
        self.fast_pool = fast_pool
        self.url = url

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, size: int = 10) -> AsyncGenerator["Database"]:
        """Prepare a pool; it connects at the first request, so a database that is away is no reason not to start."""
        create = functools.partial(
            asyncpg.create_pool,
            cleaned(url),
            min_size=0,
            connect=_connect,
            reset=_keep,
            timeout=ACQUIRE_SECONDS,
            command_timeout=COMMAND_SECONDS,
            max_cached_statement_lifetime=0,
            server_settings={"application_name": "taskdeck"},
        )
        async with create(max_size=size) as pool, create(max_size=FAST_POOL_SIZE) as fast_pool:
            yield cls(pool, fast_pool, url)

    def scope(self, user_id: str, client: str | None = None) -> Scope:
        """A scope for a user whose identity was proven by a token, a session or the operating system.

        Raises:
            ValueError: `user_id` has characters that no user id has (`USER_ID` in storage/schema/request_models.py).
        """
        if not re.fullmatch(USER_ID, user_id):
            raise ValueError("user id")
        return Scope(self, user_id, client)

    def nobody(self) -> Scope:
        """A scope that sees no row at all, for the functions that need no caller."""
        return Scope(self, "")

    async def read_alone(self, sql: str) -> list[str]:
        """The columns, as text, of the one row of a query without parameters, in one round trip.

        COPY, because it is the one way in which asyncpg returns rows of a simple query: a prepared statement would
        take a transaction around it behind a pooler, which is four round trips. The query runs as the login, without
        an identity, and never waits behind transactions: such queries have a pool of their own.

        Raises:
            Unavailable: no connection in time, the database is away, or the login may not run the query.
        """
        row = bytearray()

        async def receive(data: bytes) -> None:
            row.extend(data)

        async with self.connection(self.fast_pool) as connection:
            try:
                await connection.copy_from_query(sql, output=receive)
            except asyncpg.InsufficientPrivilegeError as error:
                raise unidentified(error) from error
            except (TimeoutError, asyncio.CancelledError):
                connection.terminate()  # a peer that is silent would not answer a cancel request either
                raise
        return row.decode().rstrip("\n").split("\t")

    @asynccontextmanager
    async def connection(self, pool: "asyncpg.Pool[Row] | None" = None) -> "AsyncGenerator[Connection]":
        """A pooled connection, with the database's faults as storage errors."""
        pool = pool or self.pool
        try:
            connection = await pool.acquire(timeout=ACQUIRE_SECONDS)
        except TimeoutError as error:
            raise Unavailable("The database is busy. Nothing was changed; try again in 2 seconds.") from error
        except _OF_THE_DATABASE as error:
            logger.warning("The database cannot be reached (%s)", type(error).__name__)
            raise Transient("The database cannot be reached. Nothing was changed; try again.") from error
        try:
            yield connection
        except (*_OF_THE_DATABASE, Unprepared) as error:
            raise explained(error) from error
        finally:
            await pool.release(connection)


async def _connect(*args: Any, **kwargs: Any) -> "asyncpg.Connection[Row]":  # noqa: ANN401
    """A connection that keeps prepared statements only if it leads straight to PostgreSQL.

    Behind a pooler in transaction mode a kept statement is another's sooner or later. A pooler makes up the process
    id of the handshake (it is for cancelling), PostgreSQL tells its own. So each new connection is asked, in one
    round trip: where requests lead may change while the server runs.
    """
    connection = await asyncpg.connect(*args, statement_cache_size=STATEMENTS_KEPT, **kwargs)
    try:
        told = connection.get_server_pid()
        if await connection.execute(f"SELECT WHERE pg_backend_pid() = {told:d}") == "SELECT 1":
            return connection
    except BaseException:
        connection.terminate()
        raise
    await connection.close()
    return await asyncpg.connect(*args, statement_cache_size=0, **kwargs)


async def _keep(_: "asyncpg.Connection[Row]") -> None:
    """Nothing to reset: settings are local to their transaction, and ours always ends."""
