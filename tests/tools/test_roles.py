"""What a role or a share does not allow is refused with the reason, whatever tool is asked."""

import pytest

from tests.conftest import Person
from tests.support.consent import agreed


@pytest.mark.parametrize("role", ["member", "viewer"])
async def test_only_owners_and_admins_change_the_members_of_a_team(
    alice: Person, bob: Person, carol: Person, role: str
) -> None:
    team = (await alice.call("create_team", name="Garden"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team, role=role)
    refusal = await bob.refusal("add_team_member", team_id=team, user=carol.user_id)
    assert refusal == f"You are a {role} of team {team}: only its owners and admins may change its members."
    refusal = await bob.refusal("remove_team_member", team_id=team, user=alice.user_id)
    assert refusal == f"You are a {role} of team {team}: you may only remove yourself."


async def test_only_owners_make_and_unmake_owners(alice: Person, bob: Person, carol: Person) -> None:
    team = (await alice.call("create_team", name="Garden"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team, role="admin")
    sentence = f"Only an owner of team {team} may make or unmake its owners."
    assert await bob.refusal("add_team_member", team_id=team, user=carol.user_id, role="owner") == sentence
    assert await bob.refusal("add_team_member", team_id=team, user=alice.user_id, role="member") == sentence
    refusal = await bob.refusal("remove_team_member", team_id=team, user=alice.user_id)
    assert refusal == f"Only an owner of team {team} may remove its owners."
    added = await agreed(bob, "add_team_member", carol, team_id=team, role="admin")
    assert [member["role"] for member in added["members"]] == ["owner", "admin", "admin"]


async def test_tasks_are_moved_only_into_teams_that_one_may_write_in(alice: Person, bob: Person) -> None:
    viewed = (await alice.call("create_team", name="Garden"))["id"]
    hidden = (await alice.call("create_team", name="Kitchen"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=viewed, role="viewer")
    task = (await bob.call("add_task", title="Mow"))["id"]
    refusal = await bob.refusal("update_task", task_id=task, team_id=viewed)
    assert refusal.startswith(f"You are a viewer of team {viewed}: only owners, admins and members")
    refusal = await bob.refusal("update_task", task_id=task, team_id=hidden)
    assert refusal == f"No team {hidden}. Use list_teams to find its id."
    assert (await bob.call("get_task", task_id=task)).get("team_id") is None


async def test_an_editor_may_name_the_team_that_a_task_is_in(alice: Person, bob: Person) -> None:
    team = (await alice.call("create_team", name="Garden"))["id"]
    task = (await alice.call("add_task", title="Mow", team_id=team))["id"]
    await agreed(alice, "share_task", bob, task_id=task, permission="edit")
    changed = await bob.call("update_task", task_id=task, team_id=team, title="Mow the lawn")
    assert changed["title"] == "Mow the lawn"
    other = (await bob.call("create_team", name="Kitchen"))["id"]
    refusal = await bob.refusal("update_task", task_id=task, team_id=other)
    assert refusal == f"Only the owner of task {task} or an admin of its team may move it between teams."


async def test_only_the_owner_takes_a_task_out_of_its_team(alice: Person, bob: Person) -> None:
    team = (await alice.call("create_team", name="Garden"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team, role="member")
    task = (await bob.call("add_task", title="Mow", team_id=team))["id"]
    refusal = await alice.refusal("update_task", task_id=task, clear=["team_id"])
    assert refusal == f"Only {bob.user_id}, who made task {task}, may take it out of its team."
    assert (await bob.call("update_task", task_id=task, clear=["team_id"])).get("team_id") is None


async def test_only_the_owner_shares_a_task(alice: Person, bob: Person, carol: Person) -> None:
    task = (await alice.call("add_task", title="Mow"))["id"]
    await agreed(alice, "share_task", bob, task_id=task, permission="edit")
    refusal = await bob.refusal("share_task", task_id=task, user=carol.user_id)
    assert refusal == f"Only the owner of task {task} or an admin of its team may share it."


async def test_a_due_date_that_recurrence_needs_is_not_undone(alice: Person, bob: Person) -> None:
    task = (await alice.call("add_task", title="Mow"))["id"]
    await agreed(alice, "share_task", bob, task_id=task, permission="edit")
    await alice.call("update_task", task_id=task, due="2026-03-01")
    await bob.call("update_task", task_id=task, recurrence="FREQ=WEEKLY")
    refusal = await alice.refusal("undo")
    assert f"Task {task} changed meanwhile (it recurs now, and needs its due date)" in refusal
    assert (await alice.call("get_task", task_id=task))["due"] == "2026-03-01"
