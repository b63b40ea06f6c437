"""A client that can ask its user does so before anything reaches somebody new, or a team or conversation goes."""

import pytest
from mcp.types import ElicitResult

from tests.conftest import Person
from tests.support.asking import client_of
from tests.support.consent import agreed
from tests.tools.test_invitations import add, waiting

YES, NO = ElicitResult(action="accept", content={"yes": True}), ElicitResult(action="decline")


@pytest.mark.parametrize("who", ["bob", "nobody"])
async def test_a_client_that_can_ask_asks_before_anything_reaches_somebody_new(alice: Person, bob: Person, who: str):
    user = bob.email if who == "bob" else "nobody@example.com"
    task, team = await add(alice, 'The "plan"'), (await alice.call("create_team", name="Crew"))["id"]
    calls = (("share_task", {"task_id": task}), ("add_team_member", {"team_id": team}))
    for tool, arguments in calls:
        asked: list[str] = []
        async with client_of(alice, NO, asked) as client:
            refused = await client.call_tool(tool, {"user": user, **arguments})
        assert refused.is_error
        what = "Share the task \"The 'plan'\" with" if tool == "share_task" else "Invite"
        assert asked[0].startswith(f'{what} "{user}", who is new to you')
        assert await waiting(bob) == []
    for tool, arguments in calls:
        async with client_of(alice, YES) as client:
            agreed_to = await client.call_tool(tool, {"user": user, **arguments})
        assert (agreed_to.structured_content or {})["status"] == "pending"
    assert len(await waiting(bob)) == (2 if who == "bob" else 0)


async def test_a_client_that_can_ask_does_not_ask_about_people_one_knows(alice: Person, bob: Person):
    await agreed(alice, "share_task", bob, task_id=await add(alice))
    other, asked = await add(alice), list[str]()
    async with client_of(alice, NO, asked) as client:
        assert not (await client.call_tool("share_task", {"task_id": other, "user": bob.email})).is_error
    assert asked == []


async def test_a_client_that_can_ask_has_the_user_accept(alice: Person, bob: Person):
    await alice.call("share_task", task_id=await add(alice, "Offer"), user=bob.email)
    chosen = {"action": "accept", "invitation_id": (await waiting(bob))[0]["id"]}
    asked: list[str] = []
    async with client_of(bob, NO, asked) as client:
        assert (await client.call_tool("manage_invitations", chosen)).is_error
    assert asked == [f'Accept from "{alice.user_id.title()}" {alice.email}: view task "Offer"?']
    assert len(await waiting(bob)) == 1
    async with client_of(bob, YES) as client:
        assert not (await client.call_tool("manage_invitations", chosen)).is_error
    assert await waiting(bob) == []


async def test_a_client_that_can_ask_has_the_user_confirm_that_a_team_goes(alice: Person, bob: Person):
    team = (await alice.call("create_team", name="Crew"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team)
    asked: list[str] = []
    async with client_of(alice, NO, asked) as client:
        assert (await client.call_tool("delete_team", {"team_id": team})).is_error
    assert asked == ['Delete the team "Crew" for all its members (2)?']
    assert len((await alice.call("list_teams"))["teams"]) == 1


async def test_a_client_that_can_ask_has_the_user_confirm_that_a_conversation_goes(alice: Person):
    chat = (await alice.call("start_conversation", title="Recipes"))["id"]
    asked: list[str] = []
    async with client_of(alice, NO, asked) as client:
        assert (await client.call_tool("delete_conversation", {"conversation_id": chat})).is_error
    assert asked == ['Delete the conversation "Recipes" for good?']
    assert (await alice.call("list_conversations"))["total_count"] == 1
    async with client_of(alice, YES) as client:
        assert not (await client.call_tool("delete_conversation", {"conversation_id": chat})).is_error
    assert (await alice.call("list_conversations"))["total_count"] == 0


async def test_confirm_does_not_stand_for_the_user_where_the_client_can_ask(alice: Person):
    tasks = [await add(alice) for _ in range(6)]
    async with client_of(alice, NO) as client:
        assert (await client.call_tool("delete_task", {"task_ids": tasks, "confirm": True})).is_error
    assert (await alice.call("list_tasks"))["total_count"] == 6
