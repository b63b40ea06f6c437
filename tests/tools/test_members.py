"""What a team says about its members."""

from tests.conftest import Person
from tests.support.consent import agreed


async def test_members_have_a_name_an_address_and_a_role_in_the_order_of_joining(
    alice: Person, bob: Person, carol: Person
) -> None:
    team = await alice.call("create_team", name="Garden")
    await agreed(alice, "add_team_member", carol, team_id=team["id"], role="viewer")
    added = await agreed(alice, "add_team_member", bob, team_id=team["id"])
    expected = [
        {"user_id": person.user_id, "name": person.user_id.title(), "email": person.email, "role": role}
        for person, role in ((alice, "owner"), (carol, "viewer"), (bob, "member"))
    ]
    assert added["members"] == expected
    (listed,) = (await bob.call("list_teams"))["teams"]
    assert (listed["role"], listed["members"]) == ("member", expected)


async def test_teams_are_listed_with_the_oldest_first(alice: Person) -> None:
    made = [(await alice.call("create_team", name=name))["id"] for name in ("Zebras", "Apes")]
    assert [team["id"] for team in (await alice.call("list_teams"))["teams"]] == made


async def test_a_share_names_the_address_and_the_permission(alice: Person, bob: Person, carol: Person) -> None:
    task_id = (await alice.call("add_task", title="Paint"))["id"]
    await agreed(alice, "share_task", bob, task_id=task_id, permission="edit")
    shared = await agreed(alice, "share_task", carol, task_id=task_id, permission="view")
    bobs = {"user_id": bob.user_id, "email": bob.email, "permission": "edit"}
    carols = {"user_id": carol.user_id, "email": carol.email, "permission": "view"}
    assert sorted(shared["shares"], key=str) == sorted([bobs, carols], key=str)
    assert (await alice.call("unshare_task", task_id=task_id, user=bob.email))["shares"] == [carols]
    assert (await carol.call("unshare_task", task_id=task_id, user=carol.email))["shares"] == []
