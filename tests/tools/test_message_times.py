"""Messages with a time of their own, such as those of an older chat."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import Person


async def test_messages_keep_their_times_in_the_order_of_their_numbers(alice: Person) -> None:
    before = datetime.now(UTC)
    started = await alice.call(
        "start_conversation",
        messages=[
            {"role": "user", "content": "second", "created_at": "2024-05-02T10:00:00.123456+02:00"},
            {"role": "assistant", "content": "first", "created_at": "1970-01-01T00:00:00Z"},
            {"role": "user", "content": "now"},
        ],
    )
    appended = [{"role": "user", "content": "third", "created_at": "2024-05-03T10:00:00-05:00"}]
    await alice.call("append_messages", conversation_id=started["id"], messages=appended)
    page = await alice.call("get_conversation", conversation_id=started["id"])
    assert [message["content"] for message in page["messages"]] == ["second", "first", "now", "third"]
    times = [datetime.fromisoformat(message["created_at"]) for message in page["messages"]]
    assert times[0] == datetime(2024, 5, 2, 8, 0, 0, 123456, UTC)
    assert times[1] == datetime(1970, 1, 1, tzinfo=UTC)
    assert times[2] >= before
    assert times[3] == datetime(2024, 5, 3, 15, tzinfo=UTC)
    assert datetime.fromisoformat(page["conversation"]["updated_at"]) >= before
    assert (await alice.call("list_conversations"))["conversations"][0]["id"] == started["id"]


@pytest.mark.parametrize(
    "moment",
    [
        (datetime.now(UTC) + timedelta(days=1)).isoformat(),
        *("9999-12-31T23:59:59-12:00", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59"),
        *("2024-05-02T10:00:00", "2024-05-02", "yesterday", "1714640400", ""),
    ],
    ids=["tomorrow", "9999", "1969", "year 1", "no offset", "date", "word", "number", "empty"],
)
async def test_a_time_that_cannot_be_is_refused_with_what_to_write(alice: Person, moment: str) -> None:
    message = {"role": "user", "content": "Hello", "created_at": moment}
    refusal = await alice.refusal("start_conversation", messages=[message])
    assert "messages.0.created_at" in refusal
    assert "between 1970 and now" in refusal
    assert "2026-03-01T17:00:00+01:00" in refusal
    assert (await alice.call("list_conversations"))["total_count"] == 0


async def test_a_repeated_key_takes_the_same_times(alice: Person) -> None:
    message = {"role": "user", "content": "Hello", "created_at": "2024-05-02T10:00:00Z"}
    first = await alice.call("start_conversation", messages=[message], idempotency_key="once")
    assert await alice.call("start_conversation", messages=[message], idempotency_key="once") == first
    changed = message | {"created_at": "2024-05-02T11:00:00Z"}
    assert "idempotency_key" in await alice.refusal("start_conversation", messages=[changed], idempotency_key="once")
