"""The order of the people whom a task is shared with, and of the days of a trend."""

from datetime import date, timedelta

from tests.conftest import Person
from tests.support.consent import share


async def test_shares_are_listed_in_the_order_of_sharing(alice: Person, bob: Person, carol: Person) -> None:
    task = (await alice.call("add_task", title="Paint"))["id"]
    for person in (carol, bob):  # the other way round than their ids
        await share(alice.scope, task, person.scope)
    shown = await alice.call("get_task", task_id=task)
    assert [one["user_id"] for one in shown["shares"]] == [carol.user_id, bob.user_id]


async def test_days_of_a_trend_are_listed_with_the_oldest_first(alice: Person) -> None:
    await alice.call("add_task", title="Paint")
    trend = (await alice.call("get_statistics", days=40))["trend"]
    days = [date.fromisoformat(day["date"]) for day in trend]
    assert days == [days[-1] - timedelta(days=39 - place) for place in range(40)]
