"""The caller's teams in brief: the oldest first, cut to a number, and with one that is always there."""

from storage.people import teams
from tests.conftest import Person


async def test_team_that_is_shown_is_listed_beyond_the_limit(alice: Person) -> None:
    ids = [(await alice.call("create_team", name=name))["id"] for name in ("Attic", "Barn", "Cellar")]
    async with alice.scope.transaction() as transaction:
        found, total = await teams.read_brief(transaction, 2, ids[2])
        assert [(team.id, team.name, team.role) for team in found] == [
            (ids[0], "Attic", "owner"),
            (ids[2], "Cellar", "owner"),
        ]
        assert total == 3
        found, total = await teams.read_brief(transaction, 2, None)
        assert ([team.id for team in found], total) == (ids[:2], 3)


async def test_unknown_team_takes_no_task(alice: Person, bob: Person) -> None:
    theirs = (await bob.call("create_team", name="Barn"))["id"]
    for team in (2**53 - 1, theirs):
        sentence = await alice.refusal("add_task", title="Sweep", team_id=team)
        assert sentence == f"No team {team}. Use list_teams to find its id."
