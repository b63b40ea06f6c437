"""The feed of changes and undo through the dashboard's HTTP API."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage.schema.request_models import TaskFields
from storage.tasks import tasks
from tests.conftest import Person
from tests.support.consent import agreed
from tests.support.running_server import RunningServer

ACTIVITY = "/api/dashboard/activity"


@pytest.fixture
def ask(server: RunningServer) -> Any:
    """Send a request as somebody: the status and the body of the response."""

    async def send(sender: Person, method: str, path: str = "", /, **query: Any) -> tuple[int, Any]:
        async with server.client(sender.user_id) as client:
            response = await client.request(method, ACTIVITY + path, params=query)
        return response.status_code, response.json()

    return send


async def changes(ask: Any, reader: Person, /, **query: Any) -> list[dict[str, Any]]:
    status, body = await ask(reader, "GET", **query)
    assert status == 200, body
    return body["changes"]


def shown(found: list[dict[str, Any]]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(change["event_type"], change["title"], change["changes"]) for change in found]


def long_ago() -> str:
    return (datetime.now(UTC) - timedelta(hours=1)).isoformat()


async def test_feed_names_the_person_the_client_and_the_fields(ask: Any, alice: Person) -> None:
    task = (await alice.call("add_task", title="Draft"))["id"]
    await alice.call("update_task", task_id=task, title="Letter", priority="high")
    await alice.call("complete_task", task_id=task)
    completed, changed, created = await changes(ask, alice)
    assert shown([completed, changed, created]) == [
        ("task_completed", "Letter", {"status": ["pending", "completed"]}),
        ("task_updated", "Letter", {"title": ["Draft", "Letter"], "priority": ["medium", "high"]}),
        ("task_created", "Letter", {}),
    ]
    assert (changed["user_id"], changed["user_name"], changed["client"]) == (
        alice.user_id,
        alice.user_id.title(),
        "pytest",
    )
    assert (changed["task_id"], changed["version"], changed["deleted"]) == (task, 3, False)
    assert (changed["own"], changed["undoable"], changed["undone"], changed["undoes"]) == (True, True, False, False)


async def test_strangers_see_nothing_and_a_share_shows_nothing_from_before_it(
    ask: Any, alice: Person, bob: Person, carol: Person
) -> None:
    task = (await alice.call("add_task", title="Plan"))["id"]
    await alice.call("update_task", task_id=task, description="the secret")
    await agreed(alice, "share_task", bob, task_id=task)
    await alice.call("update_task", task_id=task, description="public")
    seen = await changes(ask, bob)
    history = (await bob.call("get_task", task_id=task))["history"]
    assert [(change["event_type"], change["changes"]) for change in seen] == [
        (entry["event_type"], entry["changes"]) for entry in history
    ]
    assert [change["event_type"] for change in seen] == ["task_updated", "task_shared"]
    assert await changes(ask, carol) == []
    # Only those who may share it see with whom.
    await agreed(alice, "share_task", carol, task_id=task)
    assert carol.user_id not in json.dumps(await changes(ask, bob))
    assert len(await changes(ask, alice)) == 5


async def test_team_sees_its_own_time_and_who_did_it(ask: Any, alice: Person, bob: Person) -> None:
    team = (await alice.call("create_team", name="Crew"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team)
    private = (await alice.call("add_task", title="Mine"))["id"]
    task = (await alice.call("add_task", title="Ours", team_id=team))["id"]
    await bob.call("update_task", task_id=task, title="Ours, really")
    await alice.call("update_task", task_id=private, title="Still mine")
    assert [(c["event_type"], c["user_id"], c["own"], c["undoable"]) for c in await changes(ask, bob)] == [
        ("task_updated", bob.user_id, True, True),
        ("task_created", alice.user_id, False, False),
    ]
    assert len(await changes(ask, alice, person=bob.user_id)) == 1
    assert len(await changes(ask, alice, person=alice.user_id)) == 3


async def test_filters_and_pages(ask: Any, alice: Person) -> None:
    ids = [(await alice.call("add_task", title=f"Task {number}"))["id"] for number in range(5)]
    pages: list[int] = []
    cursor: dict[str, Any] = {}
    while True:
        status, body = await ask(alice, "GET", limit=2, **cursor)
        assert status == 200
        pages += [change["task_id"] for change in body["changes"]]
        if "next_cursor" not in body:
            break
        cursor = {"cursor": body["next_cursor"]}
    assert pages == ids[::-1]
    assert len(await changes(ask, alice, client="pytest", person=alice.user_id)) == 5
    assert await changes(ask, alice, client="other") == []
    assert [change["task_id"] for change in await changes(ask, alice, task_id=ids[2])] == [ids[2]]
    today = (await alice.call("whoami"))["now"][:10]
    assert len(await changes(ask, alice, since=today)) == 5
    assert len(await changes(ask, alice, since=long_ago())) == 5
    assert await changes(ask, alice, since="2099-01-01") == []
    assert (await ask(alice, "GET", limit=3, **cursor))[0] == 200
    assert (await ask(alice, "GET", client="pytest", **cursor))[0] == 422
    assert (await ask(alice, "GET", since="yesterday"))[0] == 422
    assert (await ask(alice, "GET", "/clients"))[1]["clients"][0]["client"] == "pytest"


async def test_chosen_change_is_undone_once_and_later_ones_stay(ask: Any, alice: Person) -> None:
    first = (await alice.call("add_task", title="First"))["id"]
    await alice.call("update_task", task_id=first, due="2026-03-01", priority="urgent")
    second = (await alice.call("add_task", title="Second"))["id"]
    chosen = next(change for change in await changes(ask, alice) if change["event_type"] == "task_updated")
    status, undone = await ask(alice, "POST", f"/{chosen['id']}/undo", expected_version=chosen["version"])
    assert status == 200, undone
    assert [(row["event_type"], row["task_id"]) for row in undone["reverted"]] == [("task_updated", first)]
    task = await alice.call("get_task", task_id=first)
    assert ("due" in task, task["priority"]) == (False, "medium")
    assert (await alice.call("get_task", task_id=second))["title"] == "Second"
    after = await changes(ask, alice)
    assert [(c["undone"], c["undoable"], c["undoes"]) for c in after if c["task_id"] == first] == [
        (False, False, True),
        (True, False, False),
        (False, True, False),
    ]
    assert (await ask(alice, "POST", f"/{chosen['id']}/undo"))[0] == 404
    # The agent's own undo goes on before what the person has taken back: it removes the second task.
    assert [row["title"] for row in (await alice.call("undo"))["reverted"]] == ["Second"]


async def test_later_change_of_the_same_field_is_a_conflict(ask: Any, alice: Person) -> None:
    task = (await alice.call("add_task", title="One"))["id"]
    await alice.call("update_task", task_id=task, title="Two")
    chosen = (await changes(ask, alice))[0]
    await alice.call("update_task", task_id=task, priority="low")
    status, refused = await ask(alice, "POST", f"/{chosen['id']}/undo", expected_version=chosen["version"])
    assert (status, refused["error"]) == (409, "conflict")
    assert "version 3, not 2" in refused["detail"]
    await alice.call("update_task", task_id=task, title="Three")
    status, refused = await ask(alice, "POST", f"/{chosen['id']}/undo")
    assert (status, refused["error"]) == (409, "conflict")
    assert "title is 'Three' now, not 'Two'" in refused["detail"]
    assert (await alice.call("get_task", task_id=task))["title"] == "Three"
    # A refusal leaves no mark: the change can be undone once the field has its value again.
    await alice.call("update_task", task_id=task, title="Two")
    assert (await ask(alice, "POST", f"/{chosen['id']}/undo"))[0] == 200
    assert (await alice.call("get_task", task_id=task))["title"] == "One"


async def test_deleted_task_is_in_the_feed_and_comes_back(ask: Any, alice: Person, bob: Person) -> None:
    task = (await alice.call("add_task", title="Keep me"))["id"]
    below = (await alice.call("add_task", title="Me too", parent_id=task))["id"]
    await agreed(alice, "share_task", bob, task_id=task, permission="edit")
    await alice.call("delete_task", task_id=task)
    deleted = [change for change in await changes(ask, alice) if change["event_type"] == "task_deleted"]
    assert {change["task_id"] for change in deleted} == {task, below}
    assert len({change["call"] for change in deleted}) == 1
    assert all(change["deleted"] for change in deleted)
    assert await changes(ask, bob) == []
    status, undone = await ask(alice, "POST", f"/{deleted[0]['id']}/undo")
    assert (status, len(undone["reverted"])) == (200, 2)
    assert (await alice.call("get_task", task_id=below))["title"] == "Me too"


async def test_changes_of_others_are_not_to_be_undone(ask: Any, alice: Person, bob: Person) -> None:
    team = (await alice.call("create_team", name="Crew"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team)
    await bob.call("add_task", title="Ours", team_id=team)
    (made,) = await changes(ask, alice)
    foreign = await ask(alice, "POST", f"/{made['id']}/undo")
    missing = await ask(alice, "POST", f"/{made['id'] + 100_000}/undo")
    assert foreign[0] == missing[0] == 404
    assert foreign[1]["detail"].replace(str(made["id"]), "N") == missing[1]["detail"].replace(
        str(made["id"] + 100_000), "N"
    )


async def test_everything_of_one_client_is_undone_but_what_changed_since(ask: Any, alice: Person, person: Any) -> None:
    before = (await alice.call("add_task", title="From before"))["id"]
    since = (await changes(ask, alice))[0]["at"]
    moment = (datetime.fromisoformat(since) + timedelta(microseconds=1)).isoformat()
    await alice.call("update_task", task_id=before, priority="high")
    await alice.call("update_task", task_id=before, due="2026-03-01")
    made = (await alice.call("add_tasks", tasks=[{"title": "A"}, {"title": "B"}]))["results"]
    edited = (await alice.call("add_task", title="To be edited"))["id"]
    await alice.call("update_task", task_id=edited, title="Edited")
    by_hand = replace(alice.scope, client="by hand")
    await tasks.change(by_hand, edited, TaskFields.model_validate({"title": "Edited by hand"}))
    query = {"client": "pytest", "since": moment}
    assert (await ask(alice, "GET", "/undo", **query)) == (200, {"calls": 5, "changes": 6, "tasks": 4})
    status, refused = await ask(alice, "POST", "/undo", **query, expected_calls=4)
    assert (status, refused["error"]) == (409, "conflict")
    status, outcome = await ask(alice, "POST", "/undo", **query, expected_calls=5)
    assert status == 200, outcome
    # The title was edited by hand since, so neither that change nor the addition of the task is taken back.
    assert (outcome["undone_calls"], outcome["undone_changes"], outcome["kept_calls"]) == (3, 4, 2)
    assert {kept["task_id"] for kept in outcome["kept"]} == {edited}
    assert "Edited by hand" in outcome["kept"][0]["reason"]
    task = await alice.call("get_task", task_id=before)
    assert ("due" in task, task["priority"]) == (False, "medium")
    assert (await alice.call("get_task", task_id=edited))["title"] == "Edited by hand"
    open_titles = {row["title"] for row in (await alice.call("list_tasks"))["tasks"]}
    assert open_titles == {"From before", "Edited by hand"}
    assert made[0]["ok"]
    assert (await ask(alice, "GET", "/undo", **query))[1]["calls"] == 2


async def test_call_is_kept_whole_if_one_of_its_tasks_changed_since(ask: Any, alice: Person) -> None:
    moment = datetime.now(UTC).isoformat()
    for edited in (0, 1):
        added = await alice.call("add_tasks", tasks=[{"title": f"A{edited}"}, {"title": f"B{edited}"}])
        task_id = added["results"][edited]["task"]["id"]
        by_hand = replace(alice.scope, client="by hand")
        await tasks.change(by_hand, task_id, TaskFields.model_validate({"priority": "high"}))
    status, outcome = await ask(alice, "POST", "/undo", client="pytest", since=moment)
    assert (status, outcome["undone_calls"], outcome["kept_calls"]) == (200, 0, 2)
    assert {row["title"] for row in (await alice.call("list_tasks"))["tasks"]} == {"A0", "B0", "A1", "B1"}


async def test_undo_needs_a_token_that_may_write(server: RunningServer, alice: Person) -> None:
    token = server.token(alice.user_id, oauth_scopes=["mcp:read"])
    async with server.client(authorization=f"Bearer {token}") as client:
        assert (await client.get(ACTIVITY)).status_code == 200
        for path in ("/1/undo", "/undo?client=a&since=2026-01-01T00:00:00Z"):
            assert (await client.post(ACTIVITY + path)).status_code == 403
