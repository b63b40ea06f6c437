"""Every tool and resource treats foreign ids like missing ones."""

import json
import re
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError

from mcp_server.tools.registry import TOOLS
from storage.engine.database import Database
from tests.conftest import Person

NEVER_GIVEN = 8_000_000_000_000_000_000

# Every argument of every tool that can name foreign objects; OWN is a task of the caller.
NAMING = {
    "whoami": (),
    "set_timezone": (),
    "add_task": ('{"title": "x", "team_id": TEAM}', '{"title": "x", "parent_id": TASK}'),
    "add_tasks": (
        '{"tasks": [{"title": "x", "team_id": TEAM}]}',
        '{"tasks": [{"title": "x", "parent_id": TASK}], "atomic": false}',
    ),
    "list_tasks": ('{"team_id": TEAM}', '{"team_id": TEAM, "scope": "mine"}', '{"parent_id": TASK}'),
    "get_task": ('{"task_id": TASK}',),
    "update_task": (
        '{"task_id": TASK, "title": "x"}',
        '{"task_id": TASK, "expected_version": 9}',
        '{"task_id": TASK, "clear": ["team_id"]}',
        '{"task_id": OWN, "team_id": TEAM}',
        '{"task_id": OWN, "parent_id": TASK}',
    ),
    "complete_task": ('{"task_id": TASK}',),
    "delete_task": ('{"task_id": TASK}', '{"task_ids": [OWN, TASK]}', '{"task_ids": [OWN, TASK], "confirm": true}'),
    "restore_task": ('{"task_id": TASK}',),
    "share_task": ('{"task_id": TASK, "user": "ME"}', '{"task_id": TASK, "user": "ALICE", "permission": "edit"}'),
    "unshare_task": ('{"task_id": TASK, "user": "ME"}', '{"task_id": TASK, "user": "ALICE"}'),
    "undo": (),
    "list_changes": (),
    "create_team": (),
    "list_teams": (),
    "manage_invitations": tuple(
        f'{{"action": "{action}", "invitation_id": INVITATION}}' for action in ("accept", "decline", "block", "unblock")
    ),
    "add_team_member": ('{"team_id": TEAM, "user": "ME", "role": "owner"}', '{"team_id": TEAM, "user": "nobody"}'),
    "remove_team_member": ('{"team_id": TEAM, "user": "ALICE"}', '{"team_id": TEAM, "user": "ME"}'),
    "delete_team": ('{"team_id": TEAM}',),
    "start_conversation": (),
    "append_messages": ('{"conversation_id": CHAT, "messages": [{"role": "user", "content": "x"}]}',),
    "list_conversations": (),
    "get_conversation": ('{"conversation_id": CHAT}', '{"conversation_id": CHAT, "before_sequence": 2}'),
    "search_messages": (),
    "delete_conversation": ('{"conversation_id": CHAT}',),
    "search": (),
    "fetch": ('{"id": "task:TASK"}', '{"id": "conversation:CHAT"}'),
    "get_statistics": ('{"team_id": TEAM}',),
}


@pytest.fixture
async def foreign(alice: Person, carol: Person) -> list[dict[str, int]]:
    """Alice's objects: each entry has a task, a team, a conversation and an invitation."""
    team = (await alice.call("create_team", name="Home"))["id"]
    chat = (await alice.call("start_conversation", messages=[{"role": "user", "content": "secret"}]))["id"]
    tasks = [(await alice.call("add_task", title="secret", team_id=team))["id"] for _ in range(2)]
    await alice.call("delete_task", task_id=tasks[1])
    await carol.call("share_task", task_id=(await carol.call("add_task", title="offer"))["id"], user=alice.user_id)
    (offered,) = (await alice.call("manage_invitations"))["invitations"]
    return [{"TASK": task, "TEAM": team, "CHAT": chat, "INVITATION": offered["id"]} for task in tasks]


def filled(template: str, ids: dict[str, Any]) -> str:
    for name, value in ids.items():
        template = template.replace(name, str(value))
    return template


def missing(ids: dict[str, int]) -> dict[str, int]:
    """Ids of the same names that do not exist."""
    return {name: NEVER_GIVEN + number for number, name in enumerate(ids)}


def nameless(answer: str, ids: dict[str, int]) -> str:
    return re.sub(rf"\b({'|'.join(str(value) for value in ids.values())})\b", "ID", answer)


def test_every_tool_is_covered() -> None:
    assert set(NAMING) == set(TOOLS), "A new tool needs its line in NAMING."
    naming = {name for name, tool in TOOLS.items() if any(_names_something(f) for f in tool.arguments.model_fields)}
    assert naming <= {name for name, templates in NAMING.items() if templates}


def _names_something(field: str) -> bool:
    return field == "id" or field.endswith(("_id", "_ids"))


@pytest.mark.parametrize(("tool", "template"), [(tool, text) for tool, texts in NAMING.items() for text in texts])
async def test_foreign_id_gets_the_same_error_as_a_missing_one(
    alice: Person, bob: Person, foreign: list[dict[str, int]], tool: str, template: str
) -> None:
    people = {"ME": bob.user_id, "ALICE": alice.user_id, "OWN": (await bob.call("add_task", title="own"))["id"]}

    async def answer(ids: dict[str, int]) -> str:
        result = await bob.ask(tool, **json.loads(filled(template, ids | people)))
        assert result.is_error or tool == "add_tasks"
        return nameless(result.model_dump_json(exclude={"meta"}), ids)

    for theirs in foreign:
        assert await answer(theirs) == await answer(missing(theirs))


@pytest.mark.parametrize("template", ["task://TASK", "conversation://CHAT"])
async def test_foreign_resource_gets_the_same_error_as_a_missing_one(
    bob: Person, foreign: list[dict[str, int]], template: str
) -> None:
    async def answer(ids: dict[str, int]) -> str:
        async with bob.client() as client:
            with pytest.raises(MCPError) as refused:
                await client.read_resource(filled(template, ids))
        return nameless(refused.value.error.model_dump_json(), ids)

    for theirs in foreign:
        assert await answer(theirs) == await answer(missing(theirs))


async def test_recording_into_a_foreign_conversation_fails_like_a_missing_one(
    bob: Person, foreign: list[dict[str, int]]
) -> None:
    async def answer(ids: dict[str, int]) -> str:
        async with bob.client() as client:
            meta = {"taskdeck/conversation_id": ids["CHAT"]}
            result = await client.call_tool("add_task", {"title": "x"}, meta=meta)  # pyright: ignore[reportArgumentType]: an open mapping
        assert result.is_error
        return nameless(result.model_dump_json(exclude={"meta"}), ids)

    assert await answer(foreign[0]) == await answer(missing(foreign[0]))
    assert (await bob.call("list_tasks"))["total_count"] == 0


async def test_lists_searches_and_statistics_show_other_users_nothing(
    bob: Person, foreign: list[dict[str, int]]
) -> None:
    assert (await bob.call("list_tasks", status="all", search="secret")) == {"tasks": [], "total_count": 0}
    assert (await bob.call("list_teams")) == {"teams": []}
    assert (await bob.call("list_conversations")) == {"conversations": [], "total_count": 0}
    assert (await bob.call("search_messages", query="secret")) == {"matches": []}
    assert (await bob.call("search", query="secret")) == {"results": []}
    assert (await bob.call("get_statistics", days=1))["total_tasks"] == 0
    assert "left to undo" in await bob.refusal("undo")
    async with bob.client() as client:
        assert [str(found.uri) for found in (await client.list_resources()).resources] == ["statistics://me"]


@pytest.mark.parametrize("name", ["", "a b", "a'b", "a\nb", "alice\n", "al\u0456ce", "a" * 129])
async def test_invalid_user_ids_are_rejected(database: Database, name: str) -> None:
    with pytest.raises(ValueError, match="user id"):
        database.scope(name)
