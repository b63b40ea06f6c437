"""The PostgreSQL 18 that comes with Taskdeck: started when first needed, stopped by the last process that uses it.

Which processes use the server, and whether it is alive, is known from locks, which the kernel releases however a
process ends. A pid file would outlive its process and may then name another one.
"""

import asyncio
import fcntl
import logging
import shutil
import signal
import threading
from collections.abc import AsyncGenerator, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Literal
from urllib.parse import unquote, urlsplit

import asyncpg
from anyio import CancelScope

from storage.embedded_postgres.cluster import DATABASE, OWNER, SUPERUSER, Cluster, EmbeddedError
from storage.embedded_postgres.watchdog import try_lock

__all__ = ["EmbeddedError", "administrator_uri", "running"]

PATIENCE = 60.0  # seconds without a sign of life; crash recovery gives one and may take longer
WATCH_INTERVAL = 0.5  # seconds
RETRY_INTERVAL = 5.0  # seconds, when it or its watchdog cannot be started again

logger = logging.getLogger(__name__)


@asynccontextmanager
async def running(data_dir: Path) -> AsyncGenerator[str]:
    """A PostgreSQL in `data_dir/postgres`, started if need be and shared with other processes.

    Yields the URI of the database's owner, who is not a superuser:
    `postgresql://taskdeck:password@/taskdeck?host=<socket directory>&port=5432`. It stays the same across restarts.
    While inside, a server that dies is restarted within about a second. SIGTERM and SIGHUP unwind the caller like
    Ctrl-C, unless the program has handlers of its own.

    Raises:
        EmbeddedError: it cannot be started.
    """
    supervisor = _Supervisor(Cluster(data_dir))
    with _unwinding_on_signals(), supervisor.cluster.opened("users") as presence:
        try:
            # Locked under `alone`, so that a process that is about to stop the server as its last user sees this one.
            async with supervisor.alone():
                fcntl.flock(presence, fcntl.LOCK_SH)
                supervisor.cluster.ensure_watchdog()
                await supervisor.start()
            watch = asyncio.create_task(supervisor.watch())
            try:
                with supervisor.cluster.keeping_shared_dir():
                    yield supervisor.cluster.uri()
            finally:
                watch.cancel()
        finally:
            await _finish(supervisor.leave(presence))


def administrator_uri(data_dir: Path) -> str:
    """The URI of the superuser, to whom policies do not apply. Valid while a process is `running` the server."""
    return Cluster(data_dir).uri(SUPERUSER)


class _Supervisor:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None]:
        """Let no other process start or stop the server. Waits as long as others take, even for crash recovery."""
        with self.cluster.opened("lock") as lock:
            while not try_lock(lock, fcntl.LOCK_EX):  # noqa: ASYNC110 - a free lock raises no event
                await asyncio.sleep(0.01)
            yield

    async def start(self) -> None:
        """Return once the server answers. The caller must be `alone`."""
        seen, launched, written = monotonic(), False, 0
        while (state := await self._state()) != "ready":
            if not self.cluster.is_deserted():
                # Crash recovery may take longer than PATIENCE, but the server answers meanwhile, with an error.
                if state == "busy":
                    seen = monotonic()
                if monotonic() - seen > PATIENCE:
                    raise EmbeddedError(
                        f"PostgreSQL in {self.cluster.home} runs, but has not answered for {PATIENCE:.0f} s. "
                        f"Stop its processes and try again.{self.cluster.last_words(0)}"
                    )
                await asyncio.sleep(0.02)
            elif launched:
                raise EmbeddedError(
                    f"PostgreSQL in {self.cluster.home} does not start.{self.cluster.last_words(written)}"
                )
            else:
                written = self.cluster.log_size()
                launched = await asyncio.to_thread(self.cluster.launch)
                seen = monotonic()

    async def watch(self) -> None:
        """Restart the server and its watchdog whenever they are gone, and keep the log short."""
        watchdog_due = monotonic() + RETRY_INTERVAL
        while True:
            await asyncio.sleep(WATCH_INTERVAL)
            try:
                if self.cluster.is_deserted():
                    logger.warning("PostgreSQL in %s has died: starting it again", self.cluster.home)
                    async with self.alone():
                        await self.start()
                if monotonic() > watchdog_due:
                    watchdog_due = monotonic() + RETRY_INTERVAL
                    await self._replace_watchdog()
                self.cluster.shorten_log()
            except EmbeddedError as error:
                logger.error("%s", error)
                await asyncio.sleep(RETRY_INTERVAL)

    async def _replace_watchdog(self) -> None:
        if not self.cluster.has_watchdog():
            async with self.alone():
                self.cluster.ensure_watchdog()

    async def leave(self, presence: int) -> None:
        """Stop the server if no other process uses it. `presence` is the descriptor with the lock on `users`."""
        async with self.alone():
            if not await _is_last(presence):
                return
            asked, deadline = False, monotonic() + PATIENCE
            while not self.cluster.is_deserted() and monotonic() < deadline:
                # Repeated until it succeeds: a server that is just starting has no pid file yet.
                asked = asked or self.cluster.ask_to_stop()
                await asyncio.sleep(0.01)
            shutil.rmtree(self.cluster.shared_dir(), ignore_errors=True)

    async def _state(self) -> Literal["ready", "busy", "silent"]:
        """What a client gets. `busy` is a server that starts, recovers or stops."""
        if not self.cluster.exists():
            return "silent"
        uri = self.cluster.uri(SUPERUSER)
        try:
            await (await asyncpg.connect(uri, timeout=5)).close()
        # The database is missing on the first start, and after one that was interrupted.
        except asyncpg.InvalidCatalogNameError:
            await _create_database(uri)
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            raise EmbeddedError(
                f"PostgreSQL refuses the password in {self.cluster.home / 'password'}: put the right one back, "
                "or choose another folder with TASKDECK_DATA_DIR."
            ) from error
        # Only a running server counts its connections.
        except asyncpg.TooManyConnectionsError:
            return "ready"
        # 57P01 to 57P03: a shutdown was requested, the server crashed, or it does not accept connections now.
        except asyncpg.PostgresError as error:
            return "busy" if str(error.sqlstate).startswith("57P") else "silent"
        except (OSError, asyncpg.InterfaceError):
            return "silent"
        return "ready"


async def _is_last(presence: int) -> bool:
    """Whether no other process uses the server: if so the exclusive lock is held on return, else none."""
    # The watchdog also takes the exclusive lock, for an instant. Only if a shared one is granted, another user has one.
    while not try_lock(presence, fcntl.LOCK_EX):
        if try_lock(presence, fcntl.LOCK_SH):
            fcntl.flock(presence, fcntl.LOCK_UN)
            return False
        await asyncio.sleep(0.001)
    return True


async def _create_database(uri: str) -> None:
    # The owner has the rights of a login on a hosted PostgreSQL: it creates roles and tables, and policies apply to it.
    connection = await asyncpg.connect(uri, database="postgres")
    try:
        password = unquote(urlsplit(uri).password or "")
        with suppress(asyncpg.DuplicateObjectError):
            await connection.execute(f"CREATE ROLE {OWNER} LOGIN CREATEROLE PASSWORD '{password}'")
        await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
    finally:
        await connection.close()


async def _finish(work: Coroutine[object, object, None]) -> None:
    """Await work to its end, however often the caller is cancelled meanwhile; then raise the cancellation."""
    # An abandoned shutdown would leave the server running. CancelScope shields from anyio, the loop from asyncio.
    task = asyncio.ensure_future(work)
    cancelled = None
    with CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancelled = error
    task.result()
    if cancelled:
        raise cancelled


@contextmanager
def _unwinding_on_signals() -> Generator[None]:
    """Cancel the caller on SIGTERM and SIGHUP, and exit when it has unwound.

    Signals that have a handler are left alone. A handler that is set later takes precedence: that of uvicorn raises its
    signal again after the shutdown, and then this one runs.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    received: list[int] = []

    def unwind(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        # A handler runs between two instructions of the main thread; only this call also wakes the event loop.
        if task:
            loop.call_soon_threadsafe(task.cancel)

    # Python runs no handlers in other threads, and does not let them set any.
    ours: list[int] = []
    if threading.current_thread() is threading.main_thread():
        ours = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, unwind)
    try:
        yield
    except asyncio.CancelledError:
        if received:
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
