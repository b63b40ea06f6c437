"""The examples of CONTRIBUTING.md work as they are printed."""

import re
import sys
from collections.abc import AsyncGenerator
from textwrap import dedent
from types import ModuleType

import asyncpg
import pytest

import storage.tasks
from mcp_server.tools.registry import TOOLS
from tests.conftest import Cluster, Person
from tests.support.catalogue import misconfigurations
from tests.support.postgres import Connection
from tests.support.processes import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
POLICIES = (ROOT / "storage/sql/policies.sql").read_text("utf-8")


def examples(heading: str, language: str) -> list[str]:
    """The code of one language in a section, block by block."""
    section = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(rf"^( *)```{language}\n(.*?)^\1```", section, re.MULTILINE | re.DOTALL)
    return [dedent(code) for _, code in blocks]


def load(name: str, code: str) -> ModuleType:
    """A module with this code."""
    made = ModuleType(name)
    exec(compile(code, f"CONTRIBUTING.md, {name}", "exec"), made.__dict__)
    return made


async def test_new_tool_counts_what_its_test_expects(
    alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    verb, tool, test = examples("Add a tool", "python")
    tagging = load("storage.tasks.tagging", verb)
    monkeypatch.setitem(sys.modules, tagging.__name__, tagging)
    monkeypatch.setattr(storage.tasks, "tagging", tagging, raising=False)
    load("mcp_server.tools.tagging", tool)
    try:
        assert TOOLS["count_tag"].hints.read_only_hint
        await load("tests.tools.test_tagging", test).test_only_visible_open_tasks_are_counted(alice, bob)
    finally:
        del TOOLS["count_tag"]


@pytest.fixture
async def connection(cluster: Cluster) -> AsyncGenerator[Connection]:
    """The administrator of a database that is dropped afterwards."""
    await cluster.create("contributing", "blank")
    connection = await asyncpg.connect(cluster.address("contributing"))
    yield connection
    await connection.close()
    await cluster.drop("contributing")


async def test_new_table_keeps_users_apart(connection: Connection) -> None:
    table, policies = examples("Add a table", "sql")
    await connection.execute(table)
    assert await misconfigurations(connection) == ["favourite_tags has no forced row-level security"]
    for_every_table = re.search(r"^DO \$\$.*?^END \$\$;", POLICIES, re.MULTILINE | re.DOTALL)
    assert for_every_table
    await connection.execute(
        re.sub(r"ARRAY\[.*?\]", "ARRAY['favourite_tags']", for_every_table[0], count=1, flags=re.DOTALL)
    )
    await connection.execute(policies)
    assert await misconfigurations(connection) == []

    await connection.execute("INSERT INTO users (id) VALUES ('alice'), ('bob')")
    await connection.execute("SET ROLE taskdeck_app")
    await connection.execute("SET app.user_id = 'alice'")
    await connection.execute("INSERT INTO favourite_tags VALUES ('alice', 'home')")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("INSERT INTO favourite_tags VALUES ('bob', 'home')")
    assert await connection.fetchval("SELECT count(*) FROM favourite_tags") == 1
    await connection.execute("SET app.user_id = 'bob'")
    assert await connection.fetchval("SELECT count(*) FROM favourite_tags") == 0


async def test_migration_can_be_applied_twice_and_reverted(connection: Connection) -> None:
    (migration,) = examples("Write a migration", "python")
    upgrade, downgrade = re.findall(r'op\.execute\("(.*)"\)', migration)
    for statement in (upgrade, upgrade, downgrade, downgrade, upgrade):
        await connection.execute(statement)
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(
            "INSERT INTO users (id) VALUES ('carol');"
            "INSERT INTO tasks (user_id, title, estimate) VALUES ('carol', 'Water the plants', 0)"
        )
