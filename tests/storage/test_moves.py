"""Who is told that a task was given to them or taken away, when it moves between teams and when people come and go."""

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
from tests.support.running_server import Listener, RunningServer, standing

RESYNC = "resync"


@pytest.fixture(scope="module")
async def house(
    database_url: str, direct_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[RunningServer]:
    settings = Settings.model_validate({"data_dir": tmp_path_factory.mktemp("house"), "rate_limit": 0})
    async with standing(settings, database_url, direct_url) as built:
        yield built


@pytest.fixture
async def administrator(cluster: Cluster) -> "AsyncGenerator[asyncpg.Connection[asyncpg.Record]]":
    connection = await asyncpg.connect(cluster.address("tests"))
    yield connection
    await connection.close()


class Crew:
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
                await self.alice.call("add_team_member", team_id=team, user=self.people[name].user_id, role="viewer")
        self.task = (await self.alice.call("add_task", title="Moving"))["id"]
        await self.alice.call("share_task", task_id=self.task, user=self.people["dave"].user_id)

    async def move(self, team: int) -> None:
        how: dict[str, Any] = {"team_id": team} if team else {"clear": ["team_id"]}
        await self.alice.call("update_task", task_id=self.task, **how)

    @asynccontextmanager
    async def listening(self, house: RunningServer) -> "AsyncGenerator[Ears]":
        """Everybody's socket, once what was announced before has been told."""
        async with AsyncExitStack() as stack:
            sockets = {
                name: await stack.enter_async_context(house.socket(person.user_id))
                for name, person in self.people.items()
            }
            ears = Ears(self.people["mallory"], sockets.pop("mallory"), sockets)
            await ears.hear()
            yield ears


class Ears:
    """What each of several people hears on a live socket. A stranger listens as well."""

    def __init__(self, stranger: Person, strangers: Listener, sockets: dict[str, Listener]) -> None:
        self._stranger = stranger
        self._strangers = strangers
        self._sockets = sockets

    async def hear(self) -> dict[str, set[str]]:
        """What was told since the last time: kinds of events, and `resync`.

        A task of the stranger's marks the end, and is all that the stranger hears.
        """
        marker = (await self._stranger.call("add_task", title="Marker"))["id"]
        assert (await self._strangers.hear()).get("task_id") == marker
        heard: dict[str, set[str]] = {}
        for name, socket in self._sockets.items():
            if messages := await socket.until_pong():
                heard[name] = {message.get("event_type") or message["type"] for message in messages}
        return heard


@pytest.fixture
async def crew(alice: Person, person: Callable[[str], Person]) -> Crew:
    built = Crew(alice)
    await built.prepare(person)
    return built


UPDATED = {"task_updated"}
LOST = {RESYNC}
GAINED = {"task_updated", RESYNC}


async def test_whoever_loses_or_gains_a_task_by_a_move_is_told_and_nobody_else(
    house: RunningServer, crew: Crew
) -> None:
    async with crew.listening(house) as ears:
        await crew.move(crew.here)
        seen = {"alice": UPDATED, "dave": UPDATED}
        assert await ears.hear() == seen | {"bob": GAINED, "carol": GAINED}
        await crew.move(crew.there)
        assert await ears.hear() == seen | {"bob": LOST, "carol": UPDATED, "erin": GAINED}
        await crew.alice.call("undo")
        assert await ears.hear() == seen | {"bob": GAINED, "carol": UPDATED, "erin": LOST}
        await crew.move(0)
        assert await ears.hear() == seen | {"bob": LOST, "carol": LOST}


async def test_a_task_that_is_deleted_and_restored_is_told_as_an_event(house: RunningServer, crew: Crew) -> None:
    await crew.move(crew.here)
    async with crew.listening(house) as ears:
        for tool, event in (("delete_task", "task_deleted"), ("restore_task", "task_updated")):
            await crew.alice.call(tool, task_id=crew.task)
            assert await ears.hear() == {name: {event} for name in ("alice", "bob", "carol", "dave")}


async def test_another_role_or_permission_takes_nothing_away(house: RunningServer, crew: Crew) -> None:
    bob, dave = (crew.people[name].user_id for name in ("bob", "dave"))
    async with crew.listening(house) as ears:
        await crew.alice.call("add_team_member", team_id=crew.here, user=bob, role="member")
        assert await ears.hear() == {}
        await crew.alice.call("share_task", task_id=crew.task, user=dave, permission="edit")
        assert await ears.hear() == {"alice": UPDATED, "dave": UPDATED}
        await crew.alice.call("remove_team_member", team_id=crew.here, user=bob)
        assert await ears.hear() == {"bob": LOST}


async def test_members_hear_that_their_team_is_gone(
    house: RunningServer, crew: Crew, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await crew.move(crew.there)
    async with crew.listening(house) as ears:
        await administrator.execute("DELETE FROM teams WHERE id = $1", crew.there)
        # The task is hers alone again.
        assert await ears.hear() == {"alice": GAINED, "dave": UPDATED, "carol": LOST, "erin": LOST}


async def test_a_team_hears_that_somebody_is_gone_with_their_tasks(
    house: RunningServer, crew: Crew, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    bob = crew.people["bob"]
    await crew.alice.call("add_team_member", team_id=crew.here, user=bob.user_id, role="member")
    await bob.call("add_task", title="Left behind", team_id=crew.here)
    lent = (await bob.call("add_task", title="Lent"))["id"]
    await bob.call("share_task", task_id=lent, user=crew.people["erin"].user_id)
    async with crew.listening(house) as ears:
        await administrator.execute("DELETE FROM users WHERE id = $1", bob.user_id)
        heard = await ears.hear()
    assert {name for name, told in heard.items() if RESYNC in told} == {"alice", "bob", "carol", "dave", "erin"}


async def test_thousands_of_tasks_may_move_at_once(
    house: RunningServer, crew: Crew, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """An announcement of PostgreSQL's has at most 8,000 bytes."""
    alice = crew.alice.user_id
    await administrator.execute(
        "INSERT INTO tasks (user_id, team_id, title) SELECT $1, $2, 'Many' FROM generate_series(1, 2000)",
        alice,
        crew.here,
    )
    async with crew.listening(house) as ears:
        await administrator.execute(
            "UPDATE tasks SET team_id = $2 WHERE user_id = $1 AND title = 'Many'", alice, crew.there
        )
        heard = await ears.hear()
    # Who sees them before and after is told to look again as well: they are many.
    assert heard == {name: {RESYNC} for name in ("alice", "bob", "carol", "dave", "erin")}


async def test_a_team_of_thousands_may_lose_a_task(
    house: RunningServer, crew: Crew, administrator: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await crew.move(crew.here)
    await administrator.execute(
        "WITH crowd AS (INSERT INTO users (id) SELECT $1 || '.' || n FROM generate_series(1, 3000) n RETURNING id) "
        "INSERT INTO team_members SELECT $2, id, 'member' FROM crowd",
        crew.alice.user_id,
        crew.here,
    )
    async with crew.listening(house) as ears:
        await crew.move(crew.there)
        assert await ears.hear() == {
            **dict.fromkeys(("alice", "carol", "dave"), frozenset(UPDATED)),
            "bob": LOST,
            "erin": GAINED,
        }


async def test_subscriptions_of_those_who_lose_a_task_are_told_once_more_and_no_more(
    house: RunningServer, crew: Crew
) -> None:
    bob = crew.people["bob"]
    await crew.move(crew.here)
    uris = {f"task://{crew.task}", "statistics://me"}
    bearer = {"authorization": f"Bearer {house.token(bob.user_id, 'mcp')}"}
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=bearer, timeout=30))
        client = await stack.enter_async_context(
            Client(streamable_http_client(f"{house.url}/mcp", http_client=http), cache=None)
        )
        stream = await stack.enter_async_context(
            client.listen(resource_subscriptions=sorted(uris), resources_list_changed=True)
        )
        await stack.enter_async_context(crew.listening(house))  # what was announced before is told
        await crew.move(0)
        assert await _told(stream, 3) == uris | {"the list"}
        await crew.alice.call("complete_task", task_id=crew.task)
        own = await bob.call("add_task", title="My own")
        assert await _told(stream, 1) == {"statistics://me"}
        assert own["access"] == "owner"


async def _told(stream: Subscription, number: int) -> set[str]:
    told: set[str] = set()
    async with asyncio.timeout(20):
        while len(told) < number:
            event = await anext(stream)
            assert isinstance(event, ResourceUpdated | ResourcesListChanged)
            told.add(event.uri if isinstance(event, ResourceUpdated) else "the list")
    return told
