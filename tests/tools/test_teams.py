"""Teams and sharing: members, roles, immediate effect, and errors that say what to do."""

import asyncpg
import pytest

from tests.conftest import Cluster, Person
from tests.support.consent import accept_all, agreed


async def found(team: Person, number: int) -> dict[str, str]:
    """The roles of a team's members, as a person sees them."""
    teams = {row["id"]: row for row in (await team.call("list_teams"))["teams"]}
    return {member["user_id"]: member["role"] for member in teams[number]["members"]}


async def crew(owner: Person, *others: Person, role: str = "member") -> int:
    made = await owner.call("create_team", name="Crew")
    for other in others:
        await agreed(owner, "add_team_member", other, team_id=made["id"], role=role)
    return made["id"]


async def add(person: Person, title: str = "A task", **fields: object) -> int:
    return (await person.call("add_task", title=title, **fields))["id"]


async def listed(person: Person, **wanted: object) -> list[str]:
    return [task["title"] for task in (await person.call("list_tasks", **wanted))["tasks"]]


async def test_creator_of_a_team_owns_it(alice: Person):
    made = await alice.call("create_team", name="  Crew ")
    assert (made["name"], made["role"]) == ("Crew", "owner")
    assert [(m["user_id"], m["email"], m["role"]) for m in made["members"]] == [(alice.user_id, alice.email, "owner")]


async def test_members_are_named_by_id_or_email_and_adding_again_changes_the_role(alice: Person, bob: Person):
    team = await crew(alice)
    await alice.call("add_team_member", team_id=team, user=bob.email.upper())
    await accept_all(bob.scope)
    assert await found(bob, team) == {alice.user_id: "owner", bob.user_id: "member"}
    await agreed(alice, "add_team_member", bob, team_id=team, role="admin")
    assert (await found(alice, team))[bob.user_id] == "admin"


async def test_removal_takes_effect_on_the_next_request(alice: Person, bob: Person):
    team = await crew(alice, bob)
    task, own = await add(alice, team_id=team), await add(bob, "Bob's", team_id=team)
    assert (await bob.call("get_task", task_id=task))["access"] == "edit"
    await alice.call("remove_team_member", team_id=team, user=bob.email)
    assert "No task" in await bob.refusal("get_task", task_id=task)
    assert "No team" in await bob.refusal("list_tasks", team_id=team)
    assert "No task" in await bob.refusal("get_task", task_id=own)
    handed_over = await alice.call("get_task", task_id=own)
    assert (handed_over["access"], handed_over["title"], handed_over.get("owner")) == ("owner", "Bob's", None)
    assert handed_over["history"][0]["changes"] == {"owner": [bob.user_id, alice.user_id]}


async def test_unsharing_takes_effect_on_the_next_request(alice: Person, bob: Person):
    task = await add(alice)
    shared = await agreed(alice, "share_task", bob, task_id=task)
    assert shared == {"task_id": task, "shares": [{"user_id": bob.user_id, "email": bob.email, "permission": "view"}]}
    assert await listed(bob, scope="shared") == ["A task"]
    assert (await alice.call("unshare_task", task_id=task, user=bob.user_id))["shares"] == []
    assert await listed(bob, scope="shared") == []
    assert "No task" in await bob.refusal("get_task", task_id=task)


async def test_sharing_again_changes_the_permission(alice: Person, bob: Person):
    task = await add(alice)
    await agreed(alice, "share_task", bob, task_id=task, permission="edit")
    assert (await bob.call("update_task", task_id=task, title="Bob's words"))["version"] == 2
    await agreed(alice, "share_task", bob, task_id=task)
    assert "viewing only" in await bob.refusal("update_task", task_id=task, title="Again")


async def test_recipient_can_drop_a_share_and_member_can_leave_a_team(alice: Person, bob: Person):
    task, team = await add(alice), await crew(alice, bob)
    await agreed(alice, "share_task", bob, task_id=task)
    assert await bob.call("unshare_task", task_id=task, user=bob.user_id) == {"task_id": task, "shares": []}
    assert "No task" in await bob.refusal("get_task", task_id=task)
    left = await bob.call("remove_team_member", team_id=team, user=bob.email)
    assert [member["user_id"] for member in left["members"]] == [alice.user_id]
    assert (await bob.call("list_teams"))["teams"] == []


async def test_assignee_must_see_the_task(alice: Person, bob: Person, carol: Person):
    team = await crew(alice, bob)
    task = await add(alice, team_id=team, assignee=bob.email)
    assert (await bob.call("get_task", task_id=task))["assignee"] == bob.user_id
    assert "cannot see this task" in await alice.refusal("update_task", task_id=task, assignee=carol.email)


async def test_list_scope_separates_own_team_and_shared_tasks(alice: Person, bob: Person):
    team = await crew(alice, bob)
    await add(bob, "Mine")
    await add(bob, "Mine in the team", team_id=team)
    await add(alice, "Hers in the team", team_id=team)
    await agreed(alice, "share_task", bob, task_id=await add(alice, "Shared"))
    assert set(await listed(bob, scope="mine")) == {"Mine", "Mine in the team"}
    assert set(await listed(bob, scope="team")) == {"Mine in the team", "Hers in the team"}
    assert await listed(bob, scope="shared") == ["Shared"]
    assert len(await listed(bob)) == 4


async def test_team_numbers_cover_its_tasks(alice: Person, bob: Person, carol: Person):
    team = await crew(alice, bob)
    task = await add(alice, team_id=team, due="2020-01-01")
    await bob.call("complete_task", task_id=await add(bob, team_id=team))
    await add(alice, "Elsewhere")
    await agreed(alice, "share_task", carol, task_id=task)
    numbers = await bob.call("get_statistics", team_id=team, days=1)
    assert [numbers[name] for name in ("total_tasks", "completed_tasks", "pending_tasks", "shared_tasks")] == [
        2,
        1,
        1,
        1,
    ]
    assert (numbers["overdue_tasks"], numbers["trend"][0]["created"]) == (1, 2)


async def test_unknown_person_is_a_clear_error(alice: Person):
    task, team = await add(alice), await crew(alice)
    refusal = await alice.refusal("unshare_task", task_id=task, user="nobody@example.com")
    assert refusal == f"Task {task} is not shared with nobody@example.com. Use get_task to see with whom it is."
    refusal = await alice.refusal("remove_team_member", team_id=team, user="nobody@example.com")
    assert refusal == f"nobody@example.com is not a member of team {team}. Use list_teams to see who is."


async def test_last_owner_cannot_leave(alice: Person, bob: Person):
    team = await crew(alice, bob, role="admin")
    for tool, arguments in (("remove_team_member", {}), ("add_team_member", {"role": "member"})):
        refusal = await alice.refusal(tool, team_id=team, user=alice.user_id, **arguments)
        assert refusal == f"Team {team} needs an owner: make somebody else one first (add_team_member with role owner)."
    await agreed(alice, "add_team_member", bob, team_id=team, role="owner")
    await alice.call("remove_team_member", team_id=team, user=alice.user_id)
    assert await found(bob, team) == {bob.user_id: "owner"}


async def test_admins_cannot_add_or_remove_owners(alice: Person, bob: Person, carol: Person):
    team = await crew(alice, bob, role="admin")
    refusal = await bob.refusal("add_team_member", team_id=team, user=carol.email, role="owner")
    assert "Only an owner" in refusal
    assert "Only an owner" in await bob.refusal("remove_team_member", team_id=team, user=alice.email)
    assert await found(alice, team) == {alice.user_id: "owner", bob.user_id: "admin"}


async def test_sharing_with_oneself_or_the_owner_is_rejected(alice: Person, bob: Person):
    task = await add(alice, team_id=await crew(alice, bob, role="admin"))
    for user in (alice.email, alice.user_id):
        assert "with yourself" in await alice.refusal("share_task", task_id=task, user=user)
    assert "owns task" in await bob.refusal("share_task", task_id=task, user=alice.email)


async def test_foreign_task_looks_missing(alice: Person, bob: Person, carol: Person):
    task = await add(alice)
    for number in (task, task + 10**6):
        refusal = await bob.refusal("share_task", task_id=number, user=carol.email)
        assert refusal == f"No task {number}. Use list_tasks to find its id."


async def test_deleted_team_is_gone_for_its_members(alice: Person, bob: Person, cluster: Cluster):
    team = await crew(alice, bob)
    task = await add(bob, team_id=team)
    administrator = await asyncpg.connect(cluster.address("tests"))
    await administrator.execute("DELETE FROM teams WHERE id = $1", team)
    await administrator.close()
    for tool, arguments in (
        ("add_task", {"title": "New"}),
        ("get_statistics", {}),
        ("list_tasks", {}),
        ("add_team_member", {"user": alice.email}),
        ("remove_team_member", {"user": bob.email}),
    ):
        assert await bob.refusal(tool, team_id=team, **arguments) == f"No team {team}. Use list_teams to find its id."
    assert (await bob.call("list_teams"))["teams"] == []
    assert "team_id" not in await bob.call("get_task", task_id=task)


@pytest.mark.parametrize("name", ["x" * 101, "", "   ", "a\x00b"])
async def test_invalid_team_name_is_rejected_in_a_sentence(alice: Person, name: str):
    refusal = await alice.refusal("create_team", name=name)
    assert refusal.startswith("name ")
    assert "\x00" not in refusal
    assert (await alice.call("list_teams"))["teams"] == []


async def test_unknown_role_is_rejected(alice: Person, bob: Person):
    team = await crew(alice)
    assert "role" in await alice.refusal("add_team_member", team_id=team, user=bob.email, role="boss")
    assert await found(alice, team) == {alice.user_id: "owner"}


async def test_no_more_than_a_hundred_teams_are_read_and_all_are_counted(alice: Person, cluster: Cluster) -> None:
    administrator = await asyncpg.connect(cluster.address("tests"))
    async with administrator.transaction():
        await administrator.execute("SELECT set_config('app.user_id', $1, true)", alice.user_id)
        rows = await administrator.fetch("SELECT create_team('T' || n) AS id FROM generate_series(1, 2000) AS n")
    await administrator.close()
    listed = await alice.call("list_teams")
    shown = [team["id"] for team in listed["teams"]]
    assert (shown, len(shown) + listed["more_teams"]) == ([row["id"] for row in rows[: len(shown)]], 2000)
    assert 50 < len(shown) <= 100


async def test_members_of_large_teams_are_counted(alice: Person, bob: Person, cluster: Cluster) -> None:
    crowd, pair = [(await alice.call("create_team", name=name))["id"] for name in ("Crowd", "Pair")]
    await agreed(alice, "add_team_member", bob, team_id=pair)
    administrator = await asyncpg.connect(cluster.address("tests"))
    await administrator.execute(
        "WITH people AS (INSERT INTO users (id) SELECT $1 || '-' || n FROM generate_series(1, 500) AS n RETURNING id) "
        "INSERT INTO team_members (team_id, user_id, role) SELECT $2, id, 'viewer' FROM people",
        alice.user_id,
        crowd,
    )
    await administrator.close()
    large, small = (await alice.call("list_teams"))["teams"]
    assert (large["members"][0]["user_id"], len(large["members"]) + large["more_members"]) == (alice.user_id, 501)
    assert 20 < len(large["members"]) <= 298
    assert ([member["user_id"] for member in small["members"]], small.get("more_members")) == (
        [alice.user_id, bob.user_id],
        None,
    )
