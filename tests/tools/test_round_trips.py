"""How many round trips to PostgreSQL the call of each tool takes, those of BEGIN and COMMIT included."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from asyncpg.connection import LoggedQuery
from mcp import Client

from mcp_server.tools.registry import TOOLS
from storage.engine.database import Database
from tests.conftest import Person
from tests.support.valid_calls import PREPARED, SIMPLE, World

ORDINARY: dict[str, dict[str, Any]] = {
    "whoami": {},
    "add_task": {"title": "Call the supplier", "priority": "high", "due": "2027-01-31", "tags": ["orders"]},
    "list_tasks": {},
    "complete_task": {"task_id": None},
    "get_statistics": {},
}
"""The calls that benchmarks/run.py measures. None stands for the id of a new task."""

WITH_EVERY_ARGUMENT = {
    "add_task": 9,
    "add_tasks": 10,
    "add_team_member": 9,
    "append_messages": 5,
    "complete_task": 3,
    "create_team": 4,
    "delete_conversation": 3,
    "delete_task": 4,
    "delete_team": 5,
    "fetch": 7,
    "get_conversation": 5,
    "get_statistics": 4,
    "get_task": 7,
    "list_changes": 4,
    "list_conversations": 4,
    "list_tasks": 4,
    "list_teams": 4,
    "manage_invitations": 4,
    "remove_team_member": 7,
    "restore_task": 4,
    "search": 13,
    "search_messages": 7,
    "set_timezone": 4,
    "share_task": 8,
    "start_conversation": 7,
    "undo": 9,
    "unshare_task": 7,
    "update_task": 8,
    "whoami": 3,
}
"""Round trips of the calls in tests/support/valid_calls.py, which also look up teams, parents, people and keys."""


@asynccontextmanager
async def recorded(person: Person, url: str) -> AsyncGenerator[tuple[Client, list[str]]]:
    """A client, and what its server sends: each is one round trip once asyncpg has prepared the statement.

    The server has one connection, has noted the person's profile and counted what they use of their limits.
    """
    sent: list[str] = []

    def note(query: LoggedQuery) -> None:
        sent.append(query.query)

    async with Database.open(url, size=1) as database:
        async with database.connection() as connection:
            connection.add_query_logger(note)
        async with replace(person, database=database).client() as client:
            await client.call_tool("whoami", {})
            yield client, sent


@pytest.mark.parametrize("tool", ORDINARY)
async def test_ordinary_call_takes_three_round_trips(tool: str, alice: Person, database_url: str) -> None:
    task = (await alice.call("add_task", title="Call the supplier"))["id"]
    arguments = {name: task if value is None else value for name, value in ORDINARY[tool].items()}
    async with recorded(alice, database_url) as (client, sent):
        sent.clear()
        result = await client.call_tool(tool, arguments)
        assert (result.is_error, len(sent)) == (False, 3), sent


async def test_call_with_every_argument_takes_no_more_round_trips(
    alice: Person, bob: Person, database_url: str
) -> None:
    world, found = await World.made(alice, bob), dict[str, int]()
    async with recorded(alice, database_url) as (client, sent):
        # Backwards, so that a share is ended before it is offered again.
        for tool in sorted(TOOLS, reverse=True):
            arguments = await PREPARED[tool](world) if tool in PREPARED else SIMPLE[tool](world)
            sent.clear()
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, result
            found[tool] = len(sent)
    assert found == WITH_EVERY_ARGUMENT
