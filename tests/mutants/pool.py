"""Workers side by side, each with a sandbox and a PostgreSQL of its own."""

import asyncio
import hashlib
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TypeVar

import asyncpg

from tests.conftest import Cluster, running_cluster
from tests.mutants.sandbox import Sandbox
from tests.mutants.worker import LOG, Ended, Job

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".mutants"

LONGEST_ANSWER = 2**26
"""Bytes of a line that tells about every test of a file."""

T = TypeVar("T")

_KEPT = ["postgres", "taskdeck", "blank", "template0", "template1"]
_ROLES = """SELECT r.*, ARRAY(SELECT m.roleid::text FROM pg_auth_members m WHERE m.member = r.oid ORDER BY 1)
FROM (SELECT oid, rolname, rolsuper, rolinherit, rolcreaterole, rolbypassrls, rolcanlogin, rolconfig FROM pg_roles) r
ORDER BY rolname"""


@dataclass
class Worker:
    """Runs pytest in its sandbox, one job at a time."""

    number: int
    sandbox: Sandbox
    _cluster: AsyncExitStack
    _process: Process | None = None
    _url: str = ""
    _roles: str = ""

    async def run(self, job: Job) -> Ended:
        """Run a job, and clean up behind it."""
        job = replace(job, temporary=str(self.sandbox.temporary), database=self._url)
        ended = await self._ask(job)
        self.sandbox.sweep()
        await self._tidy(ended)
        return ended

    async def start(self) -> None:
        """Start the process, or start it again."""
        await self.stop()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("TASKDECK_", "PG"))}
        environment |= {"PYTHONPATH": str(self.sandbox.folder), "TASKDECK_TEST_EXAMPLES": "5"}
        command = (sys.executable, "-m", "tests.mutants.worker")
        self._process = await asyncio.create_subprocess_exec(
            *command, cwd=self.sandbox.folder, env=environment, stdin=PIPE, stdout=PIPE, limit=LONGEST_ANSWER
        )
        assert self._process.stdout
        assert await self._process.stdout.readline() == b"ready\n", f"worker {self.number} does not start"

    async def stop(self) -> None:
        """End the process."""
        if self._process:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _ask(self, job: Job) -> Ended:
        """Send a job. A worker that a test killed (a test may signal more than it means to) is started again."""
        assert self._process
        assert self._process.stdin
        assert self._process.stdout
        began = monotonic()
        try:
            self._process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
            if answer := await self._process.stdout.readline():
                return Ended(**json.loads(answer))
        except ConnectionError:
            pass
        print(f"worker {self.number} is gone: starting it again", file=sys.stderr, flush=True)
        await self.start()
        return Ended(-1, monotonic() - began, timeout=True)

    def log(self) -> str:
        """The end of what pytest printed."""
        return (self.sandbox.folder / LOG).read_text("utf-8", errors="replace")[-3000:]

    async def open_cluster(self) -> None:
        """Have a new PostgreSQL."""
        await self._cluster.aclose()
        found: Cluster = await self._cluster.enter_async_context(running_cluster())
        self._url = found.url
        connection = await asyncpg.connect(found.url)
        # Nothing of this must outlast a crash.
        await connection.execute("ALTER ROLE ALL SET synchronous_commit = off")
        self._roles = await _digest_roles(connection)
        await connection.close()

    async def _tidy(self, ended: Ended) -> None:
        """Drop the databases of the run; take a new PostgreSQL when the run changed its roles or was killed."""
        if not ended.timeout:
            try:
                connection = await asyncpg.connect(self._url)
                for row in await connection.fetch("SELECT datname FROM pg_database WHERE datname <> ALL ($1)", _KEPT):
                    await connection.execute(f'DROP DATABASE "{row[0]}" WITH (FORCE)')
                roles = await _digest_roles(connection)
                await connection.close()
            except (OSError, asyncpg.PostgresError):
                roles = ""
            if roles == self._roles:
                return
        await self.open_cluster()


async def _digest_roles(connection: "asyncpg.Connection[asyncpg.Record]") -> str:
    return hashlib.sha256(repr(await connection.fetch(_ROLES)).encode()).hexdigest()


@asynccontextmanager
async def _worker(number: int) -> AsyncGenerator[Worker]:
    async with AsyncExitStack() as cluster:
        worker = Worker(number, Sandbox(ROOT, CACHE / f"sandbox-{number}"), cluster)
        try:
            await worker.open_cluster()
            await worker.start()
            yield worker
        finally:
            await worker.stop()
            worker.sandbox.close()


@asynccontextmanager
async def workers(count: int) -> AsyncGenerator[list[Worker]]:
    """That many workers."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_worker(number)) for number in range(count)]


async def share_out(pool: list[Worker], tasks: Iterable[T], work: Callable[[Worker, T], Awaitable[None]]) -> None:
    """Let each worker take the next task when it is done with one."""
    waiting = iter(tasks)

    async def keep_busy(worker: Worker) -> None:
        for task in waiting:
            await work(worker, task)

    async with asyncio.TaskGroup() as group:
        for worker in pool:
            group.create_task(keep_busy(worker))
