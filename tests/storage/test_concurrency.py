"""Invariants under concurrent calls."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import pytest

from mcp_server.protocol.recording import KEY
from storage.engine.database import Scope
from storage.engine.retry import retry_transient
from storage.schema.errors import Unavailable
from storage.schema.request_models import NewTask
from storage.tasks.tasks import insert_task
from tests.conftest import Cluster, Person, Refused
from tests.support.consent import agreed
from tests.support.postgres import Connection

Facts = dict[str, object]

WAITING = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
"""Whether another connection waits for a lock of this one; no event announces that."""


async def at_once(times: int, person: Person, tool: str, **arguments: object) -> list[Facts | Exception]:
    """Make the same call from many clients; errors take the place of results."""
    calls = (_insist(person, tool, arguments) for _ in range(times))
    answers: list[Facts | BaseException] = await asyncio.gather(*calls, return_exceptions=True)
    return [answer for answer in answers if isinstance(answer, (dict, Exception))]


async def _insist(person: Person, tool: str, arguments: Facts) -> Facts:
    """Repeat a call while the database is busy, as clients do: many calls at once may time out."""
    while True:
        try:
            return await person.call(tool, **arguments)
        except Refused as refused:
            if "The database is busy" not in str(refused):
                raise


def ids(answers: list[Facts | Exception]) -> set[object]:
    assert all(isinstance(answer, dict) for answer in answers), answers
    return {answer["id"] for answer in answers if isinstance(answer, dict)}


async def administrator(cluster: Cluster) -> Connection:
    return await asyncpg.connect(cluster.address("tests"))


async def test_fifty_adds_with_one_key_create_one_task(alice: Person) -> None:
    answers = await at_once(50, alice, "add_task", title="Pay rent", idempotency_key="rent")
    assert len(answers) == 50
    assert len(ids(answers)) == 1
    assert (await alice.call("list_tasks"))["total_count"] == 1


async def test_key_with_other_arguments_is_a_conflict(alice: Person) -> None:
    added = await alice.call("add_task", title="Pay rent", idempotency_key="rent")
    assert "other arguments" in await alice.refusal("add_task", title="Pay more rent", idempotency_key="rent")
    assert "other arguments" in await alice.refusal("start_conversation", title="Pay rent", idempotency_key="rent")
    assert await alice.call("add_task", title="Pay rent", idempotency_key="rent") == added


async def test_idempotency_keys_are_per_user(alice: Person, bob: Person) -> None:
    mine = await alice.call("add_task", title="Pay rent", idempotency_key="rent")
    theirs = await bob.call("add_task", title="Something else", idempotency_key="rent")
    assert mine["id"] != theirs["id"]
    assert (await bob.call("list_tasks"))["total_count"] == 1


async def test_batches_and_conversations_with_a_key_are_created_once(alice: Person) -> None:
    batch = await at_once(10, alice, "add_tasks", tasks=[{"title": "a"}, {"title": "b"}], idempotency_key="batch")
    assert all(answer == batch[0] for answer in batch)
    chats = await at_once(10, alice, "start_conversation", title="Chat", idempotency_key="chat")
    assert len(ids(chats)) == 1
    (chat,) = ids(chats)
    messages = [{"role": "user", "content": "once"}]
    await at_once(10, alice, "append_messages", conversation_id=chat, messages=messages, idempotency_key="messages")
    assert (await alice.call("get_conversation", conversation_id=chat))["conversation"]["message_count"] == 1
    assert (await alice.call("list_tasks"))["total_count"] == 2


async def test_parallel_appends_leave_no_gap_and_keep_batches_together(alice: Person) -> None:
    chat = (await alice.call("start_conversation"))["id"]

    async def append(number: int) -> dict[str, int]:
        messages = [{"role": "user", "content": f"{number}.{part}"} for part in range(3)]
        return await alice.call("append_messages", conversation_id=chat, messages=messages)

    places = await asyncio.gather(*(append(number) for number in range(20)))
    page = await alice.call("get_conversation", conversation_id=chat, limit=100, max_tokens=20_000)
    assert [message["sequence"] for message in page["messages"]] == list(range(1, 61))
    for number, place in enumerate(places):
        found = page["messages"][place["first_sequence"] - 1 : place["last_sequence"]]
        assert [message["content"] for message in found] == [f"{number}.{part}" for part in range(3)]


async def test_one_of_twenty_updates_of_one_version_wins(alice: Person) -> None:
    task = (await alice.call("add_task", title="Draft"))["id"]
    answers = await at_once(20, alice, "update_task", task_id=task, title="Mine", expected_version=1)
    assert sum(isinstance(answer, dict) for answer in answers) == 1
    refused = [str(answer) for answer in answers if isinstance(answer, Exception)]
    assert len(refused) == 19
    assert all("version 2" in sentence for sentence in refused)
    assert (await alice.call("get_task", task_id=task))["version"] == 2


async def test_twenty_completions_count_once(alice: Person) -> None:
    task = (await alice.call("add_task", title="Water plants", due="2026-03-01", recurrence="FREQ=DAILY"))["id"]
    answers = await at_once(20, alice, "complete_task", task_id=task)
    assert len({answer["completed_at"] for answer in answers if isinstance(answer, dict)}) == 1
    assert len(ids(answers)) == 1
    before = await alice.call("get_task", task_id=task)
    await alice.call("complete_task", task_id=task)
    after = await alice.call("get_task", task_id=task)
    assert after == before
    assert Counter(event["event_type"] for event in after["history"])["task_completed"] == 1
    assert (await alice.call("list_tasks", status="all"))["total_count"] == 2


async def test_twenty_deletions_and_restorations_count_once_each(alice: Person) -> None:
    task = (await alice.call("add_task", title="Old"))["id"]
    assert ids(await at_once(20, alice, "delete_task", task_id=task)) == {task}
    assert ids(await at_once(20, alice, "restore_task", task_id=task)) == {task}
    history = (await alice.call("get_task", task_id=task))["history"]
    assert Counter(event["event_type"] for event in history) == {
        "task_created": 1,
        "task_deleted": 1,
        "task_restored": 1,
    }


async def test_two_owners_leaving_at_once_leave_one_owner(alice: Person, bob: Person) -> None:
    team = (await alice.call("create_team", name="Twins"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team, role="owner")
    leaving = (who.call("remove_team_member", team_id=team, user=who.user_id) for who in (alice, bob))
    left = await asyncio.gather(*leaving, return_exceptions=True)
    assert sum(isinstance(answer, dict) for answer in left) == 1
    teams = [(await who.call("list_teams"))["teams"] for who in (alice, bob)]
    assert sorted(len(found) for found in teams) == [0, 1]


async def test_update_of_a_locked_row_fails_after_two_seconds(alice: Person, cluster: Cluster) -> None:
    task = (await alice.call("add_task", title="Draft"))["id"]
    rival = await administrator(cluster)
    async with rival.transaction():
        await rival.execute("SELECT FROM tasks WHERE id = $1 FOR UPDATE", task)
        assert "else is changing this right now" in await alice.refusal("update_task", task_id=task, title="Mine")
    await rival.close()


async def test_cancelled_calls_change_nothing_and_release_their_connections(
    alice: Person, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = [(await alice.call("add_task", title=title))["id"] for title in ("first", "second")]
    rival = await administrator(cluster)
    async with rival.transaction():
        await rival.execute("SELECT FROM tasks WHERE id = $1 FOR UPDATE", second)
        for _ in range(12):  # more than there are connections
            deleting = asyncio.create_task(alice.call("delete_task", task_ids=[first, second]))
            while not deleting.done() and not await rival.fetchval(WAITING):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            deleting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await deleting
    await rival.close()
    assert [task["id"] for task in (await alice.call("list_tasks"))["tasks"]] == [second, first]
    assert not caplog.messages, "the pool had to clear up"


async def test_cancellation_between_statements_rolls_back(alice: Person, caplog: pytest.LogCaptureFixture) -> None:
    halfway = asyncio.Event()

    @retry_transient
    async def write(scope: Scope) -> None:
        async with scope.transaction() as transaction:
            await insert_task(transaction, NewTask.model_validate({"title": "Half"}))
            halfway.set()
            await asyncio.Event().wait()

    writing = asyncio.ensure_future(write(alice.scope))
    await halfway.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert (await alice.call("list_tasks"))["total_count"] == 0
    assert not caplog.messages, "the pool had to clear up"


@pytest.mark.parametrize("kept", [False, True])
async def test_deadlock_is_retried(alice: Person, cluster: Cluster, kept: bool) -> None:
    meta: dict[str, Any] = {KEY: (await alice.call("start_conversation"))["id"]} if kept else {}
    first, second = [(await alice.call("add_task", title=title))["id"] for title in ("first", "second")]
    rival = await administrator(cluster)
    transaction = rival.transaction()
    await transaction.start()
    await rival.execute("SET LOCAL deadlock_timeout = '1min'")
    await rival.execute("SELECT FROM tasks WHERE id = $1 FOR UPDATE", second)
    deleting = asyncio.create_task(alice.ask("delete_task", meta, task_ids=[first, second]))
    while not await rival.fetchval(WAITING):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await rival.execute("SELECT FROM tasks WHERE id = $1 FOR UPDATE", first)
    await transaction.rollback()
    await rival.close()
    deleted: dict[str, Any] = (await deleting).structured_content or {}
    assert [task["id"] for task in deleted["tasks"]] == [first, second]


@pytest.mark.parametrize(("faults", "succeeds"), [(1, True), (3, True), (9, False)])
async def test_transient_error_is_retried_a_few_times(alice: Person, faults: int, succeeds: bool) -> None:
    attempts = 0

    @retry_transient
    async def write(scope: Scope) -> str:
        nonlocal attempts
        async with scope.transaction():
            attempts += 1
            if attempts <= faults:
                raise asyncpg.SerializationError("could not serialize access")
            return "written"

    if succeeds:
        assert await write(alice.scope) == "written"
        assert attempts == faults + 1
    else:
        with pytest.raises(Unavailable, match="Nothing was changed"):
            await write(alice.scope)
        assert attempts == 4


async def test_dead_idle_connections_are_replaced_silently(alice: Person, cluster: Cluster) -> None:
    task = (await alice.call("add_task", title="Here"))["id"]
    killer = await administrator(cluster)
    for number in range(5):
        await killer.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = 'tests' AND usename = 'owner' AND pid <> pg_backend_pid()"
        )
        await alice.call("update_task", task_id=task, title=f"Here {number}")
        assert (await alice.call("get_task", task_id=task))["version"] == number + 2
    await killer.close()
