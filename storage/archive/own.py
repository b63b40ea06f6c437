"""Reads an archive that `export` wrote (docs/export.md)."""

import json
from collections.abc import Iterator
from typing import Any
from zipfile import ZipFile

from pydantic import ValidationError

from storage.archive.incoming import ConversationRow, Problem, Row, TaskRow, Warned, explain, make_key, task_fields
from storage.archive.records import ConversationRecord, Manifest, MessageRecord, TaskRecord
from storage.schema.errors import InvalidInput
from storage.schema.request_models import NewMessage

MOST_MANIFEST_BYTES = 65_536


def read_manifest(archive: ZipFile) -> Manifest:
    """The manifest of an archive.

    Raises:
        InvalidInput: it is missing or damaged, or of a later version.
    """
    try:
        with archive.open("manifest.json") as file:
            return Manifest.model_validate_json(file.read(MOST_MANIFEST_BYTES))
    except (KeyError, ValidationError) as error:
        raise InvalidInput(
            "manifest.json is missing, damaged or of a later version: export again, or update Taskdeck"
        ) from error


def read_tasks(archive: ZipFile, user_id: str) -> Iterator[Row]:
    """The tasks. `user_id` is who imports: assignments to other people cannot be made for them."""
    manifest = read_manifest(archive)
    created: dict[int, str] = {}
    rows: list[tuple[str, TaskRecord]] = []
    for row, line in _lines(archive, "tasks.jsonl"):
        try:
            task = TaskRecord.model_validate_json(line)
        except ValidationError as error:
            yield Problem(row, explain(error))
            continue
        created[task.id] = _key(task)
        rows.append((row, task))
    for row, task in rows:
        try:
            fields = task_fields(task.model_dump(include={*_GIVEN}))
        except InvalidInput as error:
            yield Problem(row, str(error))
            continue
        if (task.status == "completed") != (task.completed_at is not None):
            yield Problem(row, "completed_at: completed tasks have one, and only they. Correct it in the file")
            continue
        columns = task.model_dump(include={*_COPIED})
        if task.assignee == manifest.user_id:
            columns["assignee_id"] = user_id
        elif task.assignee is not None:
            yield Warned(row, f"it was assigned to {task.assignee}; assign it again")
        if task.parent_id is not None and task.parent_id not in created:
            yield Warned(row, "the task above it belongs to somebody else, so it stands alone now")
        parent = created.get(task.parent_id) if task.parent_id is not None else None
        yield TaskRow(row, _key(task), fields | columns, parent, (task.team_id, task.team_name), task.id)


_GIVEN = ("title", "description", "priority", "due", "tags", "recurrence")
_COPIED = ("status", "version", "created_at", "updated_at", "completed_at", "deleted_at")


def _key(task: TaskRecord) -> str:
    # With its time, because tasks of different installations may have the same id.
    return make_key("taskdeck", "task", task.id, task.created_at.timestamp())


def read_conversations(archive: ZipFile) -> Iterator[Row]:
    """The conversations with their messages, one at a time."""
    messages = _lines(archive, "messages.jsonl")
    following = next(messages, None)
    for row, line in _lines(archive, "conversations.jsonl"):
        try:
            found = ConversationRecord.model_validate_json(line)
        except ValidationError as error:
            yield Problem(row, explain(error))
            continue
        key = make_key("taskdeck", "conversation", found.id, found.created_at.timestamp())
        read = ConversationRow(row, key, found.title, found.created_at, found.updated_at, known_id=found.id)
        problem: Problem | None = None
        while following is not None and (owner := _owner(following[1])) is not None and owner <= found.id:
            if owner == found.id and problem is None:
                try:
                    _add_message(read, following[1])
                except ValidationError as error:
                    problem = Problem(following[0], explain(error))
            following = next(messages, None)
        yield problem or read


def _add_message(read: ConversationRow, line: bytes) -> None:
    record = MessageRecord.model_validate_json(line)
    given = record.model_dump(mode="json", exclude_none=True, exclude={"conversation_id", "sequence", "task_ids"})
    read.messages.append(NewMessage.model_validate(given))
    if record.task_ids:
        # Imported messages are numbered anew, without the gaps that a file may have.
        read.task_ids[len(read.messages)] = record.task_ids


def _owner(line: bytes) -> int | None:
    try:
        parsed: Any = json.loads(line)
        return int(parsed["conversation_id"])
    except (ValueError, KeyError, TypeError):
        # Counted to the conversation that is read now, whose message it would be.
        return 0


def _lines(archive: ZipFile, name: str) -> Iterator[tuple[str, bytes]]:
    try:
        file = archive.open(name)
    except KeyError as error:
        raise InvalidInput(f"{name} is missing: export again") from error
    with file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield f"{name} line {number}", line
