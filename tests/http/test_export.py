"""The archive of everything that a person has, from the dashboard's API."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from datetime import datetime
from io import BytesIO
from pathlib import Path
from random import Random
from string import ascii_lowercase
from typing import Any
from zipfile import ZipFile

import pytest

from mcp_server.protocol.recording import KEY
from mcp_server.settings import Settings
from storage.archive.records import LINES, Manifest, PersonRecord
from tests.conftest import Person
from tests.support.consent import agreed
from tests.support.running_server import RunningServer, running_server

EXPORT = "/api/dashboard/export"
DOCUMENT = (Path(__file__).parents[2] / "docs/export.md").read_text("utf-8")


@pytest.fixture(scope="module")
async def server(
    database_url: str, direct_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[RunningServer]:
    settings = Settings.model_validate({"data_dir": tmp_path_factory.mktemp("server")})
    async with running_server(settings, database_url, direct_url, send_buffer=4096) as built:
        yield built


async def archive_of(server: RunningServer, person: Person) -> ZipFile:
    async with server.client(person.user_id) as client:
        response = await client.get(EXPORT)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/zip")
    assert re.fullmatch(
        r'attachment; filename="taskdeck-\d{4}-\d\d-\d\d\.zip"', response.headers["content-disposition"]
    )
    assert response.headers["cache-control"] == "no-store"
    return ZipFile(BytesIO(response.content))


def lines(archive: ZipFile, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in archive.read(name).decode().splitlines()]


async def test_archive_contains_everything_of_its_person_and_nothing_else(
    server: RunningServer, alice: Person, bob: Person
) -> None:
    team = (await alice.call("create_team", name="Crew"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team, role="viewer")
    parent = await alice.call(
        "add_task",
        title="Wäter the plants 🌱",
        description="*All* of\nthem",
        due="2027-03-01T17:00:00+01:00",
        recurrence="FREQ=WEEKLY",
        tags=["home"],
        team_id=team,
        assignee=bob.email,
    )
    child = await alice.call("add_task", title="Fill the can", parent_id=parent["id"], priority="urgent")
    done = await alice.call("complete_task", task_id=child["id"])
    gone = (await alice.call("add_task", title="Gone"))["id"]
    await alice.call("delete_task", task_id=gone)
    await agreed(alice, "share_task", bob, task_id=child["id"], permission="edit")
    theirs = (await bob.call("add_task", title="Of bob"))["id"]
    await agreed(bob, "share_task", alice, task_id=theirs)
    calls = [{"id": "c", "function": {"name": "look", "arguments": "{}"}}]
    messages = [
        {"role": "user", "content": "What is there?", "created_at": "2024-05-02T10:00:00+00:00"},
        {"role": "assistant", "content": "", "tool_calls": calls, "model": "some-model"},
        {"role": "tool", "content": "A `cat`", "tool_call_id": "c"},
    ]
    chat = (await alice.call("start_conversation", title="Cats", messages=messages))["id"]
    await bob.call("start_conversation", title="Secret of bob", messages=messages[:1])

    archive = await archive_of(server, alice)
    tasks = {task["id"]: task for task in lines(archive, "tasks.jsonl")}
    assert tasks.keys() == {parent["id"], child["id"], gone}
    kept = {name: value for name, value in tasks[parent["id"]].items() if not name.endswith("_at")}
    assert kept == {
        "id": parent["id"],
        "title": "Wäter the plants 🌱",
        "description": "*All* of\nthem",
        "status": "pending",
        "priority": "medium",
        "due": "2027-03-01T17:00:00+01:00",
        "tags": ["home"],
        "recurrence": "FREQ=WEEKLY",
        "assignee": bob.user_id,
        "team_id": team,
        "team_name": "Crew",
        "version": 1,
    }
    assert (tasks[child["id"]]["parent_id"], tasks[child["id"]]["status"]) == (parent["id"], "completed")
    completed = datetime.fromisoformat(tasks[child["id"]]["completed_at"])
    assert completed == datetime.fromisoformat(done["completed_at"])
    assert "deleted_at" in tasks[gone]
    assert "deleted_at" not in tasks[child["id"]]

    assert [(c["id"], c["title"], c["message_count"]) for c in lines(archive, "conversations.jsonl")] == [
        (chat, "Cats", 3)
    ]
    found = lines(archive, "messages.jsonl")
    assert [m["sequence"] for m in found] == [1, 2, 3]
    assert found[0]["created_at"] == "2024-05-02T10:00:00Z"
    assert (found[1]["tool_calls"], found[1]["model"], found[2]["tool_call_id"]) == (calls, "some-model", "c")
    text = archive.read(f"conversations/{chat}.md").decode()
    assert text.startswith("# Cats\n\n3 messages")
    assert text.index("What is there?") < text.index('"name": "look"') < text.index("A `cat`")

    changes = [(change["task_id"], change["event_type"]) for change in lines(archive, "changes.jsonl")]
    assert changes.count((child["id"], "task_created")) == 1
    assert {(child["id"], "task_completed"), (child["id"], "task_shared"), (gone, "task_deleted")} <= set(changes)
    (crew,) = lines(archive, "teams.jsonl")
    assert crew == {"id": team, "name": "Crew", "role": "owner"}
    members = [(m["team_id"], m["user_id"], m["email"], m["role"]) for m in lines(archive, "members.jsonl")]
    assert members == [(team, alice.user_id, alice.email, "owner"), (team, bob.user_id, bob.email, "viewer")]
    shares = [
        (s["direction"], s["task_id"], s["title"], s["user_id"], s["permission"])
        for s in lines(archive, "shares.jsonl")
    ]
    assert shares == [
        ("given", child["id"], "Fill the can", bob.user_id, "edit"),
        ("received", theirs, "Of bob", bob.user_id, "view"),
    ]
    person = json.loads(archive.read("person.json"))
    assert (person["id"], person["email"], person["timezone"]) == (alice.user_id, alice.email, "UTC")
    manifest = json.loads(archive.read("manifest.json"))
    assert (manifest["format"], manifest["version"], manifest["user_id"]) == ("taskdeck-archive", 1, alice.user_id)
    assert manifest["counts"] == {name: len(lines(archive, name)) for name in LINES}
    everything = b"".join(archive.read(name) for name in archive.namelist())
    assert b"Secret of bob" not in everything


async def test_messages_in_the_archive_name_the_persons_tasks_that_their_call_changed(
    server: RunningServer, alice: Person, bob: Person
) -> None:
    mine = (await alice.call("add_task", title="Mine"))["id"]
    theirs = (await bob.call("add_task", title="Of bob"))["id"]
    await agreed(bob, "share_task", alice, task_id=theirs, permission="edit")
    chat = (await alice.call("start_conversation"))["id"]
    await alice.ask("get_task", {KEY: chat}, task_id=mine)
    for task_id in (mine, theirs):
        await alice.ask("update_task", {KEY: chat}, task_id=task_id, priority="high")
    found = lines(await archive_of(server, alice), "messages.jsonl")
    assert [message.get("task_ids") for message in found] == [None, [mine], None]


async def test_long_conversation_is_complete(server: RunningServer, alice: Person) -> None:
    chat = (await alice.call("start_conversation"))["id"]
    for first in (1, 51, 101):
        batch = [{"role": "user", "content": f"message {n}"} for n in range(first, first + 50)]
        await alice.call("append_messages", conversation_id=chat, messages=batch)
    archive = await archive_of(server, alice)
    assert [m["content"] for m in lines(archive, "messages.jsonl")] == [f"message {n}" for n in range(1, 151)]
    assert archive.read(f"conversations/{chat}.md").decode().count("message ") == 150


async def test_one_export_at_a_time_for_each_person(server: RunningServer, alice: Person, bob: Person) -> None:
    # Text that does not compress, so that a reader that has stopped keeps the server waiting.
    for seed in range(4):
        noise = ["".join(Random(f"{seed} {n}").choices(ascii_lowercase, k=60_000)) for n in range(15)]
        await alice.call("start_conversation", messages=[{"role": "user", "content": text} for text in noise])
    async with server.client(alice.user_id) as client:
        async with client.stream("GET", EXPORT) as running:
            assert running.status_code == 200
            refused = await client.get(EXPORT)
            assert (refused.status_code, refused.json()["error"]) == (429, "rate_limited")
            assert refused.headers["retry-after"] == "10"
            await archive_of(server, bob)
        async with asyncio.timeout(30):
            # The server notices within moments that the first reader has left.
            while (await client.get(EXPORT)).status_code != 200:
                pass
    async with server.client(authorization=f"Bearer {server.token(alice.user_id, 'mcp')}") as client:
        assert (await client.get(EXPORT)).status_code == 401


async def test_invitations_and_the_security_log_are_in_the_archive(
    server: RunningServer, alice: Person, bob: Person
) -> None:
    sent = (await alice.call("add_task", title="Sent"))["id"]
    await alice.call("share_task", task_id=sent, user="Nobody@example.com")
    received = (await bob.call("add_task", title="Received"))["id"]
    await bob.call("share_task", task_id=received, user=alice.user_id, permission="edit")
    archive = await archive_of(server, alice)
    found = lines(archive, "invitations.jsonl")
    assert [{name: value for name, value in line.items() if name not in ("name", "created_at")} for line in found] == [
        {"direction": "sent", "address": "Nobody@example.com", "offered": "view"},
        {
            "direction": "received",
            "user_id": bob.user_id,
            "email": bob.email,
            "status": "pending",
            "offered": "edit",
            "task_title": "Received",
        },
    ]
    assert found[1]["name"].startswith("Bob")
    (entry,) = lines(archive, "audit.jsonl")
    assert (entry["by"], entry["action"], entry["details"]["task_id"]) == (alice.user_id, "invitation_sent", sent)
    assert json.loads(archive.read("manifest.json"))["counts"]["audit.jsonl"] == 1


async def test_whoever_blocks_the_inviter_is_not_told_from_others_in_the_archive(
    server: RunningServer, alice: Person, bob: Person, carol: Person
) -> None:
    for other in (bob, carol):
        task = (await alice.call("add_task", title=f"For {other.user_id}"))["id"]
        await alice.call("share_task", task_id=task, user=other.user_id)
    (waiting,) = (await bob.call("manage_invitations"))["invitations"]
    await bob.call("manage_invitations", action="block", invitation_id=waiting["id"])
    to_bob, to_carol = lines(await archive_of(server, alice), "invitations.jsonl")
    assert to_bob.keys() == to_carol.keys() == {"direction", "address", "offered", "created_at"}
    (blocked,) = lines(await archive_of(server, bob), "invitations.jsonl")
    assert (blocked["direction"], blocked["status"], blocked["user_id"]) == ("received", "blocked", alice.user_id)


def documented(heading: str) -> list[str]:
    table = DOCUMENT.partition(f"### `{heading}`\n")[2].partition("\n##")[0]
    return re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "model"), [*LINES.items(), ("person.json", PersonRecord), ("manifest.json", Manifest)], ids=str
)
def test_document_names_every_field(name: str, model: Any) -> None:
    assert documented(name) == list(model.model_fields)
