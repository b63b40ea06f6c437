"""Who may do what: the permission table, over every tool and resource, as eight people try.

After a change of the table: TASKDECK_UPDATE_SNAPSHOTS=1 pytest tests/storage/test_permissions.py -k document
"""

import json
import os
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError
from mcp.types import TextResourceContents

from mcp_server.settings import Settings
from mcp_server.tools.registry import TOOLS
from storage.conversations import conversations
from storage.engine.database import Database
from storage.schema.request_models import NewMessage, NewTask
from storage.tasks import deletion, tasks
from tests.conftest import Person, Refused, introduce
from tests.support.consent import agreed, share

ROLES = ("owner", "team_owner", "admin", "member", "viewer", "shared_edit", "shared_view", "other_user")
YES, NO, MISSING = "yes", "not allowed", "not found"
NOT_FOUND = re.compile(r"(tasks\.0: )?(No (task|team|conversation)|There is nothing)\b")

READ = (YES, YES, YES, YES, YES, YES, YES, MISSING)
CHANGE = (YES, YES, YES, YES, NO, YES, NO, MISSING)
OWN = (YES, YES, YES, NO, NO, NO, NO, MISSING)
OWNER = (YES, NO, NO, NO, NO, NO, NO, MISSING)
RESTORE = (YES, YES, YES, MISSING, MISSING, MISSING, MISSING, MISSING)
PRIVATE = (YES, *[MISSING] * 7)
IN_TEAM = (YES, YES, YES, YES, YES, MISSING, MISSING, MISSING)
ADD = (YES, YES, YES, YES, NO, MISSING, MISSING, MISSING)
LEAD = (NO, YES, NO, NO, NO, MISSING, MISSING, MISSING)
MANAGE = (NO, YES, YES, NO, NO, MISSING, MISSING, MISSING)


@dataclass(frozen=True)
class Setup:
    """Everybody, and what they have in common. The task's owner is a plain member of its team."""

    people: dict[str, Person]
    team: int
    other: int
    task: int = 0
    chat: int = 0

    @property
    def uri(self) -> str:
        return f"task://{self.task}"


Act = Callable[[Setup, Person], Awaitable[Any]]


def ask(tool: str, **arguments: Callable[[Setup], Any]) -> Act:
    """Call a tool; arguments are made for each try."""

    async def act(setup: Setup, person: Person) -> None:
        await person.call(tool, **{name: make(setup) for name, make in arguments.items()})

    return act


def found(tool: str, inside: str, **arguments: Any) -> Act:
    """Call a tool that lists; what is not in its list is not found."""

    async def act(setup: Setup, person: Person) -> None:
        listed = (await person.call(tool, **arguments))[inside]
        if not {row.get("id", row.get("task_id")) for row in listed} & {setup.task, f"task:{setup.task}"}:
            raise Refused("No task in the list")

    return act


def read(uri: Callable[[Setup], str]) -> Act:
    """Read a resource."""

    async def act(setup: Setup, person: Person) -> None:
        refusal = ""
        async with person.client() as client:
            try:
                (content,) = (await client.read_resource(uri(setup))).contents
                assert isinstance(content, TextResourceContents)
                assert json.loads(content.text)
            except MCPError as error:
                refusal = error.error.message
        if refusal:
            raise Refused(refusal)

    return act


async def restore(setup: Setup, person: Person) -> None:
    await deletion.remove(setup.people["owner"].scope, setup.task)
    await person.call("restore_task", task_id=setup.task)


async def delete_team(setup: Setup, person: Person) -> None:
    """A team with the same roles, for the others are needed further."""
    leader = setup.people["team_owner"]
    team_id = (await leader.call("create_team", name="Short-lived"))["id"]
    for name, role in (("owner", "member"), ("admin", "admin"), ("member", "member"), ("viewer", "viewer")):
        await leader.call("add_team_member", team_id=team_id, user=setup.people[name].email, role=role)
    await person.call("delete_team", team_id=team_id)


async def see_team(setup: Setup, person: Person) -> None:
    if setup.team not in [team["id"] for team in (await person.call("list_teams"))["teams"]]:
        raise Refused("No team in the list")


def task(setup: Setup) -> int:
    return setup.task


def team(setup: Setup) -> int:
    return setup.team


def chat(setup: Setup) -> int:
    return setup.chat


def spare(setup: Setup) -> str:
    return setup.people["spare"].email


def words(_: Setup) -> str:
    return "Changed"


MESSAGES = [{"role": "user", "content": "Hello"}]
TABLE: dict[str, tuple[Act, tuple[str, ...]]] = {
    "get_task": (ask("get_task", task_id=task), READ),
    "list_tasks": (found("list_tasks", "tasks", limit=100), READ),
    "list_tasks with search": (found("list_tasks", "tasks", search="quarterly", limit=100), READ),
    "search": (found("search", "results", query="quarterly"), READ),
    "list_changes": (found("list_changes", "changes"), READ),
    "fetch": (ask("fetch", id=lambda setup: f"task:{setup.task}"), READ),
    "task://": (read(lambda setup: setup.uri), READ),
    "update_task": (ask("update_task", task_id=task, title=words), CHANGE),
    "update_task status": (ask("update_task", task_id=task, status=lambda _: "in_progress"), CHANGE),
    "complete_task": (ask("complete_task", task_id=task), CHANGE),
    "update_task to another team": (ask("update_task", task_id=task, team_id=lambda setup: setup.other), OWN),
    "update_task out of its team": (ask("update_task", task_id=task, clear=lambda _: ["team_id"]), OWNER),
    "delete_task": (ask("delete_task", task_id=task), OWN),
    "delete_task several": (ask("delete_task", task_ids=lambda setup: [setup.task]), OWN),
    "restore_task": (restore, RESTORE),
    "share_task": (ask("share_task", task_id=task, user=spare, permission=lambda _: "edit"), OWN),
    "unshare_task": (ask("unshare_task", task_id=task, user=spare), OWN),
    "list_teams": (see_team, IN_TEAM),
    "get_statistics": (ask("get_statistics", team_id=team), IN_TEAM),
    "list_tasks of the team": (ask("list_tasks", team_id=team), IN_TEAM),
    "add_task": (ask("add_task", title=words, team_id=team), ADD),
    "add_tasks": (ask("add_tasks", tasks=lambda setup: [{"title": "New", "team_id": setup.team}]), ADD),
    "add_team_member": (ask("add_team_member", team_id=team, user=spare), MANAGE),
    "remove_team_member": (ask("remove_team_member", team_id=team, user=lambda c: c.people["leaver"].email), MANAGE),
    "delete_team": (delete_team, LEAD),
    "get_conversation": (ask("get_conversation", conversation_id=chat), PRIVATE),
    "append_messages": (ask("append_messages", conversation_id=chat, messages=lambda _: MESSAGES), PRIVATE),
    "fetch conversation": (ask("fetch", id=lambda setup: f"conversation:{setup.chat}"), PRIVATE),
    "conversation://": (read(lambda setup: f"conversation://{setup.chat}"), PRIVATE),
    "delete_conversation": (ask("delete_conversation", conversation_id=chat), PRIVATE),
}
OWN_ROWS_ONLY = {
    "whoami",
    "set_timezone",
    "undo",
    "create_team",
    "manage_invitations",
    "start_conversation",
    "list_conversations",
    "search_messages",
}
"""Tools that name nothing of anybody; what they show is tested where they are."""


@pytest.fixture(scope="module")
async def setup(database: Database) -> Setup:
    people: dict[str, Person] = {}
    for role in (*ROLES, "spare", "leaver"):
        user_id = f"{role}-{secrets.token_hex(4)}"
        people[role] = await introduce(Person(user_id, f"{user_id}@example.com", database, Settings.model_construct()))
    teams = [(await people["team_owner"].call("create_team", name=name))["id"] for name in ("Crew", "Other")]
    for name, role in (("owner", "member"), ("admin", "admin"), ("member", "member"), ("viewer", "viewer")):
        for team_id in teams:
            await agreed(people["team_owner"], "add_team_member", people[name], team_id=team_id, role=role)
    return Setup(people, *teams)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", TABLE)
async def test_permission_table(setup: Setup, action: str, role: str):
    act, outcomes = TABLE[action]
    owner, leaver = setup.people["owner"].scope, setup.people["leaver"]
    new = NewTask.model_validate({"title": "The quarterly report", "team_id": setup.team})
    made = await tasks.add(owner, new)
    for name in ("shared_edit", "shared_view", "spare"):
        await share(owner, made.id, setup.people[name].scope, "edit" if name == "shared_edit" else "view")
    chat_started = await conversations.start(owner, "Private", [NewMessage(role="user", content="Secret")])
    if action == "remove_team_member":
        await agreed(setup.people["team_owner"], "add_team_member", leaver, team_id=setup.team)
    now = replace(setup, task=made.id, chat=chat_started.id)
    before = await setup.people["owner"].call("get_task", task_id=made.id)
    try:
        await act(now, setup.people[role])
        outcome = YES
    except Refused as refused:
        outcome = MISSING if NOT_FOUND.match(str(refused)) else NO
    assert outcome == outcomes[ROLES.index(role)]
    if outcome != YES and action != "restore_task":
        assert await setup.people["owner"].call("get_task", task_id=made.id) == before
        page = await setup.people["owner"].call("get_conversation", conversation_id=chat_started.id)
        assert page["conversation"]["message_count"] == 1


ACCESS = ("owner", "owner", "owner", "edit", "view", "edit", "view")


@pytest.mark.parametrize(("role", "access"), list(zip(ROLES[:-1], ACCESS, strict=True)))
async def test_access_field_matches_the_allowed_operations(setup: Setup, role: str, access: str):
    owner = setup.people["owner"].scope
    made = await tasks.add(owner, NewTask.model_validate({"title": "Ours", "team_id": setup.team}))
    for name in ("shared_edit", "shared_view"):
        await share(owner, made.id, setup.people[name].scope, "edit" if name == "shared_edit" else "view")
    assert (await setup.people[role].call("get_task", task_id=made.id))["access"] == access


async def test_read_only_users_are_told_why(setup: Setup):
    owner, viewer, guest = (setup.people[role] for role in ("owner", "viewer", "shared_view"))
    made = await tasks.add(owner.scope, NewTask.model_validate({"title": "Ours", "team_id": setup.team}))
    await share(owner.scope, made.id, guest.scope)
    for arguments in ({"title": "x"}, {"status": "completed"}):
        assert f"viewer of team {setup.team}" in await viewer.refusal("update_task", task_id=made.id, **arguments)
        assert "shared with you for viewing only" in await guest.refusal("update_task", task_id=made.id, **arguments)
    assert f"viewer of team {setup.team}" in await viewer.refusal("complete_task", task_id=made.id)
    assert "shared with you for viewing only" in await guest.refusal("complete_task", task_id=made.id)


async def test_read_only_token_cannot_write(person: Callable[[str], Person]):
    reader = replace(person("reader"), scopes=frozenset({"mcp:read"}))
    for name, tool in TOOLS.items():
        if tool.oauth_scope != "mcp:read":
            assert await reader.refusal(name) == f"{name} takes a token with the scope mcp:write."


def test_every_tool_is_in_the_table():
    assert {action.split()[0] for action in TABLE if "://" not in action} | OWN_ROWS_ONLY == set(TOOLS)


DOCUMENT = Path(__file__).parents[2] / "docs" / "data-model.md"
BEGIN, END = "<!-- permissions: begin -->\n", "<!-- permissions: end -->"


def permission_table() -> str:
    """The table in Markdown: a row for each set of outcomes, and the value of `access`."""
    actions: dict[tuple[str, ...], list[str]] = {}
    for action, (_, outcomes) in TABLE.items():
        tool, _, variant = action.partition(" ")
        actions.setdefault(outcomes, []).append(f"`{tool}` {variant}".strip())
    rows = [["action", *(role.replace("_", " ") for role in ROLES)], ["---"] * (len(ROLES) + 1)]
    rows += [[", ".join(names), *outcomes] for outcomes, names in actions.items()]
    rows += [["value of `access`", *(f"`{access}`" for access in ACCESS), ""]]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def test_the_document_has_this_table():
    text = DOCUMENT.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    documented, _, after = rest.partition(END)
    if os.environ.get("TASKDECK_UPDATE_SNAPSHOTS") == "1":
        DOCUMENT.write_text(f"{before}{BEGIN}{permission_table()}{END}{after}", "utf-8")
    else:
        assert documented == permission_table()
