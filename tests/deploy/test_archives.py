"""`taskdeck export` on a database and on the embedded one: whose data, which file, and what it says."""

import asyncio
import json
import os
import stat
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.conftest import Person
from tests.support.processes import CommandResult, run_in_process


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def taskdeck(folder: Path, database_url: str, *arguments: str) -> CommandResult:
    """Run a command as the administrator of a database."""
    variables = {"DATABASE_URL": database_url, "TASKDECK_PORT": "8000"}
    return await asyncio.to_thread(run_in_process, *arguments, data_dir=folder / "data", **variables)


async def test_export_by_e_mail_writes_one_file_of_that_person(
    folder: Path, direct_url: str, alice: Person, bob: Person
) -> None:
    await alice.call("add_task", title="Of alice")
    await bob.call("add_task", title="Of bob")
    done = await taskdeck(folder, direct_url, "export", "--user", alice.email.upper(), "--output", "mine.zip")
    assert (done.status, done.stdout) == (0, "mine.zip\n")
    assert "1/1" in done.stderr
    assert os.listdir(folder) == ["mine.zip"]
    assert stat.S_IMODE((folder / "mine.zip").stat().st_mode) == 0o600
    with ZipFile(folder / "mine.zip") as archive:
        assert archive.testzip() is None
        assert json.loads(archive.read("manifest.json"))["user_id"] == alice.user_id
        assert [json.loads(line)["title"] for line in archive.read("tasks.jsonl").splitlines()] == ["Of alice"]


async def test_default_file_is_named_after_the_day(folder: Path, direct_url: str, alice: Person) -> None:
    done = await taskdeck(folder, direct_url, "export", "--user", alice.user_id)
    (name,) = os.listdir(folder)
    assert done.stdout == f"{name}\n"
    assert name.startswith("taskdeck-20")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "--user: name the user"),
        (("--user", "nobody@example.com"), "No user nobody@example.com"),
        (("--user", "{alice}", "--output", "missing/mine.zip"), "--output: missing/mine.zip: No such file"),
    ],
    ids=["no user", "unknown user", "no folder"],
)
async def test_bad_arguments_are_one_line_and_leave_no_file(
    folder: Path, direct_url: str, alice: Person, arguments: tuple[str, ...], reason: str
) -> None:
    given = [argument.format(alice=alice.user_id) for argument in arguments]
    done = await taskdeck(folder, direct_url, "export", *given)
    assert (done.status, done.stdout) == (2, "")
    assert done.stderr.startswith(f"taskdeck: {reason}")
    assert done.stderr.count("\n") == 1
    assert os.listdir(folder) == []


@pytest.mark.long
@pytest.mark.embedded
async def test_the_person_at_this_machine_needs_no_name(folder: Path) -> None:
    done = await asyncio.to_thread(run_in_process, "export", "--output", "mine.zip", data_dir=folder / "data")
    assert (done.status, done.stdout) == (0, "mine.zip\n")
    with ZipFile(folder / "mine.zip") as archive:
        assert json.loads(archive.read("person.json"))["id"] == "local"
