"""Processes that use an embedded PostgreSQL and can be stopped and killed.

A pytest plug-in: a test file that names it in `pytest_plugins` gets the fixtures `stopped_cluster`, `folder` and
`short_path`. Test files also import from it before pytest could rewrite its assertions (PYTEST_DONT_REWRITE).
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

ROOT = Path(__file__).parents[2]

# Uses the database, prints the URI, and stops when stdin closes. Options follow the folder.
PROCESS = """
import asyncio, os, signal, sys
from pathlib import Path
import asyncpg
from storage.embedded_postgres.supervisor import EmbeddedError, running

async def main():
    left = asyncio.Event()
    if "polite" in sys.argv:
        signal.signal(signal.SIGTERM, lambda *_: left.set())
    async with running(Path(sys.argv[1])) as uri:
        asyncio.get_running_loop().add_reader(0, left.set)
        print(uri, flush=True)
        await left.wait()

async def come_and_go():
    for _ in range(5):
        async with running(Path(sys.argv[1])) as uri:
            connection = await asyncpg.connect(uri)
            assert await connection.fetchval("SELECT 1") == 1
            await connection.close()
    print("done")

if "nobody" in sys.argv:  # import lazily loaded modules first: that user may be unable to read them
    import concurrent.futures.thread, encodings.idna, inspect, multiprocessing.util
    import anyio._backends._asyncio
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    asyncio.run(come_and_go() if "busy" in sys.argv else main())
except EmbeddedError as error:
    print("EmbeddedError:", error)
"""


class ClientProcess:
    """A process that uses the embedded database."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(
        cls, data_dir: Path, *options: str, under: tuple[str, ...] = (), packages: Path | None = None
    ) -> "ClientProcess":
        path = os.pathsep.join(str(part) for part in (packages, ROOT) if part)
        process = await asyncio.create_subprocess_exec(
            *under,
            *(sys.executable, "-c", PROCESS, str(data_dir), *options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env={**os.environ, "PYTHONPATH": path},
        )
        return cls(process)

    async def first_line(self) -> str:
        """The printed URI, or the first line of the error."""
        assert self.process.stdout
        return (await self.process.stdout.readline()).decode().strip()

    async def remaining_output(self) -> str:
        assert self.process.stdout
        return (await self.process.stdout.read()).decode()

    async def stop(self) -> int:
        assert self.process.stdin
        self.process.stdin.close()
        return await self.process.wait()

    async def kill(self, signal_number: int) -> int:
        self.process.send_signal(signal_number)
        return await self.process.wait()


async def ask(uri: str, query: str, password: str | None = None) -> object:
    connection = await asyncpg.connect(uri, password=password)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def ask_until_answered(uri: str, query: str) -> object:
    """Retry a query until the server has restarted."""
    async with asyncio.timeout(30):
        while True:
            with suppress(OSError, asyncpg.PostgresError):
                return await ask(uri, query)
            await asyncio.sleep(0.02)


def socket_directory(uri: str) -> Path:
    return Path(parse_qs(urlsplit(uri).query)["host"][0])


def server_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres/data/postmaster.pid").read_text().split()[0])


def is_stopped(data_dir: Path) -> bool:
    """Whether no PostgreSQL process works in the cluster's directory and no pid file names one."""
    data = data_dir / "postgres/data"
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "cwd").readlink() == data:
                return False
    return not (data / "postmaster.pid").exists()


async def all_output(client: ClientProcess) -> str:
    text = await client.first_line() + await client.remaining_output()
    await client.process.wait()
    return text


@asynccontextmanager
async def client_processes(data_dir: Path, count: int = 1, *options: str) -> AsyncGenerator[list[ClientProcess]]:
    clients = [await ClientProcess.start(data_dir, *options) for _ in range(count)]
    try:
        yield clients
    finally:
        for client in clients:
            if client.process.returncode is None:
                await client.stop()


@pytest.fixture(scope="module")
async def stopped_cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster that was started and stopped once; copying it is faster than creating one."""
    folder = tmp_path_factory.mktemp("stopped_cluster")
    async with client_processes(folder) as (client,):
        assert (await client.first_line()).startswith("postgresql://")
    return folder


def copied(stopped_cluster: Path, target: Path) -> Path:
    subprocess.run(["cp", "-a", stopped_cluster, target], check=True)
    return target


@pytest.fixture
def short_path() -> Generator[Path]:
    """A folder with a short path, open to all users."""
    with TemporaryDirectory(dir="/tmp") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture
def folder(stopped_cluster: Path, tmp_path: Path) -> Generator[Path]:
    yield copied(stopped_cluster, tmp_path / "data")
    assert is_stopped(tmp_path / "data")
