"""Access to rows: a Scope is a user, and its transaction tells PostgreSQL who that user is.

Every setting is local to its transaction, so a connection carries nothing from one user to the next, even
behind a pooler in transaction mode.
"""

import asyncio
import functools
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import asyncpg

from storage.engine.dsn import cleaned
from storage.engine.quotas import Quotas
from storage.engine.retry import SEVERED, Transient, Unprepared, explained, too_long, unidentified
from storage.engine.statements import Statement
from storage.schema.errors import Unavailable
from storage.schema.plain_text import without_hidden
from storage.schema.request_models import USER_ID

logger = logging.getLogger(__name__)

Row = asyncpg.Record

if TYPE_CHECKING:
    Connection = asyncpg.pool.PoolConnectionProxy[Row]


ACQUIRE_SECONDS = 1.0
"""How long a request waits for a connection, or for the first answer on it, before it is refused for now."""

COMMAND_SECONDS = 6.0
"""How long a statement may take before the connection is closed.

PostgreSQL cancels a statement after 5 seconds (`statement_timeout` below), so this limit only catches a peer that has
stopped answering.
"""

TRANSACTION_SECONDS = 5.0
"""How long a transaction may take before it is rolled back; COMMIT is not included, its result would be unknown.

`statement_timeout` limits each statement alone, and `transaction_timeout` exists since PostgreSQL 17, so this process
watches the time. Should it hang, the server ends the transaction (`_SERVER_LIMIT`; before 17 only an idle one).
"""

_SERVER_LIMIT = ",set_config('transaction_timeout','10s',true)"

# For `read_alone`, whose queries are single round trips and must not wait behind transactions.
FAST_POOL_SIZE = 2
STATEMENTS_KEPT = 200

# One round trip begins the transaction and sets the caller and the time limits. The planner settings belong here
# because a pooler does not preserve session settings (docs/research.md, "Planner settings"). Plans are generic: none
# of our statements needs a plan for particular values, and planning a listing takes as long as running it.
# The role is set because the login may own the schema, and a request must not have the rights of an owner.
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

    def __init__(self, connection: "Connection", user_id: str, quotas: Quotas) -> None:
        self._connection, self.user_id, self.quotas = connection, user_id, quotas

    async def fetch_all(self, statement: Statement, **values: Any) -> list[Row]:  # noqa: ANN401
        """All rows of the result."""
        return await self._connection.fetch(statement.sql, *statement.arguments(values))

    async def fetch_one(self, statement: Statement, **values: Any) -> Row | None:  # noqa: ANN401
        """The first row, or None."""
        return await self._connection.fetchrow(statement.sql, *statement.arguments(values))

    async def fetch_value(self, statement: Statement, **values: Any) -> Any:  # noqa: ANN401
        """The first column of the first row, or None."""
        return await self._connection.fetchval(statement.sql, *statement.arguments(values))

    async def run(self, statement: Statement, **values: Any) -> None:  # noqa: ANN401
        """Run a statement."""
        await self._connection.execute(statement.sql, *statement.arguments(values))

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """Roll back what was done inside if it fails, and nothing else."""
        await self._connection.execute("SAVEPOINT inner_verb")
        try:
            yield
        # Not BaseException: a cancellation ends the whole transaction, which takes the savepoint with it.
        except Exception:
            # ROLLBACK TO keeps the savepoint itself, so it is released as well.
            await self._connection.execute("ROLLBACK TO SAVEPOINT inner_verb; RELEASE SAVEPOINT inner_verb")
            raise
        await self._connection.execute("RELEASE SAVEPOINT inner_verb")


@dataclass(frozen=True)
class Scope:
    """The caller and their client. The first argument of every verb; only `Database` creates one."""

    database: "Database"
    user_id: str
    client: str | None = None
    joined: Transaction | None = None
    reading: bool = False
    """Whether the caller only reads: then a COMMIT with an unknown result may simply be repeated."""
    importing: bool = False  # one transaction for a whole file: only its statements are limited in time
    probing: bool = False  # use the connection for probes, which never waits behind requests

    def within(self, transaction: Transaction) -> "Scope":
        """The same caller, whose verbs join this transaction instead of beginning their own."""
        return replace(self, joined=transaction)

    @asynccontextmanager
    async def transaction(self, *, snapshot: bool = False) -> AsyncGenerator[Transaction]:
        """Begin as this user; commit at the end, roll back on any exception.

        With `snapshot` all statements see the same moment, and none may write. A scope that has joined a transaction
        keeps the isolation of that one and gets a savepoint.

        Raises:
            Unavailable: no connection in time, or the database cannot be reached.
        """
        if self.joined is not None:
            async with self.joined.savepoint():
                yield self.joined
            return
        async with self.database.connection(self.database.probe_pool if self.probing else None) as connection:
            limit = asyncio.timeout(None if self.importing else TRANSACTION_SECONDS)
            try:
                async with limit:
                    await self._begin(connection, " ISOLATION LEVEL REPEATABLE READ READ ONLY" if snapshot else "")
                    yield Transaction(connection, self.user_id, self.database.quotas)
            except TimeoutError as error:
                if limit.expired():
                    await _roll_back(connection)
                    raise too_long() from error
                connection.terminate()  # a peer that has stopped answering would not answer a ROLLBACK either
                raise
            except BaseException:  # cancellation included: the pool resets nothing, see _keep
                await _roll_back(connection)
                raise
            try:
                await connection.execute("COMMIT")
            except SEVERED as error:
                if self.reading:
                    raise
                # The answer to COMMIT is lost, so it is unknown whether the write was saved. Unavailable is not
                # Transient: retry_transient must not run the verb a second time.
                raise Unavailable(
                    "The connection broke while saving. Read the item again to see whether it was saved."
                ) from error

    async def _begin(self, connection: "Connection", mode: str) -> None:
        # The first round trip also shows whether a pooled connection is still alive, hence the short timeout.
        try:
            limited = not self.importing and connection.get_server_version() >= (17,)
            limit = _SERVER_LIMIT if limited else ""
            await connection.execute(f"BEGIN{mode}; {self._identity()}{limit}", timeout=ACQUIRE_SECONDS)
        except _NOT_IDENTIFIED as error:
            raise unidentified(error) from error

    def _identity(self) -> str:
        # Values are part of the text because a batch of statements takes no parameters. A user id matches USER_ID,
        # which allows no quote; the client's name is arbitrary. Where standard_conforming_strings is off, a backslash
        # could escape the quote after it.
        client = (self.client or "")[:100].replace("\x00", "").replace("'", "''").replace("\\", "/")
        return _IDENTITY.format(user=self.user_id, client=client)


async def _roll_back(connection: "Connection") -> None:
    """End the transaction after a failure; a connection on which that fails is closed."""
    try:
        if not connection.is_closed():
            await connection.execute("ROLLBACK", timeout=2)
    except (OSError, asyncio.CancelledError, asyncpg.InterfaceError, asyncpg.PostgresError):
        connection.terminate()


class Database:
    """A pool of connections to one PostgreSQL. Open with `async with Database.open(url)`."""

    def __init__(self, url: str, quotas: Quotas, *pools: "asyncpg.Pool[Row]") -> None:
        self.quotas, self.url, (self.pool, self.fast_pool, self.probe_pool) = quotas, url, pools

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, size: int = 10, quotas: Quotas | None = None) -> AsyncGenerator["Database"]:
        """Prepare a pool. It connects at the first request, so the server starts even if the database is down."""
        # Cached statements have no lifetime (0); asyncpg's default prepares each of them again every five minutes.
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
        async with AsyncExitStack() as stack:
            pools = [await stack.enter_async_context(create(max_size=most)) for most in (size, FAST_POOL_SIZE, 1)]
            yield cls(url, quotas or Quotas(), *pools)

    def scope(self, user_id: str, client: str | None = None) -> Scope:
        """A scope for a user whose identity was proven by a token, a session or the operating system.

        Raises:
            ValueError: `user_id` has characters that no user id has (`USER_ID` in storage/schema/request_models.py).
        """
        if not re.fullmatch(USER_ID, user_id):
            raise ValueError("user id")
        return Scope(self, user_id, without_hidden(client).strip() if client else client)

    def nobody(self, *, probing: bool = False) -> Scope:
        """A scope to which policies show no row, for SECURITY DEFINER functions that need no caller."""
        return Scope(self, "", probing=probing)

    async def read_alone(self, sql: str) -> list[str]:
        """The columns, as text, of the one row of a query without parameters, in one round trip.

        COPY is the only way in which asyncpg returns rows of a simple query. Behind a pooler, a prepared statement
        would need a transaction around it: four round trips instead of one (docs/research.md, "A limit per minute").
        The query runs as the login, without an identity, and has a pool of its own so that it never waits behind
        transactions.

        Raises:
            Unavailable: no connection in time, the database cannot be reached, or the login may not run the query.
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
                connection.terminate()  # a cancel request would wait for the same silent peer
                raise
        return row.decode().rstrip("\n").split("\t")

    @asynccontextmanager
    async def connection(self, pool: "asyncpg.Pool[Row] | None" = None) -> "AsyncGenerator[Connection]":
        """A pooled connection; errors of the database are raised as storage errors."""
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
    """A connection that caches prepared statements only if it leads directly to PostgreSQL.

    Behind a pooler in transaction mode, a prepared statement stays on a server connection that the next transaction may
    not get. A pooler invents the process id of the handshake (clients need it to cancel), PostgreSQL reports its own.
    Each new connection is asked, in one round trip, because an address may start to lead to a pooler while the
    server runs.
    """
    connection = await asyncpg.connect(*args, statement_cache_size=STATEMENTS_KEPT, **kwargs)
    try:
        reported_pid = connection.get_server_pid()
        # The status of a simple query has the number of rows, so the check itself needs no prepared statement.
        if await connection.execute(f"SELECT WHERE pg_backend_pid() = {reported_pid:d}") == "SELECT 1":
            return connection
    except BaseException:
        connection.terminate()
        raise
    await connection.close()
    return await asyncpg.connect(*args, statement_cache_size=0, **kwargs)


async def _keep(_: "asyncpg.Connection[Row]") -> None:
    """Replace the pool's reset, a round trip: settings are local to a transaction, and each is ended before release."""
