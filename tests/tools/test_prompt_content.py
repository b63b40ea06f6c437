"""What the prompts of a team and of a long conversation contain."""

from tests.conftest import Person


async def text_of(person: Person, prompt: str, **arguments: str) -> str:
    async with person.client() as client:
        (message,) = (await client.get_prompt(prompt, arguments)).messages
    return getattr(message.content, "text", "")


async def test_review_of_a_team_lists_its_tasks_only(alice: Person) -> None:
    team = (await alice.call("create_team", name="Garden"))["id"]
    await alice.call("add_task", title="Rake the leaves", team_id=team)
    await alice.call("add_task", title="Call the dentist")
    review = await text_of(alice, "weekly_review", team_id=str(team))
    assert "Rake the leaves" in review
    assert "Call the dentist" not in review
    assert "Call the dentist" in await text_of(alice, "weekly_review")


async def test_long_conversation_is_cut_to_its_last_messages(alice: Person) -> None:
    messages = [{"role": "user", "content": f"message {number} " + "word " * 4000} for number in range(20)]
    chat = (await alice.call("start_conversation", title="Long", messages=messages))["id"]
    prompt = await text_of(alice, "continue_conversation", conversation_id=str(chat))
    assert "Older messages are left out: get_conversation with before_sequence reads them." in prompt
    assert "message 0 " not in prompt
    assert "message 19 " in prompt
