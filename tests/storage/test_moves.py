"""Notifications when a task moves between teams, and when members join or leave."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourcesListChanged, ResourceUpdated, Subscription

from mcp_server.settings import Settings
from tests.conftest import Cluster, Person, introduce
from tests.support.consent import agreed
from tests.support.running_server import Listener, RunningServer, running_server

RESYNC = "resync"


@pytest.fixture(scope="module")
async def server(
    database_url: str, direct_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[RunningServer]:
    settings = Settings.model_validate({"data_dir": tmp_path_factory.mktemp("server"), "rate_limit": 0})
    async with running_server(settings, database_url, direct_url) as built:
        yield built


@pytest.fixture
async def administrator(cluster: Cluster) -> "AsyncGenerator[asyncpg.Connection[asyncpg.Record]]":
    connection = await asyncpg.connect(cluster.address("tests"))
    yield connection
    await connection.close()


class Setup:
    """Alice's teams `here` and `there`, people in them, and a task of hers that dave has a share of."""

    def __init__(self, alice: Person) -> None:
        self.alice = alice
        self.people: dict[str, Person] = {"alice": alice}
        self.here = self.there = self.task = 0

    async def prepare(self, person: Callable[[str], Person]) -> None:
        self.here, self.there = [(await self.alice.call("create_team", name=name))["id"] for name in ("Here", "There")]
        for name, teams in (
            ("bob", [self.here]),
            ("carol", [self.here, self.there]),
            ("dave", [self.here]),
            ("erin", [self.there]),
            ("mallory", []),
        ):
            self.people[name] = await introduce(person(name))
            for team in teams:
                await agreed(self.alice, "add_team_member", self.people[name], team_id=team, role="viewer")
        self.task = (await self.alice.call("add_task", title="Moving"))["id"]
        await agreed(self.alice, "share_task", self.people["dave"], task_id=self.task)

    async def move(self, team: int) -> None:
        how: dict[str, Any] = {"team_id": team} if team else {"clear": ["team_id"]}
        await self.alice.call("update_task", task_id=self.task, **how)

    @asynccontextmanager
    async def listening(self, server: RunningServer) -> "AsyncGenerator[Receivers]":
        """Open a socket for each person and drain earlier messages."""
        async with AsyncExitStack() as stack:
            sockets = {
                name: await stack.enter_async_context(server.socket(person.user_id))
                for name, person in self.people.items()
            }
            receivers = Receivers(self.people["mallory"], sockets.pop("mallory"), sockets)
            await receivers.receive()
            yield receivers


class Receivers:
    """The live sockets of several people, and of another user who sees none of their tasks."""

    def __init__(self, other_user: Person, other_socket: Listener, sockets: dict[str, Listener]) -> None:
        self._other_user = other_user
        self._other_socket = other_socket
        self._sockets = sockets

    async def receive(self) -> dict[str, set[str]]:
        """The messages since the last call: kinds of events, and `resync`.

        A task of the other_user's marks the end, and is all that the other_user hears. A `resync` names no task:
        everybody gets one after a gap, such as a slow start of the listener.
        """
        marker = (await self._other_user.call("add_task", title="Marker"))["id"]
        while (message := await self._other_socket.receive()).get("task_id") != marker:
            assert message == {"type": "resync"}
        received: dict[str, set[str]] = {}
        for name, socket in self._sockets.items():
            # A change of a team's members is not about tasks.
            if messages := [message for message in await socket.until_pong() if message.get("type") != "people"]:
                received[name] = {message.get("event_type") or message["type"] for message in messages}
        return received


@pytest.fixture
async def setup(alice: Person, person: Callable[[str], Person]) -> Setup:
    built = Setup(alice)
    await built.prepare(person)
    return built


UPDATED = {"task_updated"}
LOST = {RESYNC}
GAINED = {"task_updated", RESYNC}


async def test_moving_a_task_notifies_exactly_those_who_gain_or_lose_it(server: RunningServer, setup: Setup) -> None:
    async with setup.listening(server) as receivers:
        await setup.move(setup.here)
        seen = {"alice": UPDATED, "dave": UPDATED}
        assert await receivers.receive() == seen | {"bob": GAINED, "carol": GAINED}
        await setup.move(setup.there)
        assert await receivers.receive() == seen | {"bob": LOST, "carol": UPDATED, "erin": GAINED}
        await setup.alice.call("undo")
        assert await receivers.receive() == seen | {"bob": GAINED, "carol": UPDATED, "erin": LOST}
        await setup.move(0)
        assert await receivers.receive() == seen | {"bob": LOST, "carol": LOST}


async def test_deleting_and_restoring_send_task_events(server: RunningServer, setup: Setup) -> None:
    await setup.move(setup.here)
    async with setup.listening(server) as receivers:
        for tool, event in (("delete_task", "task_deleted"), ("restore_task", "task_updated")):
            await setup.alice.call(tool, task_id=setup.task)
            assert await receivers.receive() == {name: {event} for name in ("alice", "bob", "carol", "dave")}


async def test_changing_a_role_or_permission_sends_no_loss(server: RunningServer, setup: Setup) -> None:
    bob, dave = (setup.people[name].user_id for name in ("bob", "dave"))
    async with setup.listening(server) as receivers:
        await setup.alice.call("add_team_member", team_id=setup.here, user=bob, role="member")
        assert await receivers.receive() == {}
        await setup.alice.call("share_task", task_id=setup.task, user=dave, permission="edit")
        assert await receivers.receive() == {"alice": UPDATED, "dave": UPDATED}
        await setup.alice.call("remove_team_member", team_id=setup.here, user=bob)
        assert await receivers.receive() == {"bob": LOST}


async def test_members_are_notified_when_their_team_is_deleted(
    server: RunningServer, setup: Setup, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await setup.move(setup.there)
    async with setup.listening(server) as receivers:
        await administrator.execute("DELETE FROM teams WHERE id = $1", setup.there)
        # The task is hers alone again.
        assert await receivers.receive() == {"alice": GAINED, "dave": UPDATED, "carol": LOST, "erin": LOST}


async def test_team_is_notified_when_a_member_leaves_with_their_tasks(
    server: RunningServer, setup: Setup, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    bob = setup.people["bob"]
    await agreed(setup.alice, "add_team_member", bob, team_id=setup.here, role="member")
    await bob.call("add_task", title="Left behind", team_id=setup.here)
    lent = (await bob.call("add_task", title="Lent"))["id"]
    await agreed(bob, "share_task", setup.people["erin"], task_id=lent)
    async with setup.listening(server) as receivers:
        await administrator.execute("DELETE FROM users WHERE id = $1", bob.user_id)
        received = await receivers.receive()
    assert {name for name, kinds in received.items() if RESYNC in kinds} == {"alice", "bob", "carol", "dave", "erin"}


async def test_thousands_of_tasks_may_move_at_once(
    server: RunningServer, setup: Setup, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """A PostgreSQL notification has at most 8,000 bytes."""
    alice = setup.alice.user_id
    await administrator.execute(
        "INSERT INTO tasks (user_id, team_id, title) SELECT $1, $2, 'Many' FROM generate_series(1, 2000)",
        alice,
        setup.here,
    )
    async with setup.listening(server) as receivers:
        await administrator.execute(
            "UPDATE tasks SET team_id = $2 WHERE user_id = $1 AND title = 'Many'", alice, setup.there
        )
        received = await receivers.receive()
    # Those who see them before and after get a resync too, because there are many.
    assert received == {name: {RESYNC} for name in ("alice", "bob", "carol", "dave", "erin")}


async def test_team_of_thousands_may_lose_a_task(
    server: RunningServer, setup: Setup, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await setup.move(setup.here)
    await administrator.execute(
        "WITH crowd AS (INSERT INTO users (id) SELECT $1 || '.' || n FROM generate_series(1, 3000) n RETURNING id) "
        "INSERT INTO team_members SELECT $2, id, 'member' FROM crowd",
        setup.alice.user_id,
        setup.here,
    )
    async with setup.listening(server) as receivers:
        await setup.move(setup.there)
        assert await receivers.receive() == {
            **dict.fromkeys(("alice", "carol", "dave"), frozenset(UPDATED)),
            "bob": LOST,
            "erin": GAINED,
        }


async def test_subscribers_who_lose_a_task_are_notified_once(server: RunningServer, setup: Setup) -> None:
    bob = setup.people["bob"]
    await setup.move(setup.here)
    uris = {f"task://{setup.task}", "statistics://me"}
    bearer = {"authorization": f"Bearer {server.token(bob.user_id, 'mcp')}"}
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=bearer, timeout=30))
        client = await stack.enter_async_context(
            Client(streamable_http_client(f"{server.url}/mcp", http_client=http), cache=None)
        )
        stream = await stack.enter_async_context(
            client.listen(resource_subscriptions=sorted(uris), resources_list_changed=True)
        )
        await stack.enter_async_context(setup.listening(server))  # drains earlier messages
        await setup.move(0)
        assert await _next_updates(stream, 3) == uris | {"the list"}
        await setup.alice.call("complete_task", task_id=setup.task)
        own = await bob.call("add_task", title="My own")
        assert await _next_updates(stream, 1) == {"statistics://me"}
        assert own["access"] == "owner"


async def _next_updates(stream: Subscription, number: int) -> set[str]:
    kinds: set[str] = set()
    async with asyncio.timeout(20):
        while len(kinds) < number:
            event = await anext(stream)
            assert isinstance(event, ResourceUpdated | ResourcesListChanged)
            kinds.add(event.uri if isinstance(event, ResourceUpdated) else "the list")
    return kinds
