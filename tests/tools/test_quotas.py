"""How many rows of each kind a person may have, and what the refusal says."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storage.archive.importing import import_file
from storage.engine.database import Database
from storage.engine.quotas import Quotas
from storage.schema.errors import Conflict
from tests.conftest import Person, introduce
from tests.support.consent import accept_all, agreed

LIMITS = {"tasks": 5, "conversations": 2, "messages": 6, "teams": 2, "members": 2, "shares": 1}


@pytest.fixture
async def limited(database_url: str) -> AsyncGenerator[Database]:
    async with Database.open(database_url, quotas=Quotas(LIMITS)) as database:
        yield database


@pytest.fixture
async def ann(alice: Person, limited: Database) -> Person:
    return replace(alice, database=limited)


def hello(count: int) -> list[dict[str, Any]]:
    return [{"role": "user", "content": str(number)} for number in range(count)]


async def test_tasks_are_limited_for_each_person_apart(ann: Person, bob: Person, limited: Database) -> None:
    full = (
        "You have 5 tasks, and the limit is 5. "
        "Delete tasks that are no longer needed; they are removed for good after 30 days."
    )
    added = await ann.call("add_tasks", tasks=[{"title": str(number)} for number in range(4)])
    assert await ann.refusal("add_tasks", tasks=[{"title": "5"}, {"title": "6"}], atomic=False) == (
        full.replace("have 5", "have 4")
    )
    assert (await ann.call("whoami"))["usage"]["tasks"] == "4 of 5"
    await ann.call("add_task", title="5")
    assert await ann.refusal("add_task", title="6") == full
    # A deleted task can be restored, so it still counts.
    await ann.call("delete_task", task_id=added["results"][0]["task"]["id"])
    assert await ann.refusal("add_task", title="6") == full
    assert (await ann.call("whoami"))["usage"]["tasks"] == "5 of 5"
    assert (await replace(bob, database=limited).call("add_task", title="1"))["title"] == "1"


async def test_conversations_and_messages_are_limited(ann: Person) -> None:
    first = (await ann.call("start_conversation", messages=hello(2)))["id"]
    assert await ann.refusal("append_messages", conversation_id=first, messages=hello(5)) == (
        "You have 2 messages, and the limit is 6. Delete conversations that are no longer needed (delete_conversation)."
    )
    await ann.call("append_messages", conversation_id=first, messages=hello(4))
    second = (await ann.call("start_conversation"))["id"]
    assert "You have 2 conversations, and the limit is 2." in await ann.refusal("start_conversation")
    usage = (await ann.call("whoami"))["usage"]
    assert (usage["messages"], usage["conversations"]) == ("6 of 6", "2 of 2")
    await ann.call("delete_conversation", conversation_id=first)
    await ann.call("append_messages", conversation_id=second, messages=hello(6))


async def test_teams_and_their_members_are_limited(ann: Person, bob: Person, carol: Person) -> None:
    team = (await ann.call("create_team", name="Crew"))["id"]
    await ann.call("create_team", name="Board")
    assert await ann.refusal("create_team", name="Club") == (
        "You have 2 teams, and the limit is 2. Delete teams that are no longer needed (delete_team)."
    )
    # Two are invited to one place: whoever accepts last finds it taken.
    await ann.call("add_team_member", team_id=team, user=bob.email)
    await ann.call("add_team_member", team_id=team, user=carol.email)
    await accept_all(bob.scope)
    waiting = (await carol.call("manage_invitations"))["invitations"][0]["id"]
    late = await replace(carol, database=ann.database).refusal(
        "manage_invitations", action="accept", invitation_id=waiting
    )
    full = (
        f"Team {team} has {{}} members, and the limit is 2. "
        "Remove members who are no longer in it (remove_team_member), or create another team."
    )
    assert late == full.format(3)
    assert await ann.refusal("add_team_member", team_id=team, user="dan@example.com") == full.format(2)
    changed = await ann.call("add_team_member", team_id=team, user=bob.email, role="viewer")
    assert [member["role"] for member in changed["members"]] == ["owner", "viewer"]


async def test_shares_are_limited(ann: Person, bob: Person) -> None:
    first, second = [(await ann.call("add_task", title=title))["id"] for title in ("1", "2")]
    await agreed(ann, "share_task", bob, task_id=first)
    assert await ann.refusal("share_task", task_id=second, user=bob.email) == (
        "You have 1 shares, and the limit is 1. "
        "End shares that are no longer needed (unshare_task), or share the tasks with a team."
    )
    changed = await ann.call("share_task", task_id=first, user=bob.email, permission="edit")
    assert changed["shares"][0]["permission"] == "edit"


async def test_next_occurrences_with_their_subtasks_are_limited(ann: Person) -> None:
    task = (await ann.call("add_task", title="Water", due="2026-03-02", recurrence="FREQ=WEEKLY"))["id"]
    await ann.call("add_tasks", tasks=[{"title": title, "parent_id": task} for title in ("Front", "Back")])
    assert await ann.refusal("complete_task", task_id=task) == (
        "You have 3 tasks, and the limit is 5. "
        "Delete tasks that are no longer needed; they are removed for good after 30 days."
    )
    assert (await ann.call("get_task", task_id=task))["status"] == "pending"
    await ann.call("update_task", task_id=task, clear=["recurrence"])
    await ann.call("complete_task", task_id=task)


async def test_next_occurrences_count_for_the_owner_whoever_completes(ann: Person, bob: Person) -> None:
    ben = replace(bob, database=ann.database)
    task = (await ann.call("add_task", title="Water", due="2026-03-02", recurrence="FREQ=WEEKLY"))["id"]
    await agreed(ann, "share_task", bob, task_id=task, permission="edit")
    task = (await ben.call("complete_task", task_id=task))["next_occurrence"]["id"]
    await ann.call("add_tasks", tasks=[{"title": str(number)} for number in range(3)])
    assert await ben.refusal("complete_task", task_id=task) == (
        f"The owner of task {task} has no room for its next occurrence. They can delete tasks that are no longer "
        "needed, or its recurrence can be removed (update_task)."
    )
    assert (await ben.call("whoami"))["usage"]["tasks"] == "0 of 5"


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (6, "You have 1 tasks, and the limit is 5."),
        (4, None),
    ],
)
async def test_imports_are_limited_and_refused_as_a_whole(
    ann: Person, tmp_path: Path, rows: int, problem: str | None
) -> None:
    await ann.call("add_task", title="Paint")
    file = tmp_path / "todoist.csv"
    lines = [f"task,Task {number},4,1,,,,en,UTC" for number in range(rows)]
    file.write_text("\n".join(["TYPE,CONTENT,PRIORITY,INDENT,AUTHOR,RESPONSIBLE,DATE,DATE_LANG,TIMEZONE", *lines]))
    if problem is None:
        assert (await import_file(ann.scope, file)).tasks == 4
    else:
        with pytest.raises(Conflict, match=f"^Nothing was imported, because not all of it fits. {problem}"):
            await import_file(ann.scope, file)
        assert (await ann.call("list_tasks"))["total_count"] == 1


async def test_imported_conversations_are_limited(ann: Person, tmp_path: Path) -> None:
    def chat(number: int) -> dict[str, Any]:
        told = {"uuid": f"m{number}", "sender": "human", "text": "Hello", "created_at": "2026-03-01T10:00:00Z"}
        return {
            "uuid": f"c{number}",
            "name": f"Chat {number}",
            "created_at": "2026-03-01T10:00:00Z",
            "updated_at": "2026-03-01T10:00:00Z",
            "chat_messages": [told],
        }

    file = tmp_path / "conversations.json"
    file.write_text(json.dumps([chat(number) for number in range(3)]))
    with pytest.raises(Conflict, match="You have 2 conversations, and the limit is 2"):
        await import_file(ann.scope, file)
    file.write_text(json.dumps([chat(number) for number in range(2)]))
    assert (await import_file(ann.scope, file)).conversations == 2
    assert (await import_file(ann.scope, file)).present == 2, "what is there already needs no room"


async def test_writes_far_below_a_limit_are_not_counted_one_by_one(database_url: str, bob: Person) -> None:
    quotas = Quotas({"tasks": 100})
    async with Database.open(database_url, quotas=quotas) as database:
        ben = await introduce(replace(bob, database=database))
        for number in range(100):
            await ben.call("add_task", title=str(number))
        assert "the limit is 100" in await ben.refusal("add_task", title="100")


async def test_zero_means_no_limit(database_url: str, bob: Person) -> None:
    async with Database.open(database_url, quotas=Quotas(dict.fromkeys(LIMITS, 0))) as database:
        ben = replace(bob, database=database)
        await ben.call("add_tasks", tasks=[{"title": str(number)} for number in range(20)])
        assert (await ben.call("whoami"))["usage"] == {}
