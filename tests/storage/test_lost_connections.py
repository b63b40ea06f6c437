"""Reads that lose their connection while PostgreSQL executes them, through every tool that reads."""

import asyncio
from typing import Any

import asyncpg
import pytest

from mcp_server.tools.registry import TOOLS
from tests.conftest import Cluster, Person

READS: dict[str, dict[str, Any]] = {
    "list_tasks": {},
    "get_task": {"task_id": "task"},
    "list_changes": {},
    "list_teams": {},
    "list_conversations": {},
    "get_conversation": {"conversation_id": "conversation"},
    "search_messages": {"query": "plants"},
    "search": {"query": "plants"},
    "fetch": {"id": "task:task"},
    "get_statistics": {},
}
"""Tools and arguments, with the words `task` and `conversation` for the ids of one of each."""

END_WHO_WAITS = """SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"""


def test_every_tool_that_reads_a_table_is_covered() -> None:
    assert {name for name, tool in TOOLS.items() if tool.hints.read_only_hint} == {*READS, "whoami"}


@pytest.mark.parametrize("tool", READS)
async def test_read_with_a_lost_connection_is_retried(alice: Person, cluster: Cluster, tool: str) -> None:
    task = (await alice.call("add_task", title="Water the plants"))["id"]
    messages = [{"role": "user", "content": "Water the plants"}]
    conversation = (await alice.call("start_conversation", title="Garden", messages=messages))["id"]
    ids = {"task": task, "conversation": conversation, "task:task": f"task:{task}"}
    arguments = {name: ids.get(value, value) for name, value in READS[tool].items()}
    before = await alice.call(tool, **arguments)
    rival = await asyncpg.connect(cluster.address("tests"))
    async with rival.transaction():
        await rival.execute("LOCK TABLE tasks, teams, conversations, messages IN ACCESS EXCLUSIVE MODE")
        reading = asyncio.create_task(alice.call(tool, **arguments))
        while not reading.done() and not await rival.fetchval(END_WHO_WAITS):  # noqa: ASYNC110 - a lock raises no event
            await asyncio.sleep(0.01)
    await rival.close()
    assert await reading in (before, await alice.call(tool, **arguments))  # another day has other statistics
