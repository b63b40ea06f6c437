"""Announcements between replicas: which ones are handed out, whatever else is sent on the channel."""

import json
from collections.abc import AsyncGenerator

import asyncpg
import pytest

from storage.engine.database import Database, Row
from storage.events.changes import ConversationChange, Resync, TaskChange, Watch
from storage.events.feed import listen
from tests.conftest import Cluster, Person

LARGEST = 2**63 - 1
"""The largest id that PostgreSQL can give."""


@pytest.fixture
async def watch(database: Database, direct_url: str, alice: Person) -> AsyncGenerator[Watch]:
    """What Alice hears, from the moment that the feed listens."""
    async with listen(database, direct_url) as feed:
        with feed.watch(alice.user_id) as opened:
            assert await anext(opened) == Resync()
            yield opened


@pytest.fixture
async def administrator(cluster: Cluster) -> AsyncGenerator["asyncpg.Connection[Row]"]:
    connection = await asyncpg.connect(cluster.address("tests"))
    yield connection
    await connection.close()


async def test_the_largest_id_is_handed_out(
    watch: Watch, alice: Person, administrator: "asyncpg.Connection[Row]"
) -> None:
    await administrator.execute(
        "INSERT INTO tasks (id, user_id, title) OVERRIDING SYSTEM VALUE VALUES ($1, $2, 'The last')",
        LARGEST,
        alice.user_id,
    )
    try:
        conversation = await alice.call("start_conversation", title="Next")
        heard = await anext(watch)
        assert isinstance(heard, TaskChange), heard
        assert (heard.event_type, heard.task_id) == ("task_created", LARGEST)
        assert await anext(watch) == ConversationChange(conversation["id"])
    finally:
        await administrator.execute("DELETE FROM tasks WHERE id = $1", LARGEST)


@pytest.mark.parametrize(
    "payload",
    [
        "no JSON",
        {"type": "task_created", "by": "x", "at": "x", "ids": [2**63]},
        {"type": "move", "ids": [1], "before": 2**63, "after": None},
        {"type": "party", "ids": [1]},
    ],
)
async def test_what_is_no_announcement_of_ours_is_passed_over(
    payload: object, watch: Watch, alice: Person, administrator: "asyncpg.Connection[Row]"
) -> None:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    await administrator.execute("SELECT pg_notify('taskdeck', $1)", text)
    conversation = await alice.call("start_conversation", title="Next")
    assert await anext(watch) == ConversationChange(conversation["id"])
