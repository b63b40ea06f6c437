"""The live socket, by WebSocket: who hears what, and when a socket ends."""

import asyncio
import random
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from mcp_server.api import live_socket
from mcp_server.identity import local_issuer, tokens
from mcp_server.protocol import subscriptions
from mcp_server.settings import Settings
from storage.engine.database import Database
from storage.events import feed, listener
from storage.events.feed import listen
from storage.people import teams
from storage.schema.request_models import NewTask, TaskFields
from storage.tasks import deletion, sharing, tasks
from tests.conftest import Person
from tests.support.postgres import pooled
from tests.support.running_server import Listener, RunningServer, Wire, personal_token, standing


def new(title: str, team_id: int | None = None) -> NewTask:
    return NewTask.model_validate({"title": title} | ({} if team_id is None else {"team_id": team_id}))


@pytest.fixture(scope="module")
async def house(
    database_url: str, direct_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[RunningServer]:
    settings = Settings.model_validate({"data_dir": tmp_path_factory.mktemp("house")})
    async with standing(settings, database_url, direct_url) as built:
        yield built


async def test_the_owner_hears_what_happens_to_a_task(house: RunningServer, alice: Person) -> None:
    async with house.socket(alice.user_id) as socket:
        task = await tasks.add(alice.scope, new("Water the plants"))
        await tasks.change(alice.scope, task.id, TaskFields.model_validate({"title": "Water all plants"}))
        await tasks.complete(alice.scope, task.id)
        await deletion.remove(alice.scope, task.id)
        await deletion.restore(alice.scope, task.id)
        heard = [await socket.hear() for _ in range(5)]
    assert [event["event_type"] for event in heard] == [
        "task_created",
        "task_updated",
        "task_completed",
        "task_deleted",
        "task_updated",
    ]
    assert {(event["task_id"], event["user_id"]) for event in heard} == {(task.id, alice.user_id)}


async def test_nobody_hears_of_tasks_of_others(house: RunningServer, alice: Person, bob: Person) -> None:
    async with house.socket(bob.user_id) as stranger, house.socket(alice.user_id) as owner:
        await tasks.add(alice.scope, new("Private"))
        await owner.next_event()
        assert await stranger.until_pong() == []


async def test_team_members_and_those_it_is_shared_with_hear_of_a_task(
    house: RunningServer, alice: Person, bob: Person, carol: Person
) -> None:
    team = await teams.create(alice.scope, "Crew")
    await teams.add_member(alice.scope, team.id, bob.user_id)
    task = await tasks.add(alice.scope, new("Together", team_id=team.id))
    await sharing.share(alice.scope, task.id, carol.user_id, "view")
    async with house.socket(bob.user_id) as member, house.socket(carol.user_id) as reader:
        await tasks.complete(bob.scope, task.id)
        for somebody in (member, reader):
            while (event := await somebody.next_event())["event_type"] != "task_completed":
                pass  # what was announced just before the socket was ready
            assert (event["task_id"], event["user_id"]) == (task.id, bob.user_id)


async def test_whoever_gains_or_loses_a_task_is_told_to_look_again(
    house: RunningServer, alice: Person, bob: Person
) -> None:
    task = await tasks.add(alice.scope, new("Lent"))
    async with house.socket(bob.user_id) as socket, house.socket(alice.user_id) as owner:
        await sharing.share(alice.scope, task.id, bob.user_id, "view")
        while await socket.hear() != {"type": "resync"}:
            pass
        await sharing.unshare(alice.scope, task.id, bob.user_id)
        assert await socket.hear() == {"type": "resync"}
        await tasks.complete(alice.scope, task.id)
        while (await owner.next_event())["event_type"] != "task_completed":
            pass
        assert await socket.until_pong() == []


async def test_a_socket_may_say_who_it_is_in_its_header(house: RunningServer, alice: Person) -> None:
    header = {"Authorization": f"Bearer {house.token(alice.user_id)}"}
    async with house.open_socket(additional_headers=header) as connection:
        assert await Listener(connection).hear() == {"type": "ready"}
    for token in (house.token(alice.user_id, "mcp"), "nonsense"):
        with pytest.raises(InvalidStatus) as refused:
            await house.open_socket(
                additional_headers={"Authorization": f"Bearer {token}", "X-Forwarded-For": "192.0.2.3"}
            )
        assert refused.value.response.status_code == 401


async def test_a_page_of_another_origin_gets_no_socket(house: RunningServer) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await house.open_socket(origin="https://evil.example")
    assert refused.value.response.status_code == 403
    async with house.open_socket(origin=house.url) as connection:
        await connection.close()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (4401, '{"type": "ping"}'),
        (4401, '{"type": "authenticate"}'),
        (4401, '{"type": "authenticate", "token": "nonsense"}'),
        (4401, '{"type": "authenticate", "token": "tdp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}'),
        (4401, "hello"),
        (4401, "[" * 20_000),
        (4401, "3"),
        (4401, b'{"type": "authenticate"}'),
        (1009, "x" * 70_000),
    ],
)
async def test_a_first_message_that_proves_nobody_ends_the_socket(
    house: RunningServer, code: int, message: str | bytes
) -> None:
    async with house.open_socket(
        additional_headers={"X-Forwarded-For": f"192.0.2.{random.randint(10, 250)}"}
    ) as connection:
        await connection.send(message)
        ending = await Listener(connection).ending()
    assert (ending[0], bool(ending[1])) == (code, True)


async def test_silence_ends_a_socket_that_nobody_is_known_of(
    house: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_socket, "AUTHENTICATION_SECONDS", 0.1)
    async with house.open_socket(additional_headers={"X-Forwarded-For": "192.0.2.4"}) as connection:
        assert (await Listener(connection).ending())[0] == 4401


async def test_a_token_of_the_other_door_or_without_the_scope_is_refused(house: RunningServer, alice: Person) -> None:
    for code, token in (
        (4401, house.token(alice.user_id, "mcp")),
        (4403, house.token(alice.user_id, scopes=["mcp:write"])),
    ):
        async with house.open_socket(additional_headers={"X-Forwarded-For": "192.0.2.5"}) as connection:
            listener = Listener(connection)
            await listener.say(type="authenticate", token=token)
            assert (await listener.ending())[0] == code


async def test_a_socket_ends_with_its_token_unless_a_new_one_comes(
    house: RunningServer, alice: Person, bob: Person
) -> None:
    async with house.open_socket() as short, house.open_socket() as renewed, house.open_socket() as foreign:
        listeners = [Listener(connection) for connection in (short, renewed, foreign)]
        for one in listeners:
            await one.say(type="authenticate", token=house.token(alice.user_id, ttl=1))
            assert await one.hear() == {"type": "ready"}
        await listeners[1].say(type="authenticate", token=house.token(alice.user_id))
        assert await listeners[1].hear() == {"type": "ready"}
        await listeners[2].say(type="authenticate", token=house.token(bob.user_id))
        assert (await listeners[2].ending())[0] == 4403
        assert await listeners[0].ending() == (4401, "The token has expired")
        assert await listeners[1].until_pong() == []


async def test_a_token_that_requests_may_use_a_little_late_gets_no_socket(
    house: RunningServer, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(local_issuer, "time", SimpleNamespace(time=lambda: time.time() - 20))
        late = house.token(alice.user_id, ttl=10)
    header = {"Authorization": f"Bearer {late}"}
    async with house.client(authorization=header["Authorization"]) as client:
        assert (await client.get("/api/dashboard/statistics")).status_code == 200
    async with house.open_socket() as first, house.open_socket(additional_headers=header) as second:
        speaker, silent = Listener(first), Listener(second)
        await speaker.say(type="authenticate", token=late)
        for one in (speaker, silent):
            with pytest.raises(ConnectionClosed):
                await one.hear()
            assert await one.ending() == (4401, "The token has expired")


def test_a_withdrawn_token_is_found_out_within_thirty_seconds() -> None:
    """The promise of docs/security.md: what is remembered of a token, and the time between two looks at it."""
    for door in (live_socket, subscriptions):
        assert door.RECHECK_SECONDS + tokens.PERSONAL_CACHE_SECONDS < 30


async def test_a_withdrawn_personal_token_ends_its_socket(
    settings: Settings, database_url: str, direct_url: str, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_socket, "RECHECK_SECONDS", 0.05)
    monkeypatch.setattr(tokens, "PERSONAL_CACHE_SECONDS", 0.05)
    async with (
        standing(settings, database_url, direct_url) as server,
        personal_token(direct_url, alice.user_id) as (token, withdraw),
        server.open_socket() as connection,
    ):
        listener = Listener(connection)
        await listener.say(type="authenticate", token=token)
        assert await listener.hear() == {"type": "ready"}
        await withdraw()
        assert (await listener.ending())[0] == 4401


async def test_a_socket_stays_with_the_issuer_of_its_token(
    house: RunningServer, alice: Person, direct_url: str
) -> None:
    async with personal_token(direct_url, alice.user_id) as (token, _), house.socket(alice.user_id) as listener:
        await listener.say(type="authenticate", token=token)
        assert (await listener.ending())[0] == 4403


async def test_nothing_is_unpacked_for_anybody(house: RunningServer) -> None:
    async with connect(house.socket_url, compression="deflate") as connection:
        assert connection.response
        assert "Sec-WebSocket-Extensions" not in connection.response.headers


async def test_the_sixth_socket_of_a_user_is_refused_and_the_five_stay(house: RunningServer, alice: Person) -> None:
    async with AsyncExitStack() as stack:
        five = [await stack.enter_async_context(house.socket(alice.user_id)) for _ in range(5)]
        async with house.open_socket() as connection:
            sixth = Listener(connection)
            await sixth.say(type="authenticate", token=house.token(alice.user_id))
            assert (await sixth.ending())[0] == 4429
        for socket in five:
            assert await socket.until_pong() == []
    async with house.socket(alice.user_id):
        pass


async def test_a_client_that_talks_too_much_or_nonsense_is_cut_off(house: RunningServer, alice: Person) -> None:
    async with house.socket(alice.user_id) as socket:
        for _ in range(30):
            await socket.say(type="ping")
        assert (await socket.ending())[0] == 4429
    async with house.socket(alice.user_id) as socket:
        await socket.say(type="subscribe", user_id="bob")
        assert (await socket.ending())[0] == 4400


async def test_a_slow_reader_is_ended_and_delays_nobody(house: RunningServer, alice: Person, direct_url: str) -> None:
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", house.settings.port))
    publisher = await asyncpg.connect(direct_url)
    try:
        async with (
            house.open_socket(sock=narrow, max_queue=1, ping_interval=None) as connection,
            house.socket(alice.user_id) as good,
        ):
            slow = Listener(connection)
            await slow.say(type="authenticate", token=house.token(alice.user_id))
            task = await tasks.add(alice.scope, new("Much changed"))
            await good.next_event()
            while True:
                await _announce(publisher, alice.user_id, [task.id] * 90)
                heard = [await good.next_event() for _ in range(90)]
                assert all(event["task_id"] == task.id for event in heard)
                async with house.client() as client:
                    if "taskdeck_sockets 1.0" in (await client.get("/metrics")).text:
                        break
            assert await slow.ending() == (1013, "Changes come faster than you read them: connect again")
            assert await good.until_pong() == []
    finally:
        await publisher.close()


async def _announce(connection: "asyncpg.Connection[asyncpg.Record]", user_id: str, ids: list[int]) -> None:
    await connection.execute("SELECT announce_tasks('task_updated', $1, $2)", user_id, ids)


async def test_many_changes_at_once_are_a_reason_to_look_again(house: RunningServer, alice: Person) -> None:
    team = await teams.create(alice.scope, "Crew")
    async with house.socket(alice.user_id) as socket:
        added = [await tasks.add(alice.scope, new(str(n), team_id=team.id)) for n in range(3)]
        assert [(await socket.next_event())["task_id"] for _ in added] == [task.id for task in added]
        publisher = await asyncpg.connect(house.settings.database_url_unpooled)
        await _announce(publisher, alice.user_id, [task.id for task in added] * 50)
        await publisher.close()
        assert await socket.hear() == {"type": "resync"}


async def test_changes_that_come_too_fast_are_a_reason_to_look_again(
    house: RunningServer, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await tasks.add(alice.scope, new("Much changed"))
    async with house.socket(alice.user_id) as socket:
        monkeypatch.setattr(feed, "MAX_HEARD", 2)
        publisher = await asyncpg.connect(house.settings.database_url_unpooled)
        async with publisher.transaction():
            for number in range(4):
                await _announce(publisher, alice.user_id, [task.id] * (number + 1))
        await publisher.close()
        while await socket.hear() != {"type": "resync"}:
            pass


async def test_changes_whose_audience_cannot_be_known_are_a_reason_to_look_again(
    alice: Person, direct_url: str, tmp_path: Path
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path})
    async with (
        Wire(direct_url, tmp_path) as wire,
        standing(settings, wire.url, direct_url) as house,
        house.socket(alice.user_id) as socket,
    ):
        await wire.cut()
        await tasks.add(alice.scope, new("Nobody can tell whose"))
        assert await socket.hear() == {"type": "resync"}


async def test_a_gap_in_listening_is_announced_and_closed_by_a_resync(
    alice: Person, bob: Person, database_url: str, direct_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "PROBE_SECONDS", 0.3)
    settings = Settings.model_validate({"data_dir": tmp_path})
    async with (
        Wire(direct_url, tmp_path) as wire,
        standing(settings, database_url, wire.url) as house,
        house.socket(alice.user_id) as first,
        house.socket(bob.user_id) as second,
    ):
        for fail in (wire.cut, wire.silence):
            if gone := fail():
                await gone
            # That nothing comes any more is noticed, whoever is to blame.
            async with house.client() as balancer:
                while (await balancer.get("/readyz")).status_code != 503:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            lost = await tasks.add(alice.scope, new("Nobody hears"))
            for socket in (first, second):
                assert await socket.hear() == {"type": "paused"}
            async with house.socket(alice.user_id) as late:
                assert await late.hear() == {"type": "paused"}
                await wire.fix()
                for socket in (first, second, late):
                    assert await socket.hear() == {"type": "resync"}
            await tasks.complete(alice.scope, lost.id)
            assert (await first.next_event())["event_type"] == "task_completed"


async def test_a_listener_behind_a_pooler_is_found_out(direct_url: str) -> None:
    async with (
        pooled(direct_url) as through,
        Database.open(through) as database,
        listen(database, through) as feed,
    ):
        while feed.listener.state == "connecting":  # noqa: ASYNC110 - a state raises no event
            await asyncio.sleep(0.05)
        assert feed.listener.state == "deaf"


async def test_a_stopping_server_tells_sockets_to_come_back_each_at_its_own_time(
    alice: Person, database_url: str, direct_url: str, tmp_path: Path
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path})
    async with AsyncExitStack() as sockets:
        async with standing(settings, database_url, direct_url) as house:
            both = [await sockets.enter_async_context(house.socket(alice.user_id)) for _ in range(2)]
        endings = [await socket.ending() for socket in both]
    assert [code for code, _ in endings] == [1012, 1012]
    waits = [float((reason or "").partition("retry-after=")[2]) for _, reason in endings]
    assert all(0.5 <= wait <= 10 for wait in waits)
