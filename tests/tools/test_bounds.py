"""The largest numbers that tools take, and the sentence for one more."""

from tests.conftest import Person


async def test_a_number_above_its_bound_is_refused(alice: Person) -> None:
    chat = (await alice.call("start_conversation", title="Plans"))["id"]
    largest = 2**31 - 1
    page = await alice.call("get_conversation", conversation_id=chat, before_sequence=largest)
    assert page["conversation"]["title"] == "Plans"
    sentence = await alice.refusal("get_conversation", conversation_id=chat, before_sequence=largest + 1)
    assert sentence == f"before_sequence must be between 1 and {largest}."
    assert len((await alice.call("get_statistics", days=366))["trend"]) == 366
    assert await alice.refusal("get_statistics", days=367) == "days must be between 1 and 366."
