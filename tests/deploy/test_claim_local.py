"""`taskdeck claim-local` and `taskdeck token`: whose tasks are those of the person at this machine."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import jwt
import pytest

from storage.embedded_postgres import supervisor
from tests.support.processes import CommandResult, run_in_process

ELSEWHERE = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/db", "TASKDECK_PORT": "8000"}


@pytest.fixture
async def data_dir(tmp_path: Path) -> AsyncGenerator[Path]:
    """A data folder whose embedded database runs."""
    async with supervisor.running(tmp_path / "data"):
        yield tmp_path / "data"


async def add_accounts(data_dir: Path, **emails: str) -> None:
    """Accounts by user id, in the table that the dashboard makes for them."""
    async with supervisor.running(data_dir) as url:
        connection = await asyncpg.connect(url)
        await connection.execute(
            'CREATE SCHEMA auth; CREATE TABLE auth."user" (id text, email text, "createdAt" timestamptz DEFAULT now())'
        )
        await connection.executemany('INSERT INTO auth."user" VALUES ($1, $2)', list(emails.items()))
        await connection.close()


async def claim(data_dir: Path, *arguments: str) -> CommandResult:
    return await asyncio.to_thread(run_in_process, "claim-local", *arguments, data_dir=data_dir)


@pytest.mark.embedded
async def test_an_account_becomes_the_owner_and_takes_nothing_of_other_accounts(data_dir: Path) -> None:
    without = await claim(data_dir, "--user", "ada@example.com")
    assert (without.status, without.stdout) == (2, "")
    assert "Make one on the dashboard first" in without.stderr
    assert (await claim(data_dir, "--user", "local")).stdout.startswith("local is the person at this machine")
    await add_accounts(data_dir, **{"id-ada": "ada@example.com", "local": "bob@example.com"})
    refused = await claim(data_dir, "--user", "ada@example.com", "--from", "local")
    assert (refused.status, refused.stdout) == (2, "")
    assert refused.stderr == "taskdeck: --from: bob@example.com is an account of its own, and its tasks stay there\n"
    unknown = await claim(data_dir, "--user", "eve@example.com")
    assert unknown.status == 2
    assert "no account eve@example.com. The accounts are: ada@example.com, bob@example.com" in unknown.stderr
    assert (data_dir / "owner").read_text() == "local"
    claimed = await claim(data_dir, "--user", "ADA@example.com")
    assert claimed.stdout.startswith("ada@example.com is the person at this machine")
    assert (data_dir / "owner").read_text() == "id-ada"


def test_claim_local_is_refused_on_a_database_elsewhere(tmp_path: Path) -> None:
    ended = run_in_process("claim-local", "--user", "ada@example.com", data_dir=tmp_path, **ELSEWHERE)
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith("taskdeck: claim-local is for the embedded database")


def test_a_token_on_a_database_elsewhere_needs_a_user(tmp_path: Path) -> None:
    ended = run_in_process("token", data_dir=tmp_path, **ELSEWHERE)
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith("taskdeck: --user: name the user")
    assert subject(run_in_process("token", "--user", "ada", data_dir=tmp_path, **ELSEWHERE)) == "ada"


def test_a_token_without_a_user_is_for_the_owner_of_the_data_folder(tmp_path: Path) -> None:
    assert subject(run_in_process("token", data_dir=tmp_path, TASKDECK_PORT="8000")) == "local"
    (tmp_path / "owner").write_text("id-ada\n")
    assert subject(run_in_process("token", data_dir=tmp_path, TASKDECK_PORT="8000")) == "id-ada"


def subject(ended: CommandResult) -> str:
    assert ended.status == 0, ended.stderr
    return jwt.decode(ended.stdout.strip(), options={"verify_signature": False})["sub"]
