"""Subscriptions across replicas: two server processes on one database, and one that shares the test's process."""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.client import ConnectMode
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourcesListChanged, ResourceUpdated, Subscription
from mcp.types import (
    TextResourceContents,
)

from mcp_server.identity import tokens
from mcp_server.identity.local_issuer import LocalIssuer
from mcp_server.protocol import subscriptions as module
from mcp_server.settings import Settings
from storage.engine.database import Database
from tests.conftest import Person
from tests.support.consent import agreed
from tests.support.running_server import personal_token, running_server

pytestmark = pytest.mark.long

SECONDS = 2.0
"""The deadline for an update on any replica."""


@dataclass(frozen=True)
class Replica:
    """A server process."""

    settings: Settings
    process: asyncio.subprocess.Process

    @asynccontextmanager
    async def client(self, person: Person, ttl: int = 3600, mode: ConnectMode = "auto") -> AsyncGenerator[Client]:
        token = LocalIssuer(self.settings).mint(person.user_id, audience="mcp", ttl=ttl)
        async with httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=30) as http:
            transport = streamable_http_client(f"{self.settings.address}/mcp", http_client=http)
            async with Client(transport, mode=mode, cache=None) as client:
                yield client


@asynccontextmanager
async def running(folder: Path, database_url: str, direct_url: str) -> AsyncGenerator[Replica]:
    named = {"DATABASE_URL": database_url, "DATABASE_URL_UNPOOLED": direct_url, "TASKDECK_LOG_LEVEL": "ERROR"}
    environment = (
        os.environ | named | {"TASKDECK_DATA_DIR": str(folder), "TASKDECK_PORT": "0", "TASKDECK_RATE_LIMIT": "0"}
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mcp_server", "serve", env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout
        greeting = (await process.stdout.readline()).decode()
        address = greeting.removeprefix("MCP: ").strip().removesuffix("/mcp")
        async with httpx2.AsyncClient(base_url=address) as client:
            while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - it is in another process
                await asyncio.sleep(0.01)
        yield Replica(Settings.model_validate({"data_dir": folder, "public_url": address}), process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


@pytest.fixture(scope="module")
async def replicas(
    database_url: str, direct_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[tuple[Replica, Replica]]:
    folder = tmp_path_factory.mktemp("replicas")
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running(folder, database_url, direct_url))
        yield first, await stack.enter_async_context(running(folder, database_url, direct_url))


async def next_update(stream: Subscription) -> str:
    """The URI of the next update."""
    async with asyncio.timeout(SECONDS):
        event = await anext(stream)
    assert isinstance(event, ResourceUpdated)
    return event.uri


async def ending(stream: Subscription) -> None:
    """Read until the stream ends gracefully."""
    async with asyncio.timeout(20):
        async for _ in stream:
            pass


async def add(person: Person, title: str = "A task") -> int:
    return (await person.call("add_task", title=title))["id"]


async def call(client: Client, tool: str, **arguments: Any) -> None:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content


async def test_change_on_one_server_notifies_subscribers_on_another_who_may_see_it(
    replicas: tuple[Replica, Replica], alice: Person, bob: Person, carol: Person
):
    first, second = replicas
    task, chat = await add(alice), (await carol.call("start_conversation"))["id"]
    await agreed(alice, "share_task", bob, task_id=task)
    uris = [f"task://{task}", "statistics://me"]
    async with AsyncExitStack() as stack:
        owner, reader, other_client, writer = [
            await stack.enter_async_context(replica.client(person))
            for replica, person in ((second, alice), (second, bob), (second, carol), (first, alice))
        ]
        streams = [
            await stack.enter_async_context(client.listen(resource_subscriptions=uris)) for client in (owner, reader)
        ]
        other = await stack.enter_async_context(
            other_client.listen(resource_subscriptions=[f"conversation://{chat}", "statistics://me"])
        )
        await call(writer, "complete_task", task_id=task)
        for stream in streams:
            assert {await next_update(stream), await next_update(stream)} == set(uris)
        # All that carol receives are her own later changes.
        for text in ("Hello", "Hello again"):
            await carol.call("append_messages", conversation_id=chat, messages=[{"role": "user", "content": text}])
            assert await next_update(other) == f"conversation://{chat}"


async def test_missing_and_foreign_resources_are_rejected_alike(
    replicas: tuple[Replica, Replica], alice: Person, bob: Person
):
    theirs, chat = await add(bob), (await bob.call("start_conversation"))["id"]
    words: dict[str, set[str]] = {"task": set(), "conversation": set()}
    async with replicas[0].client(alice) as client:
        for kind, number in (("task", theirs), ("conversation", chat)):
            for uri in (f"{kind}://{number}", f"{kind}://{number + 10**6}"):
                with pytest.raises(MCPError) as refused:
                    async with client.listen(resource_subscriptions=["statistics://me", uri]):
                        pass
                assert refused.value.error.data == {"uri": uri}
                words[kind].add(refused.value.error.message.replace(uri.partition("//")[2], "N"))
    assert words == {
        "task": {"No task N. Use list_tasks to find its id."},
        "conversation": {"No conversation N. Use list_conversations to find its id."},
    }


async def test_unshared_task_sends_no_more_updates(replicas: tuple[Replica, Replica], alice: Person, bob: Person):
    task, chat = await add(alice), (await bob.call("start_conversation"))["id"]
    await agreed(alice, "share_task", bob, task_id=task)
    uris = [f"task://{task}", f"conversation://{chat}"]
    async with replicas[1].client(bob) as client, client.listen(resource_subscriptions=uris) as stream:
        await alice.call("unshare_task", task_id=task, user=bob.email)
        assert {await next_update(stream), await next_update(stream)} == set(
            uris
        )  # losing access updates every subscription
        with pytest.raises(MCPError, match="No task"):
            await client.read_resource(uris[0])
        await alice.call("complete_task", task_id=task)
        await bob.call("append_messages", conversation_id=chat, messages=[{"role": "user", "content": "Hello"}])
        assert await next_update(stream) == uris[1]


async def test_visible_subtask_changes_update_the_parent(replicas: tuple[Replica, Replica], alice: Person, bob: Person):
    top, other = await add(alice, "Top"), await add(alice, "Other")
    for task in (top, other):
        await agreed(alice, "share_task", bob, task_id=task)
    uris = [f"task://{top}", f"task://{other}"]
    async with (
        replicas[1].client(alice) as client,
        replicas[0].client(bob) as reader,
        client.listen(resource_subscriptions=uris) as stream,
        reader.listen(resource_subscriptions=uris) as shared,
    ):
        below = (await alice.call("add_task", title="Below", parent_id=top))["id"]
        assert await next_update(stream) == f"task://{top}"
        await alice.call("complete_task", task_id=below)
        assert await next_update(stream) == f"task://{top}"
        await alice.call("update_task", task_id=below, parent_id=other)
        assert {await next_update(stream), await next_update(stream)} == set(uris)
        await alice.call("delete_task", task_id=below)
        while await next_update(stream) != f"task://{other}":
            pass
        # bob sees none of that; his first update is his own change.
        await bob.call("add_task", title="Bob's", parent_id=other)
        assert await next_update(shared) == f"task://{other}"


async def test_resource_list_changes_with_conversations(replicas: tuple[Replica, Replica], alice: Person):
    async with replicas[0].client(alice) as client, client.listen(resources_list_changed=True) as stream:
        await alice.call("start_conversation")
        async with asyncio.timeout(SECONDS):
            assert await anext(stream) == ResourcesListChanged()


async def test_stream_ends_with_its_token(replicas: tuple[Replica, Replica], alice: Person):
    async with (
        replicas[0].client(alice, ttl=2) as client,
        client.listen(resource_subscriptions=["statistics://me"]) as stream,
    ):
        await ending(stream)


async def test_revoked_token_ends_its_stream(
    alice: Person, database_url: str, direct_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "RECHECK_SECONDS", 0.05)
    monkeypatch.setattr(tokens, "PERSONAL_CACHE_SECONDS", 0.05)
    async with (
        running_server(Settings.model_validate({"data_dir": tmp_path}), database_url, direct_url) as server,
        personal_token(direct_url, alice.user_id) as (token, revoke),
        server.client(authorization=f"Bearer {token}") as http,
        Client(streamable_http_client(f"{server.url}/mcp", http_client=http)) as client,
        client.listen(resource_subscriptions=["statistics://me"]) as stream,
    ):
        await revoke()
        await ending(stream)
        assert (await http.post("/mcp", json={})).status_code == 401


async def test_streams_end_cleanly_when_the_server_stops(
    tmp_path: Path, database_url: str, direct_url: str, alice: Person
):
    async with (
        running(tmp_path, database_url, direct_url) as replica,
        replica.client(alice) as client,
        client.listen(resource_subscriptions=["statistics://me"]) as stream,
    ):
        replica.process.send_signal(signal.SIGTERM)
        await ending(stream)


async def test_older_client_is_not_offered_subscriptions_over_http(replicas: tuple[Replica, Replica], alice: Person):
    async with replicas[0].client(alice, mode="legacy") as client:
        assert client.server_capabilities.resources
        assert not client.server_capabilities.resources.subscribe


async def test_subscribers_are_refreshed_after_the_listener_reconnects(
    replicas: tuple[Replica, Replica], alice: Person, cluster: Any, database: Database
):
    """TASKDECK_TEST_CHANGES=1000 runs the long form."""
    changes = int(os.environ.get("TASKDECK_TEST_CHANGES", "150"))
    task = await add(alice, "Change 0")
    uri, shown, done = f"task://{task}", "", asyncio.Event()

    async def follow(client: Client, stream: Subscription) -> None:
        nonlocal shown
        while shown != f"Change {changes}":
            content = (await client.read_resource(uri)).contents[0]
            assert isinstance(content, TextResourceContents)
            shown = json.loads(content.text)["title"]
            if shown != f"Change {changes}":
                await anext(stream)

    async def kill() -> None:
        administrator = await asyncpg.connect(cluster.url)
        while not done.is_set():
            await asyncio.sleep(random.uniform(0.05, 0.3))
            await administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE query LIKE 'LISTEN%' OR query LIKE '%pg_notify%' AND state = 'idle' AND pid <> pg_backend_pid()"
            )
        await administrator.close()

    async with replicas[1].client(alice) as client, client.listen(resource_subscriptions=[uri]) as stream:
        following, killing = asyncio.create_task(follow(client, stream)), asyncio.create_task(kill())
        for number in range(1, changes + 1):
            await alice.call("update_task", task_id=task, title=f"Change {number}")
        done.set()
        await killing
        async with asyncio.timeout(20):
            await following
    assert shown == f"Change {changes}"
