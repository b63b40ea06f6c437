"""Arguments of an accepted call for every tool."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from tests.conftest import Person, introduce
from tests.support.consent import agreed

PARTS: list[dict[str, Any]] = [
    {"type": "text", "text": "Look"},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
    {"type": "tool_use", "id": "t", "name": "look", "input": {}},
]
MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": "What is there?", "model": "some-model"},
    {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "look", "arguments": "{}"}}]},
    {"role": "tool", "content": "A cat", "tool_call_id": "c"},
    {"role": "assistant", "content": PARTS},
]


class World:
    """The objects that calls can name."""

    def __init__(self, person: Person, other: Person, team: int, task: int, chat: int) -> None:
        self.person, self.other, self.team, self.task, self.chat = person, other, team, task, chat

    @classmethod
    async def made(cls, person: Person, other: Person) -> "World":
        team = (await person.call("create_team", name="Team"))["id"]
        await agreed(person, "add_team_member", other, team_id=team)
        task = (await person.call("add_task", title="Task", team_id=team))["id"]
        chat = (await person.call("start_conversation", messages=MESSAGES))["id"]
        return cls(person, other, team, task, chat)

    async def new_task(self) -> int:
        return (await self.person.call("add_task", title="Another"))["id"]


def full_task(world: World) -> dict[str, Any]:
    return {
        "title": "Water the plants",
        "description": "All of them",
        "priority": "high",
        "due": "2027-03-01T17:00:00+01:00",
        "tags": ["home", "garden"],
        "team_id": world.team,
        "parent_id": world.task,
        "assignee": world.person.email,
        "recurrence": "FREQ=WEEKLY;BYDAY=MO",
    }


async def _update(world: World) -> dict[str, Any]:
    task = await world.new_task()
    fields = {name: value for name, value in full_task(world).items() if name != "description"}
    return {"task_id": task, **fields, "status": "in_progress", "clear": ["description"], "expected_version": 1}


async def _restore(world: World) -> dict[str, Any]:
    task = await world.new_task()
    await world.person.call("delete_task", task_id=task)
    return {"task_id": task}


async def _remove_member(world: World) -> dict[str, Any]:
    await agreed(world.person, "add_team_member", world.other, team_id=world.team)
    return {"team_id": world.team, "user": world.other.user_id}


async def _unshare(world: World) -> dict[str, Any]:
    await agreed(world.person, "share_task", world.other, task_id=world.task)
    return {"task_id": world.task, "user": world.other.user_id}


async def _delete_team(world: World) -> dict[str, Any]:
    return {"team_id": (await world.person.call("create_team", name="Short-lived"))["id"]}


async def _undo(world: World) -> dict[str, Any]:
    await world.new_task()
    return {"count": 1}


async def _delete_conversation(world: World) -> dict[str, Any]:
    return {"conversation_id": (await world.person.call("start_conversation"))["id"]}


async def _delete(world: World) -> dict[str, Any]:
    return {"task_ids": [await world.new_task(), await world.new_task()], "confirm": True}


def _key() -> str:
    return secrets.token_hex(8)


SIMPLE: dict[str, Callable[[World], dict[str, Any]]] = {
    "add_task": lambda world: full_task(world) | {"idempotency_key": _key()},
    "add_tasks": lambda world: {
        "tasks": [full_task(world), {"title": "Small"}],
        "atomic": True,
        "idempotency_key": _key(),
    },
    "set_timezone": lambda world: {"timezone": "Europe/Berlin"},
    "list_tasks": lambda world: {
        "status": "all",
        "scope": "team",
        "team_id": world.team,
        "search": "plants",
        "tag": "home",
        "priority": "high",
        "due_before": "2028-01-01",
        "due_after": "2026-01-01T00:00:00Z",
        "sort": "due",
        "detail": "full",
        "limit": 10,
    },
    "get_task": lambda world: {"task_id": world.task},
    "list_changes": lambda world: {"since": "2026-01-01", "limit": 5},
    "complete_task": lambda world: {"task_id": world.task},
    "create_team": lambda world: {"name": "A team"},
    "list_teams": lambda world: {},
    "add_team_member": lambda world: {"team_id": world.team, "user": world.other.email, "role": "admin"},
    "share_task": lambda world: {"task_id": world.task, "user": world.other.email, "permission": "edit"},
    "start_conversation": lambda world: {"title": "A chat", "messages": MESSAGES, "idempotency_key": _key()},
    "append_messages": lambda world: {
        "conversation_id": world.chat,
        "messages": MESSAGES,
        "idempotency_key": _key(),
    },
    "list_conversations": lambda world: {"search": "cat", "limit": 5},
    "get_conversation": lambda world: {
        "conversation_id": world.chat,
        "limit": 5,
        "before_sequence": 9,
        "max_tokens": 1000,
    },
    "search_messages": lambda world: {"query": "cat", "limit": 5},
    "search": lambda world: {"query": "cat"},
    "fetch": lambda world: {"id": f"task:{world.task}"},
    "get_statistics": lambda world: {"team_id": world.team, "days": 7},
    "whoami": lambda world: {},
}


async def _answer(world: World) -> dict[str, Any]:
    name = f"stranger-{secrets.token_hex(4)}"
    stranger = await introduce(replace(world.person, user_id=name, email=f"{name}@example.com"))
    task = (await stranger.call("add_task", title="Offered"))["id"]
    await stranger.call("share_task", task_id=task, user=world.person.email)
    (offered,) = (await world.person.call("manage_invitations"))["invitations"][:1]
    return {"action": "accept", "invitation_id": offered["id"]}


PREPARED: dict[str, Callable[[World], Awaitable[dict[str, Any]]]] = {
    "update_task": _update,
    "delete_task": _delete,
    "restore_task": _restore,
    "undo": _undo,
    "delete_team": _delete_team,
    "manage_invitations": _answer,
    "remove_team_member": _remove_member,
    "unshare_task": _unshare,
    "delete_conversation": _delete_conversation,
}
