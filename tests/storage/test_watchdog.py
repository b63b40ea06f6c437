"""PostgreSQL stops after its last user process, even if that was killed."""
# The processes that matter are others'; nothing else runs in this one's loop.
# ruff: noqa: ASYNC240

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.embedded_users import (
    ClientProcess,
    ask,
    client_processes,
    copied,
    is_stopped,
    server_pid,
    socket_directory,
)
from tests.support.processes import until

pytest_plugins = ("tests.support.embedded_users",)
pytestmark = [pytest.mark.embedded, pytest.mark.long]


def watchdogs(data_dir: Path) -> list[int]:
    """The watchdog processes of this folder."""
    found = list[int]()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            command = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if os.fsencode(data_dir / "postgres") in command and any(part.endswith(b"watchdog.py") for part in command):
                found.append(int(entry.name))
    return found


def is_waiting_for_users(pid: int, data_dir: Path) -> bool:
    """Whether the process is blocked on the users' lock, according to /proc/locks."""
    inode = str((data_dir / "postgres/users").stat().st_ino)
    waiting = [line.split() for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
    return any(words[5] == str(pid) and words[6].endswith(f":{inode}") for words in waiting)


def log(data_dir: Path) -> str:
    return (data_dir / "postgres/log").read_text()


def is_pending(number: int, pid: int) -> bool:
    """Whether a signal is pending for the process."""
    (mask,) = (line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "ShdPnd" in line)
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("count", [1, 3])
async def test_postgres_stops_cleanly_after_its_last_user_was_killed(folder: Path, count: int) -> None:
    async with client_processes(folder, count) as clients:
        uris = [await client.first_line() for client in clients]
        await ask(uris[0], "CREATE TABLE kept AS SELECT 7 AS n")
        for client in clients:
            await client.kill(signal.SIGKILL)
    await until(lambda: is_stopped(folder))
    await until(lambda: not watchdogs(folder))
    assert "received fast shutdown request" in log(folder)
    async with client_processes(folder) as (next_user,):
        assert await ask(await next_user.first_line(), "SELECT n FROM kept") == 7
    assert "not properly shut down" not in log(folder)


async def test_postgres_stays_for_another_user(folder: Path) -> None:
    async with client_processes(folder, 2) as (killed, other):
        await killed.first_line()
        uri = await other.first_line()
        (watchdog,) = watchdogs(folder)
        await until(lambda: is_waiting_for_users(watchdog, folder))
        started = await ask(uri, "SELECT pg_postmaster_start_time()")
        await killed.kill(signal.SIGKILL)
        assert is_waiting_for_users(watchdog, folder)
        assert await ask(uri, "SELECT pg_postmaster_start_time()") == started


async def test_server_without_users_is_taken_over(folder: Path) -> None:
    async with client_processes(folder) as (killed,):
        started = await ask(await killed.first_line(), "SELECT pg_postmaster_start_time()")
        (watchdog,) = watchdogs(folder)
        await until(lambda: is_waiting_for_users(watchdog, folder))
        await killed.kill(signal.SIGKILL)
    await until(lambda: not is_waiting_for_users(watchdog, folder))
    os.kill(watchdog, signal.SIGSTOP)  # the next user may take longer than the grace period
    async with client_processes(folder) as (heir,):
        uri = await heir.first_line()
        os.kill(watchdog, signal.SIGCONT)
        await until(lambda: is_waiting_for_users(watchdog, folder))
        assert await ask(uri, "SELECT pg_postmaster_start_time()") == started


async def test_process_entering_during_shutdown_gets_a_server(folder: Path) -> None:
    async with client_processes(folder) as (killed,):
        await ask(await killed.first_line(), "CREATE TABLE kept AS SELECT 7 AS n")
        server = server_pid(folder)
        os.kill(server, signal.SIGSTOP)
        await killed.kill(signal.SIGKILL)
    await until(lambda: is_pending(signal.SIGINT, server))
    async with client_processes(folder) as (late,):
        os.kill(server, signal.SIGCONT)
        assert await ask(await late.first_line(), "SELECT n FROM kept") == 7
        assert server_pid(folder) != server
        assert len(watchdogs(folder)) == 1


async def test_killed_watchdog_is_replaced(folder: Path) -> None:
    async with client_processes(folder, 2) as (first, second):
        await first.first_line()
        await second.first_line()
        (killed,) = watchdogs(folder)
        os.kill(killed, signal.SIGKILL)
        await until(lambda: watchdogs(folder) not in ([], [killed]))
        for client in (first, second):
            await client.kill(signal.SIGKILL)
    await until(lambda: is_stopped(folder))


async def test_next_user_replaces_a_watchdog_that_died_with_the_last(folder: Path) -> None:
    async with client_processes(folder) as (client,):
        await client.first_line()
        for pid in watchdogs(folder):
            os.kill(pid, signal.SIGKILL)
        await client.kill(signal.SIGKILL)
    async with client_processes(folder) as (client,):
        await client.first_line()
        assert len(watchdogs(folder)) == 1
        await client.kill(signal.SIGKILL)
    await until(lambda: is_stopped(folder))


async def test_six_users_share_one_watchdog_which_ends_with_them(folder: Path) -> None:
    async with client_processes(folder, 6) as clients:
        for client in clients:
            await client.first_line()
        (watchdog,) = watchdogs(folder)
        memory = Path(f"/proc/{watchdog}/smaps_rollup").read_text()
        (private,) = (int(line.split()[1]) for line in memory.splitlines() if line.startswith("Private_Dirty"))
        assert private < 8 * 1024, "kilobytes"
    await until(lambda: not watchdogs(folder))


async def test_socket_folder_is_removed_after_its_user_is_killed(stopped_cluster: Path, short_path: Path) -> None:
    data_dir = copied(stopped_cluster, short_path / ("x" * 150))
    client = await ClientProcess.start(data_dir)
    outside = socket_directory(await client.first_line()).parent
    assert outside.exists()
    await client.kill(signal.SIGKILL)
    await until(lambda: is_stopped(data_dir) and not outside.exists())
