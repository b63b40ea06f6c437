"""Who a task of a team can be assigned to: somebody who sees it."""

from tests.conftest import Person
from tests.support.consent import add_member


async def test_member_of_another_team_is_no_assignee(alice: Person, bob: Person) -> None:
    garden, house = [(await alice.call("create_team", name=name))["id"] for name in ("Garden", "House")]
    await add_member(alice.scope, house, bob.scope)
    sentence = await alice.refusal("add_task", title="Water", team_id=garden, assignee=bob.user_id)
    assert sentence.startswith(f"{bob.user_id} cannot see this task: give a team_id of a team that they are in")
    task = await alice.call("add_task", title="Paint", team_id=house, assignee=bob.user_id)
    assert task["assignee"] == bob.user_id
