"""`taskdeck import`: archives of `taskdeck export`, and what Todoist, ChatGPT and Claude export."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import asyncpg
import pytest

from storage.conversations import conversations
from storage.engine.database import Scope
from storage.people import teams
from storage.schema.request_models import NewMessage, NewTask
from storage.tasks import deletion, tasks
from tests.conftest import Cluster, Person
from tests.support.processes import CommandResult, run_in_process

CSV = (
    "\ufeffTYPE,CONTENT,DESCRIPTION,PRIORITY,INDENT,AUTHOR,RESPONSIBLE,DATE,DATE_LANG,TIMEZONE\r\n"
    "meta,view_style=list,,,,,,,,\r\n"
    "task,Plan the trip @travel @2027,All of it,1,1,Ada (1),,2027-03-01,en,Europe/Berlin\r\n"
    'note,"Ask Bob,\r\nthen Carol",,,,Ada (1),,,,\r\n'
    "task,Book the train,,2,2,Ada (1),,2027-03-01 17:00,en,Europe/Berlin\r\n"
    "task,Find the card,,4,3,Ada (1),,every day,en,Europe/Berlin\r\n"
    "section,Later,,,,,,,,\r\n"
    "task,Unpack,,,1,Ada (1),,third friday after easter,en,Europe/Berlin\r\n"
    "task,Unpack,,3,1,Ada (1),,every other mon starting 2027-01-04,en,\r\n"
    ",,,,,,,,,\r\n"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def taskdeck(database_url: str, *arguments: str) -> CommandResult:
    """Run a command as the administrator of a database."""
    variables = {"DATABASE_URL": database_url, "TASKDECK_PORT": "8000"}
    return await asyncio.to_thread(run_in_process, *arguments, data_dir=Path("data"), **variables)


async def take_in(url: str, person: Person, file: str, *options: str) -> CommandResult:
    return await taskdeck(url, "import", file, "--user", person.user_id, *options)


async def tasks_of(person: Person) -> dict[str, dict[str, Any]]:
    page = await person.call("list_tasks", status="all", detail="full", limit=100)
    return {task["title"]: task for task in page["tasks"]}


async def messages_of(person: Person, title: str) -> list[dict[str, Any]]:
    found = (await person.call("list_conversations"))["conversations"]
    (chat,) = [each["id"] for each in found if each.get("title") == title]
    read, more = list[dict[str, Any]](), {}
    while True:
        page = await person.call("get_conversation", conversation_id=chat, max_tokens=20_000, **more)
        read = page["messages"] + read
        if not page["has_more"]:
            return read
        more = {"before_sequence": read[0]["sequence"]}


async def test_todoist_csv_with_sections_notes_and_nested_tasks(folder: Path, direct_url: str, alice: Person) -> None:
    (folder / "Trip.csv").write_text(CSV, "utf-8", newline="")
    done = await take_in(direct_url, alice, "Trip.csv")
    assert (done.status, done.stdout) == (
        0,
        "Added 5 tasks and 0 conversations with 0 messages. 0 were there already.\n",
    )
    assert "third friday after easter" in done.stderr
    found = (await alice.call("list_tasks", status="all", detail="full"))["tasks"]
    by_title = {task["title"]: task for task in found}
    trip, train, card = (by_title[title] for title in ("Plan the trip", "Book the train", "Find the card"))
    assert (trip["priority"], trip["due"], trip["tags"]) == ("urgent", "2027-03-01", ["travel", "2027"])
    assert trip["description"] == "All of it\n\nAsk Bob,\r\nthen Carol"
    assert (train["parent_id"], train["priority"]) == (trip["id"], "high")
    assert train["due"] == "2027-03-01T17:00:00+01:00"
    assert (card["parent_id"], card["priority"], card["recurrence"]) == (train["id"], "low", "FREQ=DAILY")
    odd, every = sorted((task for task in found if task["title"] == "Unpack"), key=lambda task: "due" in task)
    assert odd["description"] == "Date in Todoist: third friday after easter"
    assert (odd["tags"], odd["priority"]) == (["Later"], "medium")
    assert (every["due"], every["recurrence"]) == ("2027-01-04", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO")
    again = await take_in(direct_url, alice, "Trip.csv")
    assert again.stdout == "Added 0 tasks and 0 conversations with 0 messages. 5 were there already.\n"
    await alice.call("delete_task", task_id=card["id"])
    assert "Added 0 tasks" in (await take_in(direct_url, alice, "Trip.csv")).stdout


async def test_todoist_backup_takes_projects_as_tags(folder: Path, direct_url: str, alice: Person) -> None:
    with ZipFile("backup.zip", "w") as archive:
        for name in ("Inbox [1].csv", "Garden [22].csv"):
            archive.writestr(name, f"TYPE,CONTENT,PRIORITY\ntask,Of {name[:5]},\n")
    assert (await take_in(direct_url, alice, "backup.zip")).status == 0
    found = await tasks_of(alice)
    assert (found["Of Inbox"]["tags"], found["Of Garde"]["tags"]) == ([], ["Garden"])


async def test_rows_with_a_problem_stop_the_import_or_are_left_out(
    folder: Path, direct_url: str, alice: Person
) -> None:
    rows = ["task,Good,1", "task,Odd,9", f"task,{'x' * 501},1", "task,,1", "widget,What,1", "task,Last,2"]
    (folder / "odd.csv").write_text("\n".join(["TYPE,CONTENT,PRIORITY", *rows]))
    refused = await take_in(direct_url, alice, "odd.csv")
    assert refused.status == 1
    assert refused.stdout.startswith("Nothing was imported: 4 rows have a problem.")
    lines = [line for line in refused.stderr.splitlines() if line.startswith("row ")]
    assert [line.split(":")[0] for line in lines] == ["row 3", "row 4", "row 5", "row 6"]
    assert "PRIORITY: 9 is not 1, 2, 3 or 4. Correct it in the file" in lines[0]
    assert "title: " in lines[1]
    assert "500 characters" in lines[1]
    assert await tasks_of(alice) == {}
    kept = await take_in(direct_url, alice, "odd.csv", "--skip-invalid")
    assert (kept.status, kept.stdout.count("Added 2 tasks")) == (0, 1)
    assert "4 rows were left out" in kept.stdout
    assert set(await tasks_of(alice)) == {"Good", "Last"}


async def test_todoist_api_json(folder: Path, direct_url: str, alice: Person) -> None:
    due = {"date": "2027-03-01", "datetime": None, "string": "every 3 days", "is_recurring": True, "timezone": None}
    odd = due | {"string": "every full moon"}
    items: list[dict[str, Any]] = [
        {"id": "2", "content": "Below", "parent_id": "1", "priority": 1, "labels": [], "due": odd},
        {"id": "1", "content": "Above", "description": "Text", "priority": 4, "labels": ["a"], "project_id": "p"},
        {"id": "3", "content": "Done", "checked": True, "added_at": "2024-01-01T08:00:00Z", "due": due}
        | {"completed_at": "2024-02-03T04:05:06.789Z"},
        {"id": "4", "content": "Gone", "is_deleted": True},
        {"id": "5", "content": "At noon", "due": {"date": "2027-03-01T12:00:00Z"}},
    ]
    notes = [{"item_id": "1", "content": "A comment"}]
    document = {"items": items, "projects": [{"id": "p", "name": "Home"}], "notes": notes}
    (folder / "todoist.json").write_text(json.dumps(document))
    done = await take_in(direct_url, alice, "todoist.json")
    assert done.stdout.startswith("Added 4 tasks")
    assert "every full moon" in done.stderr
    found = await tasks_of(alice)
    above, below, finished = found["Above"], found["Below"], found["Done"]
    assert (above["priority"], above["tags"]) == ("urgent", ["Home", "a"])
    assert above["description"] == "Text\n\nA comment"
    assert (below["parent_id"], below["due"], below.get("recurrence")) == (above["id"], "2027-03-01", None)
    assert (finished["status"], finished["recurrence"]) == ("completed", "FREQ=DAILY;INTERVAL=3")
    assert datetime.fromisoformat(finished["completed_at"]) == datetime(2024, 2, 3, 4, 5, 6, 789000, UTC)
    assert datetime.fromisoformat(finished["created_at"]) == datetime(2024, 1, 1, 8, tzinfo=UTC)
    assert found["At noon"]["due"] == "2027-03-01T12:00:00+00:00"
    assert "Added 0 tasks" in (await take_in(direct_url, alice, "todoist.json")).stdout


def node(name: str, parent: str | None, role: str, *parts: Any, **rest: Any) -> dict[str, Any]:
    message = {"author": {"role": role}, "content": {"content_type": "text", "parts": list(parts)}, **rest}
    return {"id": name, "parent": parent, "children": [], "message": message}


async def test_chatgpt_follows_the_branch_of_the_current_node(folder: Path, direct_url: str, alice: Person) -> None:
    nodes = [
        {"id": "root", "parent": None, "children": ["s"], "message": None},
        node("s", "root", "system", "", metadata={"is_visually_hidden_from_conversation": True}),
        node("u", "s", "user", "What is 🌱?", create_time=1714640400.25),
        node("old", "u", "assistant", "A first answer", create_time=1714640401),
        node("new", "u", "assistant", "A plant", create_time=1714640460, metadata={"model_slug": "gpt-x"}),
        node("t", "new", "tool", {"content_type": "image_asset_pointer"}, "é" * 40_000),
    ]
    mapping = {each["id"]: each for each in nodes}
    chat = {"title": "Plants", "create_time": 1714640400.0, "update_time": 1714640500.0, "mapping": mapping}
    chats = [
        chat | {"conversation_id": "c-1", "current_node": "t"},
        chat | {"id": "c-2", "title": "Broken", "mapping": 1},
    ]
    with ZipFile("chatgpt.zip", "w") as archive:
        archive.writestr("conversations.json", json.dumps(chats))
        archive.writestr("chat.html", "<html>")
    assert "conversation 2: mapping" in (await take_in(direct_url, alice, "chatgpt.zip")).stderr
    done = await take_in(direct_url, alice, "chatgpt.zip", "--skip-invalid")
    assert done.stdout.startswith("Added 0 tasks and 1 conversations with 4 messages.")
    assert "became 2 messages" in done.stderr
    found = await messages_of(alice, "Plants")
    assert [(m["role"], m["content"][:14]) for m in found[:2]] == [("user", "What is 🌱?"), ("assistant", "A plant")]
    assert datetime.fromisoformat(found[0]["created_at"]) == datetime.fromtimestamp(1714640400.25, UTC)
    assert (found[1]["model"], found[2]["created_at"]) == ("gpt-x", found[1]["created_at"])
    assert found[2]["content"] + found[3]["content"] == "[image_asset_pointer]\n" + "é" * 40_000
    again = await take_in(direct_url, alice, "chatgpt.zip", "--skip-invalid")
    assert again.stdout.startswith("Added 0 tasks and 0 conversations with 0 messages. 1 were there already.")


async def test_claude_keeps_tool_calls_and_attachments(folder: Path, direct_url: str, alice: Person) -> None:
    use = {"type": "tool_use", "id": "t", "name": "look", "input": {"n": 1}}
    messages = [
        {"sender": "human", "text": "See this", "created_at": "2024-05-02T10:00:00.123456Z"}
        | {"attachments": [{"file_name": "a.txt", "extracted_content": "Inside"}]},
        {"sender": "assistant", "content": [{"type": "text", "text": "I look"}, use], "created_at": "nonsense"},
        {"sender": "assistant", "text": ""},
    ]
    chat = {"uuid": "u-1", "name": "Files", "created_at": "2024-05-02T10:00:00Z", "chat_messages": messages}
    (folder / "conversations.json").write_text("\ufeff" + json.dumps([chat]), "utf-8")
    assert (await take_in(direct_url, alice, "conversations.json")).stdout.startswith(
        "Added 0 tasks and 1 conversations with 2 messages."
    )
    first, second = await messages_of(alice, "Files")
    assert (first["role"], first["content"]) == ("user", "See this\n\n[attachment a.txt]\nInside")
    assert (second["role"], second["tool_calls"]) == ("assistant", [use])
    assert second["content"].startswith("I look")
    assert datetime.fromisoformat(first["created_at"]) == datetime(2024, 5, 2, 10, 0, 0, 123456, UTC)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"Just some text", "no columns TYPE and CONTENT"),
        (b"TYPE,CONTENT\ntask,\xff\xfe", "not UTF-8"),
        (b'[{"chat_messages": [', "not valid JSON"),
        (b'[{"other": 1}]', "none that can be imported"),
        (b"PK\x03\x04 and no more", "damaged or incomplete"),
        (None, "No such file"),
    ],
    ids=["text", "bytes", "half JSON", "other JSON", "half ZIP", "none"],
)
async def test_other_files_are_refused_in_one_sentence(
    folder: Path, direct_url: str, alice: Person, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (folder / "file").write_bytes(content)
    done = await take_in(direct_url, alice, "file")
    assert (done.status, done.stdout) == (2, "")
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


async def fill(person: Person, task_count: int, conversation_count: int) -> None:
    """Tasks with every field, subtasks, completed and deleted ones, and conversations of four messages and a task."""
    team = (await teams.create(person.scope, "Crew")).id
    above: list[int] = []
    for first in range(0, task_count, 50):
        new = [
            NewTask.model_validate(
                {"title": f"Task {n} ü", "tags": [f"t{n % 7}", "all"], "priority": ("low", "urgent")[n % 2]}
                | ({"description": f"*{n}*\n\n\ttext"} if n % 3 else {})
                | ({"due": "2027-03-01", "recurrence": "FREQ=WEEKLY"} if n % 5 == 0 else {})
                | ({"due": f"2027-03-01T17:{n % 60:02}:00+01:00"} if n % 5 == 1 else {})
                | ({"team_id": team, "assignee": person.user_id} if n % 11 == 0 else {})
                | ({"parent_id": above[n % len(above)]} if above and n % 4 == 0 else {})
            )
            for n in range(first, first + 50)
        ]
        added = [each.id for each in await tasks.add_many(person.scope, new) if not isinstance(each, Exception)]
        above.append(added[0])
        await tasks.complete(person.scope, added[7])
        await deletion.remove(person.scope, added[9])
    for n in range(conversation_count):
        messages = [
            NewMessage(role="user", content=f"Question {n} 🌱", created_at="2024-05-02T10:00:00.5+02:00"),
            NewMessage(role="assistant", content="", tool_calls=[{"id": f"c{n}", "n": [1.5, None]}], model="m"),
            NewMessage(role="assistant", content=f"Answer {n}\n" * 20),
        ]
        chat = await conversations.start(person.scope, f"Chat {n}" if n % 3 else None, messages)
        result = NewMessage(role="tool", content=f'{{"n":{n}}}', tool_call_id=f"c{n}")

        async def add_child(scope: Scope, n: int = n) -> object:
            new = NewTask.model_validate({"title": f"Of chat {n}", "parent_id": above[n % len(above)]})
            return await tasks.add(scope, new)

        await conversations.recorded(person.scope, chat.id, add_child, lambda _, result=result: result)


def contents(path: Path) -> dict[str, list[Any]]:
    """The lines of an archive, in which ids are replaced by what they name."""
    with ZipFile(path) as archive:
        lines = {
            name: [json.loads(line) for line in archive.read(f"{name}.jsonl").splitlines()]
            for name in ("tasks", "conversations", "messages", "teams")
        }
        own: str = json.loads(archive.read("manifest.json"))["user_id"]
    titles = {task["id"]: task["title"] for task in lines["tasks"]}
    places = {chat["id"]: n for n, chat in enumerate(lines["conversations"])}
    for task in lines["tasks"]:
        task["parent_id"] = titles.get(task.pop("parent_id", None))
        task["assignee"] = {own: "me"}.get(task.pop("assignee", ""))
        del task["id"]
        task.pop("team_id", None)
    lines["tasks"].sort(key=lambda task: task["title"])
    for chat in lines["conversations"]:
        del chat["id"]
    for message in lines["messages"]:
        message["conversation_id"] = places[message["conversation_id"]]
        message["task_ids"] = [titles[task_id] for task_id in message.pop("task_ids", [])]
    for team in lines["teams"]:
        del team["id"]
    return lines


async def exported_and_imported(cluster: Cluster, url: str, person: Person, *counts: int) -> None:
    await fill(person, *counts)
    assert (await taskdeck(url, "export", "--user", person.user_id, "--output", "first.zip")).status == 0
    before = contents(Path("first.zip"))
    # Each completed task of the recurring ones has made another, and each conversation one.
    assert len(before["tasks"]) >= counts[0] + counts[1]
    assert sum(message["task_ids"] != [] for message in before["messages"]) == counts[1]
    assert (len(before["conversations"]), len(before["messages"])) == (counts[1], 4 * counts[1])
    # At home everything is there already.
    at_home = await take_in(url, person, "first.zip")
    assert at_home.stdout.startswith("Added 0 tasks and 0 conversations with 0 messages.")
    elsewhere = await cluster.create("elsewhere", "blank")
    try:
        connection = await asyncpg.connect(cluster.address("elsewhere"))
        await connection.execute("INSERT INTO users (id) VALUES ('somebody')")
        await connection.close()
        done = await taskdeck(elsewhere, "import", "first.zip", "--user", "somebody")
        assert (done.status, done.stdout) == (
            0,
            f"Added {len(before['tasks'])} tasks and {counts[1]} conversations with {4 * counts[1]} messages. "
            "0 were there already.\n",
        )
        again = await taskdeck(elsewhere, "import", "first.zip", "--user", "somebody")
        assert again.stdout.startswith("Added 0 tasks and 0 conversations with 0 messages.")
        assert (await taskdeck(elsewhere, "export", "--user", "somebody", "--output", "second.zip")).status == 0
        assert contents(Path("second.zip")) == before
    finally:
        await cluster.drop("elsewhere")


async def test_archive_imported_elsewhere_is_equal(
    folder: Path, cluster: Cluster, direct_url: str, alice: Person
) -> None:
    await exported_and_imported(cluster, direct_url, alice, 200, 30)


@pytest.mark.long
async def test_ten_thousand_tasks_and_a_thousand_conversations_imported_elsewhere_are_equal(
    folder: Path, cluster: Cluster, direct_url: str, alice: Person
) -> None:
    await exported_and_imported(cluster, direct_url, alice, 10_000, 1_000)
