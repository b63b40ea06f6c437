"""Lines that commands print for people to read and to copy."""

import secrets
from pathlib import Path

import pytest

from tests.conftest import Cluster
from tests.support.processes import run_in_process


@pytest.fixture
async def seeded_url(cluster: Cluster) -> str:
    """The URL of an empty database of its own."""
    return await cluster.create(f"seeded_{secrets.token_hex(4)}", "blank")


def test_seed_prints_what_there_is_and_the_command_for_a_token(seeded_url: str, tmp_path: Path) -> None:
    seeded = run_in_process("seed", "--tasks", "3", "--users", "2", data_dir=tmp_path, DATABASE_URL=seeded_url)
    assert seeded.status == 0, seeded.stderr
    assert seeded.stdout.splitlines()[:2] == [
        "There are 3 tasks of 2 people, the busiest being demo-01. To ask as that person:",
        "  taskdeck token --user demo-01",
    ]


def test_doctor_begins_each_line_of_its_table_with_the_verdict(tmp_path: Path) -> None:
    url = "postgresql://u:secret@127.0.0.1:1/db"
    seen = run_in_process("doctor", data_dir=tmp_path, COLUMNS="200", DATABASE_URL=url)
    assert seen.status == 1
    lines = seen.stdout.splitlines()
    assert any(line.startswith("ok  data folder") for line in lines)
    assert any(line.startswith("!!  ") for line in lines)
