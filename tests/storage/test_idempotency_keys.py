"""What counts as the same request, sent again with the same key."""

from typing import Any

from tests.conftest import Person


def calling(arguments: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": "One moment", "tool_calls": [{"name": "look", "arguments": arguments}]}]


async def test_the_order_of_names_in_an_object_makes_no_other_request(alice: Person) -> None:
    first = await alice.call("start_conversation", messages=calling({"a": 1, "b": 2}), idempotency_key="once")
    again = await alice.call("start_conversation", messages=calling({"b": 2, "a": 1}), idempotency_key="once")
    assert again == first
    refusal = await alice.refusal("start_conversation", messages=calling({"a": 2, "b": 1}), idempotency_key="once")
    assert refusal == "This idempotency_key was used with other arguments within 24 hours. Use a new key."


async def test_the_same_arguments_of_another_tool_are_another_request(alice: Person) -> None:
    await alice.call("add_tasks", tasks=[{"title": "Paint"}], idempotency_key="paint")
    assert "other arguments" in await alice.refusal("add_task", title="Paint", idempotency_key="paint")
    assert (await alice.call("list_tasks"))["total_count"] == 1


async def test_a_refused_request_leaves_its_key_free(alice: Person) -> None:
    await alice.refusal("add_task", title="Paint", team_id=999_999_999, idempotency_key="paint")
    added = await alice.call("add_task", title="Paint", idempotency_key="paint")
    assert (await alice.call("add_task", title="Paint", idempotency_key="paint"))["id"] == added["id"]
