"""The live WebSocket: who receives which messages, and when a socket is closed."""

import random
import socket
import time
from contextlib import AsyncExitStack
from types import SimpleNamespace

import asyncpg
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from mcp_server.api import live_socket
from mcp_server.identity import local_issuer
from storage.events import feed
from storage.people import teams
from storage.schema.request_models import NewTask, TaskFields
from storage.tasks import deletion, sharing, tasks
from tests.conftest import Person
from tests.support.consent import add_member, share
from tests.support.running_server import Listener, RunningServer, personal_token


def new(title: str, team_id: int | None = None) -> NewTask:
    return NewTask.model_validate({"title": title} | ({} if team_id is None else {"team_id": team_id}))


async def test_owner_receives_the_events_of_a_task(server: RunningServer, alice: Person) -> None:
    async with server.socket(alice.user_id) as socket:
        task = await tasks.add(alice.scope, new("Water the plants"))
        await tasks.change(alice.scope, task.id, TaskFields.model_validate({"title": "Water all plants"}))
        await tasks.complete(alice.scope, task.id)
        await deletion.remove(alice.scope, task.id)
        await deletion.restore(alice.scope, task.id)
        received = [await socket.receive() for _ in range(5)]
    assert [event["event_type"] for event in received] == [
        "task_created",
        "task_updated",
        "task_completed",
        "task_deleted",
        "task_updated",
    ]
    assert {(event["task_id"], event["user_id"]) for event in received} == {(task.id, alice.user_id)}


async def test_other_users_receive_no_events(server: RunningServer, alice: Person, bob: Person) -> None:
    async with server.socket(bob.user_id) as other_user, server.socket(alice.user_id) as owner:
        await tasks.add(alice.scope, new("Private"))
        await owner.next_event()
        assert await other_user.until_pong() == []


async def test_team_members_and_share_recipients_receive_events(
    server: RunningServer, alice: Person, bob: Person, carol: Person
) -> None:
    team = await teams.create(alice.scope, "Crew")
    await add_member(alice.scope, team.id, bob.scope)
    task = await tasks.add(alice.scope, new("Together", team_id=team.id))
    await share(alice.scope, task.id, carol.scope)
    async with server.socket(bob.user_id) as member, server.socket(carol.user_id) as reader:
        await tasks.complete(bob.scope, task.id)
        for somebody in (member, reader):
            while (event := await somebody.next_event())["event_type"] != "task_completed":
                pass  # changes made just before the socket was ready
            assert (event["task_id"], event["user_id"]) == (task.id, bob.user_id)


async def test_gaining_or_losing_a_task_sends_resync(server: RunningServer, alice: Person, bob: Person) -> None:
    task = await tasks.add(alice.scope, new("Lent"))
    async with server.socket(bob.user_id) as socket, server.socket(alice.user_id) as owner:
        await share(alice.scope, task.id, bob.scope)
        while await socket.receive() != {"type": "resync"}:
            pass
        await sharing.unshare(alice.scope, task.id, bob.user_id)
        assert await socket.receive() == {"type": "resync"}
        await tasks.complete(alice.scope, task.id)
        while (await owner.next_event())["event_type"] != "task_completed":
            pass
        assert await socket.until_pong() == []


async def test_socket_may_authenticate_by_header(server: RunningServer, alice: Person) -> None:
    header = {"Authorization": f"Bearer {server.token(alice.user_id)}"}
    async with server.open_socket(additional_headers=header) as connection:
        assert await Listener(connection).receive() == {"type": "ready"}
    for token in (server.token(alice.user_id, "mcp"), "nonsense"):
        with pytest.raises(InvalidStatus) as refused:
            await server.open_socket(
                additional_headers={"Authorization": f"Bearer {token}", "X-Forwarded-For": "192.0.2.3"}
            )
        assert refused.value.response.status_code == 401


async def test_foreign_origin_gets_no_socket(server: RunningServer) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await server.open_socket(origin="https://evil.example")
    assert refused.value.response.status_code == 403
    async with server.open_socket(origin=server.url) as connection:
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
async def test_invalid_first_message_closes_the_socket(server: RunningServer, code: int, message: str | bytes) -> None:
    async with server.open_socket(
        additional_headers={"X-Forwarded-For": f"192.0.2.{random.randint(10, 250)}"}
    ) as connection:
        await connection.send(message)
        ending = await Listener(connection).wait_closed()
    assert (ending[0], bool(ending[1])) == (code, True)


async def test_unauthenticated_silence_closes_the_socket(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_socket, "AUTHENTICATION_SECONDS", 0.1)
    async with server.open_socket(additional_headers={"X-Forwarded-For": "192.0.2.4"}) as connection:
        assert (await Listener(connection).wait_closed())[0] == 4401


async def test_token_with_the_wrong_audience_or_scope_is_rejected(server: RunningServer, alice: Person) -> None:
    for code, token in (
        (4401, server.token(alice.user_id, "mcp")),
        (4403, server.token(alice.user_id, oauth_scopes=["mcp:write"])),
    ):
        async with server.open_socket(additional_headers={"X-Forwarded-For": "192.0.2.5"}) as connection:
            listener = Listener(connection)
            await listener.send(type="authenticate", token=token)
            assert (await listener.wait_closed())[0] == code


async def test_socket_closes_when_its_token_expires_unless_renewed(
    server: RunningServer, alice: Person, bob: Person
) -> None:
    async with server.open_socket() as short, server.open_socket() as renewed, server.open_socket() as foreign:
        listeners = [Listener(connection) for connection in (short, renewed, foreign)]
        for one in listeners:
            await one.send(type="authenticate", token=server.token(alice.user_id, ttl=1))
            assert await one.receive() == {"type": "ready"}
        await listeners[1].send(type="authenticate", token=server.token(alice.user_id))
        assert await listeners[1].receive() == {"type": "ready"}
        await listeners[2].send(type="authenticate", token=server.token(bob.user_id))
        assert (await listeners[2].wait_closed())[0] == 4403
        assert await listeners[0].wait_closed() == (4401, "The token has expired")
        assert await listeners[1].until_pong() == []


async def test_expired_token_within_the_leeway_gets_no_socket(
    server: RunningServer, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(local_issuer, "time", SimpleNamespace(time=lambda: time.time() - 20))
        late = server.token(alice.user_id, ttl=10)
    header = {"Authorization": f"Bearer {late}"}
    async with server.client(authorization=header["Authorization"]) as client:
        assert (await client.get("/api/dashboard/statistics")).status_code == 200
    async with server.open_socket() as first, server.open_socket(additional_headers=header) as second:
        speaker, silent = Listener(first), Listener(second)
        await speaker.send(type="authenticate", token=late)
        for one in (speaker, silent):
            with pytest.raises(ConnectionClosed):
                await one.receive()
            assert await one.wait_closed() == (4401, "The token has expired")


async def test_socket_rejects_a_token_of_another_issuer(server: RunningServer, alice: Person, direct_url: str) -> None:
    async with personal_token(direct_url, alice.user_id) as (token, _), server.socket(alice.user_id) as listener:
        await listener.send(type="authenticate", token=token)
        assert (await listener.wait_closed())[0] == 4403


async def test_compression_is_never_negotiated(server: RunningServer) -> None:
    async with connect(server.socket_url, compression="deflate") as connection:
        assert connection.response
        assert "Sec-WebSocket-Extensions" not in connection.response.headers


async def test_sixth_socket_of_a_user_is_refused(server: RunningServer, alice: Person) -> None:
    async with AsyncExitStack() as stack:
        five = [await stack.enter_async_context(server.socket(alice.user_id)) for _ in range(5)]
        async with server.open_socket() as connection:
            sixth = Listener(connection)
            await sixth.send(type="authenticate", token=server.token(alice.user_id))
            assert (await sixth.wait_closed())[0] == 4429
        for socket in five:
            assert await socket.until_pong() == []
    async with server.socket(alice.user_id):
        pass


async def test_flooding_or_invalid_client_is_disconnected(server: RunningServer, alice: Person) -> None:
    async with server.socket(alice.user_id) as socket:
        for _ in range(30):
            await socket.send(type="ping")
        assert (await socket.wait_closed())[0] == 4429
    async with server.socket(alice.user_id) as socket:
        await socket.send(type="subscribe", user_id="bob")
        assert (await socket.wait_closed())[0] == 4400


async def test_slow_reader_is_disconnected_without_delaying_others(
    server: RunningServer, alice: Person, direct_url: str
) -> None:
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect(("127.0.0.1", server.settings.port))
    publisher = await asyncpg.connect(direct_url)
    try:
        async with (
            server.open_socket(sock=narrow, max_queue=1, ping_interval=None) as connection,
            server.socket(alice.user_id) as good,
        ):
            slow = Listener(connection)
            await slow.send(type="authenticate", token=server.token(alice.user_id))
            task = await tasks.add(alice.scope, new("Much changed"))
            await good.next_event()
            while True:
                await _announce(publisher, alice.user_id, [task.id] * 90)
                received = [await good.next_event() for _ in range(90)]
                assert all(event["task_id"] == task.id for event in received)
                async with server.client() as client:
                    if "taskdeck_sockets 1.0" in (await client.get("/metrics")).text:
                        break
            assert await slow.wait_closed() == (1013, "Changes come faster than you read them: connect again")
            assert await good.until_pong() == []
    finally:
        await publisher.close()


async def _announce(connection: "asyncpg.Connection[asyncpg.Record]", user_id: str, ids: list[int]) -> None:
    await connection.execute("SELECT announce_tasks('task_updated', $1, $2)", user_id, ids)


async def test_large_batch_of_changes_sends_resync(server: RunningServer, alice: Person) -> None:
    team = await teams.create(alice.scope, "Crew")
    async with server.socket(alice.user_id) as socket:
        added = [await tasks.add(alice.scope, new(str(n), team_id=team.id)) for n in range(3)]
        assert [(await socket.next_event())["task_id"] for _ in added] == [task.id for task in added]
        publisher = await asyncpg.connect(server.settings.database_url_unpooled)
        await _announce(publisher, alice.user_id, [task.id for task in added] * 50)
        await publisher.close()
        assert await socket.receive() == {"type": "resync"}


async def test_rapid_changes_send_resync(server: RunningServer, alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    task = await tasks.add(alice.scope, new("Much changed"))
    async with server.socket(alice.user_id) as socket:
        monkeypatch.setattr(feed, "MAX_HEARD", 2)
        publisher = await asyncpg.connect(server.settings.database_url_unpooled)
        async with publisher.transaction():
            for number in range(4):
                await _announce(publisher, alice.user_id, [task.id] * (number + 1))
        await publisher.close()
        while await socket.receive() != {"type": "resync"}:
            pass
