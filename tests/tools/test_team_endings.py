"""Teams and sharing end: what becomes of tasks and shares, and what rows of lists say of other people's tasks."""

import asyncio
import json
from collections.abc import Callable

from tests.conftest import Person, introduce
from tests.support.consent import agreed
from tests.tools.test_teams import add, crew, listed


async def test_tasks_of_a_member_who_leaves_go_to_an_owner_without_their_shares(
    alice: Person, bob: Person, carol: Person, person: Callable[[str], Person]
):
    team, dave = await crew(alice, bob, role="admin"), await introduce(person("dave"))
    private = await add(bob, "Secret plan", description="for myself")
    await bob.call("update_task", task_id=private, team_id=team, title="Plan")
    weekly = await add(bob, "Weekly", team_id=team, due="2027-01-04", recurrence="FREQ=WEEKLY")
    deleted = await add(bob, "Deleted", team_id=team)
    await bob.call("delete_task", task_id=deleted)
    elsewhere = await add(bob, "Elsewhere")
    await agreed(bob, "share_task", carol, task_id=private)
    await agreed(alice, "share_task", dave, task_id=private)
    assert (await bob.call("get_statistics"))["total_tasks"] == 3
    await bob.call("remove_team_member", team_id=team, user=bob.user_id)

    assert (await bob.call("get_statistics"))["total_tasks"] == 1
    assert await listed(bob, status="all") == ["Elsewhere"]
    for tool, arguments in (("get_task", {}), ("restore_task", {}), ("share_task", {"user": carol.email})):
        for task in (private, weekly, deleted):
            assert "No task" in await bob.refusal(tool, task_id=task, **arguments)
    assert "No task" in await carol.refusal("get_task", task_id=private), "bob gave that share"
    assert (await dave.call("get_task", task_id=private))["owner"] == alice.user_id, "alice gave this one"
    history = (await alice.call("get_task", task_id=private))["history"]
    assert "for myself" not in json.dumps(history), "what was before the team's time stays bob's"
    following = (await alice.call("complete_task", task_id=weekly))["next_occurrence"]
    assert "owner" not in following, "it recurs for alice"
    assert (await alice.call("restore_task", task_id=deleted))["title"] == "Deleted"
    assert (await bob.call("get_task", task_id=elsewhere))["access"] == "owner"


async def test_undo_does_not_take_a_hand_over_back(alice: Person, bob: Person):
    team = await crew(alice, bob)
    task, mine = await add(bob, team_id=team), await add(alice, "Mine")
    await alice.call("remove_team_member", team_id=team, user=bob.email)
    (reverted,) = (await alice.call("undo"))["reverted"]
    assert reverted["task_id"] == mine
    assert (await alice.call("get_task", task_id=task))["access"] == "owner"


async def test_an_owner_who_removes_somebody_gets_their_tasks_else_the_first_owner(
    alice: Person, bob: Person, carol: Person
):
    team = await crew(alice, bob, carol)
    await alice.call("add_team_member", team_id=team, user=bob.email, role="owner")
    task = await add(carol, team_id=team)
    await bob.call("remove_team_member", team_id=team, user=carol.email)
    assert (await alice.call("get_task", task_id=task))["owner"] == bob.user_id
    await bob.call("remove_team_member", team_id=team, user=bob.user_id)
    assert "owner" not in await alice.call("get_task", task_id=task)


async def test_a_task_moves_only_into_a_team_that_its_owner_is_in(alice: Person, bob: Person):
    here, there = await crew(alice, bob), await crew(alice)
    task = await add(bob, team_id=here)
    assert await alice.refusal("update_task", task_id=task, team_id=there) == (
        f"Task {task} belongs to {bob.user_id}, who is not in team {there}: add them first."
    )
    await alice.call("add_team_member", team_id=there, user=bob.user_id)
    assert (await alice.call("update_task", task_id=task, team_id=there))["team_id"] == there


async def test_who_adds_a_task_while_being_removed_loses_it_or_is_refused(alice: Person, bob: Person):
    team = await crew(alice, bob)
    for _ in range(5):
        removing = alice.ask("remove_team_member", team_id=team, user=bob.user_id)
        adding = [bob.ask("add_task", title="Race", team_id=team) for _ in range(4)]
        await asyncio.gather(removing, *adding)
        assert (await bob.call("list_tasks", status="all"))["total_count"] == 0
        await agreed(alice, "add_team_member", bob, team_id=team)


async def test_a_team_that_is_deleted_leaves_its_tasks_to_their_owners(alice: Person, bob: Person, carol: Person):
    team = await crew(alice, bob, role="admin")
    await alice.call("add_team_member", team_id=team, user=carol.email)
    hers, his = await add(alice, "Hers", team_id=team), await add(bob, "His", team_id=team)
    assert await bob.refusal("delete_team", team_id=team) == f"Only an owner of team {team} may delete it."
    assert await alice.call("delete_team", team_id=team) == {"team_id": team, "deleted": True}
    assert (await alice.call("list_teams"))["teams"] == (await bob.call("list_teams"))["teams"] == []
    assert "team_id" not in await bob.call("get_task", task_id=his)
    assert "No task" in await bob.refusal("get_task", task_id=hers)
    assert (await carol.call("manage_invitations"))["invitations"] == []
    assert await alice.refusal("delete_team", team_id=team) == f"No team {team}. Use list_teams to find its id."


async def test_everything_with_one_person_can_be_unshared_at_once(alice: Person, bob: Person, carol: Person):
    given = [await add(alice, f"Given {number}") for number in range(3)]
    got, kept, offered = await add(bob, "Got"), await add(alice, "Kept"), await add(alice, "Offered")
    for task in given:
        await agreed(alice, "share_task", bob, task_id=task)
    await agreed(bob, "share_task", alice, task_id=got)
    await agreed(alice, "share_task", carol, task_id=kept)
    assert await alice.call("unshare_task", user=bob.email, all=True) == {"unshared": 4}
    assert await listed(bob, scope="shared") == await listed(alice, scope="shared") == []
    assert await listed(carol, scope="shared") == ["Kept"]
    await alice.call("share_task", task_id=offered, user=bob.email)
    assert await alice.call("unshare_task", user=bob.email, all=True) == {"unshared": 0}, "one was not accepted"
    assert (await bob.call("manage_invitations"))["invitations"] == []
    assert "You share no task with" in await alice.refusal("unshare_task", user=bob.email, all=True)
    for wrong in ({}, {"task_id": kept, "all": True}):
        refusal = await alice.refusal("unshare_task", user=carol.email, **wrong)
        assert refusal == "Give either task_id, or all=true for every task."


async def test_rows_of_a_list_name_owner_and_team_of_what_is_somebody_elses(alice: Person, bob: Person):
    team = await crew(alice, bob)
    await add(bob, "Mine", team_id=team)
    await add(alice, "Ours", team_id=team)
    await agreed(alice, "share_task", bob, task_id=await add(alice, "Lent"))
    rows = (await bob.call("list_tasks"))["tasks"]
    rows_by_title = {row["title"]: (row.get("owner"), row.get("team_id")) for row in rows}
    assert rows_by_title == {"Mine": (None, None), "Ours": (alice.user_id, team), "Lent": (alice.user_id, None)}
    async with bob.client() as client:
        (message,) = (await client.get_prompt("plan_my_day")).messages
    assert f'"team_id":{team},"access":"edit","owner":"{alice.user_id}"' in getattr(message.content, "text", "")
