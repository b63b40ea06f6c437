"""PostgreSQL ends after its last user, also after one that had no chance to stop it."""
# The processes that matter are others'; nothing else runs in this one's loop.
# ruff: noqa: ASYNC240

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.embedded_users import Guest, ask, copied, guests, is_stopped, server_pid, socket_directory
from tests.support.processes import until

pytest_plugins = ("tests.support.embedded_users",)
pytestmark = pytest.mark.embedded


def watchdogs(data_dir: Path) -> list[int]:
    """The processes that watch this folder."""
    found = list[int]()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            command = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if os.fsencode(data_dir / "postgres") in command and any(part.endswith(b"watchdog.py") for part in command):
                found.append(int(entry.name))
    return found


def is_waiting_for_users(pid: int, data_dir: Path) -> bool:
    """Whether the process sleeps until the lock of the last user is gone, by the kernel's own list."""
    inode = str((data_dir / "postgres/users").stat().st_ino)
    waiting = [line.split() for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
    return any(words[5] == str(pid) and words[6].endswith(f":{inode}") for words in waiting)


def log(data_dir: Path) -> str:
    return (data_dir / "postgres/log").read_text()


def is_pending(number: int, pid: int) -> bool:
    """Whether the process has been sent a signal and has not had it yet."""
    (mask,) = (line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "ShdPnd" in line)
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("count", [1, 3])
async def test_postgres_ends_in_order_after_its_last_user_was_killed(folder: Path, count: int) -> None:
    async with guests(folder, count) as inside:
        uris = [await guest.first_line() for guest in inside]
        await ask(uris[0], "CREATE TABLE kept AS SELECT 7 AS n")
        for guest in inside:
            await guest.get(signal.SIGKILL)
    await until(lambda: is_stopped(folder))
    await until(lambda: not watchdogs(folder))
    assert "received fast shutdown request" in log(folder)
    async with guests(folder) as (next_user,):
        assert await ask(await next_user.first_line(), "SELECT n FROM kept") == 7
    assert "not properly shut down" not in log(folder)


async def test_postgres_stays_for_another_user(folder: Path) -> None:
    async with guests(folder, 2) as (killed, other):
        await killed.first_line()
        uri = await other.first_line()
        (watchdog,) = watchdogs(folder)
        await until(lambda: is_waiting_for_users(watchdog, folder))
        started = await ask(uri, "SELECT pg_postmaster_start_time()")
        await killed.get(signal.SIGKILL)
        assert is_waiting_for_users(watchdog, folder)
        assert await ask(uri, "SELECT pg_postmaster_start_time()") == started


async def test_a_server_without_users_is_taken_over(folder: Path) -> None:
    async with guests(folder) as (killed,):
        started = await ask(await killed.first_line(), "SELECT pg_postmaster_start_time()")
        (watchdog,) = watchdogs(folder)
        await until(lambda: is_waiting_for_users(watchdog, folder))
        await killed.get(signal.SIGKILL)
    await until(lambda: not is_waiting_for_users(watchdog, folder))
    os.kill(watchdog, signal.SIGSTOP)  # the heir may take longer than its grace
    async with guests(folder) as (heir,):
        uri = await heir.first_line()
        os.kill(watchdog, signal.SIGCONT)
        await until(lambda: is_waiting_for_users(watchdog, folder))
        assert await ask(uri, "SELECT pg_postmaster_start_time()") == started


async def test_whoever_enters_while_postgres_is_being_stopped_has_one(folder: Path) -> None:
    async with guests(folder) as (killed,):
        await ask(await killed.first_line(), "CREATE TABLE kept AS SELECT 7 AS n")
        server = server_pid(folder)
        os.kill(server, signal.SIGSTOP)
        await killed.get(signal.SIGKILL)
    await until(lambda: is_pending(signal.SIGINT, server))
    async with guests(folder) as (late,):
        os.kill(server, signal.SIGCONT)
        assert await ask(await late.first_line(), "SELECT n FROM kept") == 7
        assert server_pid(folder) != server
        assert len(watchdogs(folder)) == 1


async def test_a_watchdog_that_is_killed_is_replaced(folder: Path) -> None:
    async with guests(folder, 2) as (first, second):
        await first.first_line()
        await second.first_line()
        (killed,) = watchdogs(folder)
        os.kill(killed, signal.SIGKILL)
        await until(lambda: watchdogs(folder) not in ([], [killed]))
        for guest in (first, second):
            await guest.get(signal.SIGKILL)
    await until(lambda: is_stopped(folder))


async def test_the_next_user_replaces_a_watchdog_that_died_with_the_last(folder: Path) -> None:
    async with guests(folder) as (guest,):
        await guest.first_line()
        for pid in watchdogs(folder):
            os.kill(pid, signal.SIGKILL)
        await guest.get(signal.SIGKILL)
    async with guests(folder) as (guest,):
        await guest.first_line()
        assert len(watchdogs(folder)) == 1
        await guest.get(signal.SIGKILL)
    await until(lambda: is_stopped(folder))


async def test_six_users_have_one_small_watchdog_which_ends_with_them(folder: Path) -> None:
    async with guests(folder, 6) as inside:
        for guest in inside:
            await guest.first_line()
        (watchdog,) = watchdogs(folder)
        memory = Path(f"/proc/{watchdog}/smaps_rollup").read_text()
        (private,) = (int(line.split()[1]) for line in memory.splitlines() if line.startswith("Private_Dirty"))
        assert private < 8 * 1024, "kilobytes"
    await until(lambda: not watchdogs(folder))


async def test_the_folder_outside_the_data_ends_with_its_killed_user(prepared: Path, short: Path) -> None:
    data_dir = copied(prepared, short / ("x" * 150))
    guest = await Guest.enter(data_dir)
    outside = socket_directory(await guest.first_line()).parent
    assert outside.exists()
    await guest.get(signal.SIGKILL)
    await until(lambda: is_stopped(data_dir) and not outside.exists())
