"""Single tasks through the dashboard's HTTP API: add, read, change, delete and restore."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import Person
from tests.support.consent import agreed
from tests.support.running_server import RunningServer

TASKS = "/api/dashboard/tasks"


@pytest.fixture
def ask(server: RunningServer) -> Any:
    """Send a request as somebody: the status and the body of the response."""

    async def send(person: Person, method: str, path: str = "", /, **fields: Any) -> tuple[int, Any]:
        async with server.client(person.user_id) as client:
            body = fields or {} if method in ("POST", "PATCH") and not path.endswith("/restore") else None
            response = await client.request(method, f"{TASKS}{path}", json=body)
        return response.status_code, response.json()

    return send


async def test_page_shows_everything_of_a_task(ask: Any, alice: Person, bob: Person) -> None:
    team = (await alice.call("create_team", name="Crew"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team)
    above = (await alice.call("add_task", title="Move house", team_id=team))["id"]
    status, added = await ask(alice, "POST", title="Pack", parent_id=above, team_id=team, assignee=bob.user_id)
    assert status == 200, added
    below = [(await alice.call("add_task", title=f"Box {n}", parent_id=added["id"]))["id"] for n in range(25)]
    await alice.call("complete_task", task_id=below[0])
    await alice.call("set_timezone", timezone="Asia/Tokyo")
    status, shown = await ask(alice, "GET", f"/{added['id']}")
    assert status == 200
    assert (shown["title"], shown["assignee"], shown["version"], shown["access"]) == ("Pack", bob.user_id, 1, "owner")
    assert (shown["parent_id"], shown["parent_title"], shown["team_name"]) == (above, "Move house", "Crew")
    assert [child["id"] for child in shown["subtasks"]] == [*below[1:], below[0]]
    assert (shown["subtask_count"], shown["timezone"]) == (25, "Asia/Tokyo")
    assert [person["user_id"] for person in shown["people"]] == sorted([alice.user_id, bob.user_id])
    assert shown["people"][0] == {
        "user_id": alice.user_id,
        "name": alice.user_id.title(),
        "email": alice.email,
    }
    assert [(change["event_type"], change["undoable"]) for change in shown["history"]] == [("task_created", True)]
    seen = (await ask(bob, "GET", f"/{added['id']}"))[1]
    assert (seen["access"], seen["history"][0]["undoable"]) == ("edit", False)


async def test_stranger_gets_the_answer_for_a_missing_task(ask: Any, alice: Person, bob: Person) -> None:
    task = (await alice.call("add_task", title="Secret"))["id"]
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/restore")):
        foreign = await ask(bob, method, f"/{task}{path}")
        missing = await ask(bob, method, f"/{task + 100_000}{path}")
        assert foreign[0] == missing[0] == 404
        assert foreign[1]["detail"].replace(str(task), "N") == missing[1]["detail"].replace(str(task + 100_000), "N")


async def test_recipient_of_a_share_does_not_see_the_other_recipients(
    ask: Any, alice: Person, bob: Person, carol: Person
) -> None:
    task = (await alice.call("add_task", title="Plan"))["id"]
    for other in (bob, carol):
        await agreed(alice, "share_task", other, task_id=task)
    seen = (await ask(bob, "GET", f"/{task}"))[1]
    assert [person["user_id"] for person in seen["people"]] == sorted([alice.user_id, bob.user_id])
    assert carol.user_id not in str(seen)
    assert len((await ask(alice, "GET", f"/{task}"))[1]["people"]) == 3


async def test_page_of_a_shared_task_hides_a_parent_that_is_not_shared(ask: Any, alice: Person, bob: Person) -> None:
    above = (await alice.call("add_task", title="Buy a company"))["id"]
    task = (await alice.call("add_task", title="Book a room", parent_id=above))["id"]
    await agreed(alice, "share_task", bob, task_id=task)
    seen = (await ask(bob, "GET", f"/{task}"))[1]
    assert seen["title"] == "Book a room"
    assert {"parent_id", "parent_title"} & seen.keys() == set()
    assert "company" not in str(seen)


async def test_absent_fields_stay_and_null_empties(ask: Any, alice: Person) -> None:
    status, task = await ask(
        alice, "POST", title="Call", due="2026-03-01", tags=["a", "b"], description="Long", priority="high"
    )
    assert status == 200
    status, changed = await ask(alice, "PATCH", f"/{task['id']}", title="Call the bank", due=None, tags=["c"])
    assert status == 200
    assert (changed["title"], changed["tags"], changed["description"], changed["priority"]) == (
        "Call the bank",
        ["c"],
        "Long",
        "high",
    )
    assert "due" not in changed
    for field in ("title", "priority", "status"):
        status, refused = await ask(alice, "PATCH", f"/{task['id']}", **{field: None})
        assert (status, refused["detail"]) == (422, f"body: {field} cannot be null: leave it out")


async def test_change_of_another_version_is_a_conflict(ask: Any, alice: Person) -> None:
    task = (await alice.call("add_task", title="One"))["id"]
    await alice.call("update_task", task_id=task, priority="high")
    status, refused = await ask(alice, "PATCH", f"/{task}", title="Two", expected_version=1)
    assert (status, refused["error"]) == (409, "conflict")
    assert (await alice.call("get_task", task_id=task))["title"] == "One"
    assert (await ask(alice, "PATCH", f"/{task}", title="Two", expected_version=2))[1]["version"] == 3


async def test_completing_a_recurring_task_adds_the_next_one(ask: Any, alice: Person) -> None:
    task = await alice.call("add_task", title="Water", due="2026-03-01", recurrence="FREQ=WEEKLY")
    _, done = await ask(alice, "PATCH", f"/{task['id']}", status="completed")
    assert (done["status"], done["next_occurrence"]["due"]) == ("completed", "2026-03-08")


async def test_deleted_task_is_missing_until_it_is_restored(ask: Any, alice: Person) -> None:
    task = (await alice.call("add_task", title="Keep"))["id"]
    below = (await alice.call("add_task", title="Below", parent_id=task))["id"]
    status, deleted = await ask(alice, "DELETE", f"/{task}")
    assert (status, deleted["deleted_subtasks"]) == (200, 1)
    assert (await ask(alice, "GET", f"/{below}"))[0] == 404
    status, restored = await ask(alice, "POST", f"/{task}/restore")
    assert (status, restored["restored_subtasks"]) == (200, 1)
    assert (await ask(alice, "GET", f"/{below}"))[0] == 200


async def test_key_makes_a_repeated_addition_one_task(ask: Any, alice: Person) -> None:
    first = await ask(alice, "POST", title="Once", idempotency_key="k1")
    assert first == await ask(alice, "POST", title="Once", idempotency_key="k1")
    assert (await alice.call("list_tasks"))["total_count"] == 1
    assert (await ask(alice, "POST", title="Twice", idempotency_key="k1"))[0] == 409


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "body: Field required"),
        (b"{", "body: not JSON"),
        (b"[]", "body: Input should be"),
        (b'{"title": "  "}', "title: must not be empty"),
        (b'{"title": "a", "tags": ["b", 7]}', "tags.1: Input should be a valid string"),
        (b'{"title": "a", "user_id": "bob"}', "user_id: Extra inputs are not permitted"),
        (b'{"title": "a", "due": "soon"}', "due is not a date that can be read"),
    ],
)
async def test_bad_body_is_explained(server: RunningServer, alice: Person, content: bytes, detail: str) -> None:
    async with server.client(alice.user_id, content_type="application/json") as client:
        refused = await client.post(TASKS, content=content)
    assert (refused.status_code, refused.json()["error"]) == (422, "invalid_input")
    assert refused.json()["detail"].startswith(detail)


@pytest.mark.parametrize("chunked", [False, True])
async def test_body_of_more_than_64_kib_is_refused(server: RunningServer, alice: Person, chunked: bool) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b'{"title": "'
        yield b"x" * 70_000

    async with server.client(alice.user_id, content_type="application/json") as client:
        refused = await client.post(TASKS, content=parts() if chunked else b" " * 70_000)
    assert (refused.status_code, refused.json()["error"]) == (413, "too_large")
    assert (await alice.call("list_tasks"))["total_count"] == 0


async def test_writing_needs_a_token_that_may_write(server: RunningServer, alice: Person) -> None:
    task = (await alice.call("add_task", title="Mine"))["id"]
    token = server.token(alice.user_id, oauth_scopes=["mcp:read"])
    async with server.client(authorization=f"Bearer {token}") as client:
        assert (await client.get(f"{TASKS}/{task}")).status_code == 200
        assert (await client.post(TASKS, json={"title": "More"})).status_code == 403
        assert (await client.patch(f"{TASKS}/{task}", json={"title": "Other"})).status_code == 403
        assert (await client.delete(f"{TASKS}/{task}")).status_code == 403
