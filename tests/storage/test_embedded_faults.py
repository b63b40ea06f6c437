"""Why the embedded PostgreSQL does not start, as the person who started it reads it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from storage.embedded_postgres import watchdog
from tests.support.embedded_users import ClientProcess, all_output

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.embedded_users",)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give up capabilities")


async def test_wrong_password_is_named_with_its_file(folder: Path) -> None:
    password = folder / "postgres/password"
    right = password.read_text()
    password.write_text("wrong")
    seen = await all_output(await ClientProcess.start(folder))
    password.write_text(right)
    assert seen.startswith(f"EmbeddedError: PostgreSQL refuses the password in {password}: put the right one back")


async def test_error_output_of_initdb_is_part_of_the_message(tmp_path: Path) -> None:
    # A file of PostgreSQL may then have 64 KiB at most, and no cluster is as small as that.
    client = await ClientProcess.start(tmp_path / "new", under=("prlimit", "--fsize=65536"))
    seen = await all_output(client)
    assert seen.startswith(f"EmbeddedError: PostgreSQL cannot make its cluster in {tmp_path}/new/postgres.")
    assert "\n    initdb: removing contents of data directory" in seen
    assert not (tmp_path / "new/postgres/data.new").exists()


@needs_root
async def test_root_that_may_not_become_another_user_is_told_to_run_as_one(folder: Path) -> None:
    under = ("setpriv", "--bounding-set=-setuid,-setgid")
    seen = await all_output(await ClientProcess.start(folder, under=under))
    assert seen.startswith(
        "EmbeddedError: PostgreSQL refuses root, and root may not become another user here: run Taskdeck as an "
        "ordinary user. Set DATABASE_URL to use a PostgreSQL of your own."
    )


def test_server_without_a_readable_process_id_is_not_signalled(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert not watchdog.interrupt_server(str(tmp_path)), "no file"
    file = tmp_path / "data/postmaster.pid"
    file.write_text("")
    assert not watchdog.interrupt_server(str(tmp_path)), "PostgreSQL has created its file, but written nothing yet"
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    file.write_text(f"{ended.pid}\n")
    assert not watchdog.interrupt_server(str(tmp_path)), "no such process"
