"""The next occurrence of a recurring task: whose time zone counts, and when it is named."""

from dataclasses import replace

from tests.conftest import Person
from tests.support.consent import agreed


async def test_recurrence_follows_the_owners_time_zone_whoever_completes_the_task(alice: Person, bob: Person) -> None:
    berlin = replace(alice, timezone="Europe/Berlin")
    due = "2026-03-28T09:00:00+01:00"
    task = (await berlin.call("add_task", title="Water", due=due, recurrence="FREQ=DAILY"))["id"]
    await agreed(berlin, "share_task", bob, task_id=task, permission="edit")
    following = (await bob.call("complete_task", task_id=task))["next_occurrence"]
    assert following["due"] == "2026-03-29T09:00:00+02:00", "summer time begins on that day"


async def test_a_deleted_next_occurrence_is_not_named_again(alice: Person) -> None:
    task = (await alice.call("add_task", title="Water", due="2026-03-28", recurrence="FREQ=DAILY"))["id"]
    following = (await alice.call("complete_task", task_id=task))["next_occurrence"]
    assert (following["title"], following["due"]) == ("Water", "2026-03-29")
    assert (await alice.call("complete_task", task_id=task))["next_occurrence"]["id"] == following["id"]
    await alice.call("delete_task", task_id=following["id"])
    assert (await alice.call("complete_task", task_id=task)).get("next_occurrence") is None
