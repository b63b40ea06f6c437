"""How many values a completion has."""

from mcp.types import ResourceTemplateReference

from tests.conftest import Person


async def test_completion_has_more_conversations_than_a_page_of_their_list(alice: Person) -> None:
    chats = [(await alice.call("start_conversation", title=f"Plan {number}"))["id"] for number in range(21)]
    template = ResourceTemplateReference(uri="conversation://{conversation_id}")
    async with alice.client() as client:
        completion = (await client.complete(template, {"name": "conversation_id", "value": "plan"})).completion
    assert sorted(map(int, completion.values)) == chats
    assert (completion.total, completion.has_more) == (21, False)
