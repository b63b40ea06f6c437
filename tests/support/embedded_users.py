"""Processes that use an embedded PostgreSQL, to be stopped, killed and left to each other.

A pytest plug-in: a test file that names it in `pytest_plugins` gets the fixtures `prepared`, `folder` and `short`. Test
files also import from it before pytest could rewrite its assertions (PYTEST_DONT_REWRITE).
"""
# The processes that matter are others'; nothing else runs in this one's loop.

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

# Enters, says the URI, and leaves when its input ends. Options follow the folder.
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

if "nobody" in sys.argv:  # who may be unable to read the modules that are only imported on first use
    import concurrent.futures.thread, encodings.idna, inspect, multiprocessing.util
    import anyio._backends._asyncio
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    asyncio.run(come_and_go() if "busy" in sys.argv else main())
except EmbeddedError as error:
    print("EmbeddedError:", error)
"""


class Guest:
    """One process inside the embedded database."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def enter(
        cls, data_dir: Path, *options: str, under: tuple[str, ...] = (), packages: Path | None = None
    ) -> "Guest":
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
        """The URI, or the first line of the error."""
        assert self.process.stdout
        return (await self.process.stdout.readline()).decode().strip()

    async def rest(self) -> str:
        assert self.process.stdout
        return (await self.process.stdout.read()).decode()

    async def leave(self) -> int:
        assert self.process.stdin
        self.process.stdin.close()
        return await self.process.wait()

    async def get(self, signal_number: int) -> int:
        self.process.send_signal(signal_number)
        return await self.process.wait()


async def ask(uri: str, query: str, password: str | None = None) -> object:
    connection = await asyncpg.connect(uri, password=password)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def ask_patiently(uri: str, query: str) -> object:
    """For a server that is about to come back."""
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
    """No process has the cluster as its working directory, as PostgreSQL's have, and none says that it serves it."""
    data = data_dir / "postgres/data"
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "cwd").readlink() == data:
                return False
    return not (data / "postmaster.pid").exists()


async def last_words(guest: Guest) -> str:
    text = await guest.first_line() + await guest.rest()
    await guest.process.wait()
    return text


@asynccontextmanager
async def guests(data_dir: Path, count: int = 1, *options: str) -> AsyncGenerator[list[Guest]]:
    inside = [await Guest.enter(data_dir, *options) for _ in range(count)]
    try:
        yield inside
    finally:
        for guest in inside:
            if guest.process.returncode is None:
                await guest.leave()


@pytest.fixture(scope="module")
async def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster that was started and stopped once; tests take copies, which is faster than making new ones."""
    folder = tmp_path_factory.mktemp("prepared")
    async with guests(folder) as (guest,):
        assert (await guest.first_line()).startswith("postgresql://")
    return folder


def copied(prepared: Path, target: Path) -> Path:
    subprocess.run(["cp", "-a", prepared, target], check=True)
    return target


@pytest.fixture
def short() -> Generator[Path]:
    """A folder with a short path that everybody may enter."""
    with TemporaryDirectory(dir="/tmp") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Generator[Path]:
    yield copied(prepared, tmp_path / "data")
    assert is_stopped(tmp_path / "data")
