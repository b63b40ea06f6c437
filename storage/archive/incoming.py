"""What an import reads from a file, whatever its format, before anything is stored."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from storage.schema.errors import InvalidInput
from storage.schema.request_models import NewMessage, NewTask
from storage.tasks import due_dates

MOST_BYTES = 65_536
"""The length of a message. A longer one becomes several."""


@dataclass(frozen=True)
class Problem:
    """A row that cannot be imported: where it is, and what is wrong with it."""

    row: str
    reason: str


@dataclass(frozen=True)
class Warned:
    """A row that is imported with something changed or left out."""

    row: str
    text: str


@dataclass
class TaskRow:
    """A task of a file. `key` is the same each time that the file is read; `parent` is the key of another row.

    `fields` are columns; `team` is the id and the name of its team where it comes from; `known_id` is its id there.
    """

    row: str
    key: str
    fields: dict[str, Any]
    parent: str | None = None
    team: tuple[int | None, str | None] = (None, None)
    known_id: int | None = None


@dataclass
class ConversationRow:
    """A conversation of a file, with its messages in order.

    `task_ids` has the tasks of messages, by the number of the message; they are ids where the file comes from.
    """

    row: str
    key: str
    title: str | None
    created_at: datetime
    updated_at: datetime
    messages: list[NewMessage] = field(default_factory=list[NewMessage])
    known_id: int | None = None
    task_ids: dict[int, list[int]] = field(default_factory=dict[int, list[int]])


Row = TaskRow | ConversationRow | Problem | Warned


def make_key(source: str, *parts: object) -> str:
    """The import key of a row: equal for equal rows of the same source, whatever the length of the parts."""
    digest = hashlib.sha256("\x00".join(map(str, parts)).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{source}:{digest}"


def task_fields(given: dict[str, Any]) -> dict[str, Any]:
    """The columns of a task, from the fields that add_task takes.

    Raises:
        InvalidInput: one of them is not possible; the text names it.
    """
    try:
        new = NewTask.model_validate({name: value for name, value in given.items() if value not in (None, "", [])})
    except ValidationError as error:
        raise InvalidInput(explain(error)) from error
    columns: dict[str, Any] = {
        "title": new.title,
        "description": new.description,
        "priority": new.priority or "medium",
        "tags": new.tags or [],
        "due": None,
        "due_at": None,
        "recurrence": None,
    }
    if new.due is not None:
        due = due_dates.parse_due(new.due)
        columns |= {"due": due.text, "due_at": due.at}
        if new.recurrence is not None:
            columns["recurrence"] = due_dates.parse_recurrence(new.recurrence, due)
    elif new.recurrence is not None:
        raise InvalidInput("recurrence: a recurring task needs a due date; add one, or remove the recurrence")
    return columns


def explain(error: ValidationError) -> str:
    """The first of what is wrong, with the name of the field."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "the row"
    reason = str(first["msg"]).removeprefix("Value error, ").lower()
    if (most := first.get("ctx", {}).get("max_length")) is not None:
        # Pydantic calls the characters of a text that it has changed items.
        reason = f"has more than {most} {'values' if isinstance(first['input'], list) else 'characters'}"
    return f"{place}: {reason}. Correct it in the file, or import the rest with --skip-invalid"


def moment(value: object) -> datetime | None:
    """A time as a file has it: ISO 8601, or seconds since 1970; None if it is none, or outside of 1970 until now."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            found = datetime.fromtimestamp(value, UTC)
        elif isinstance(value, str) and value:
            found = datetime.fromisoformat(value)
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    # A second, because an archive may be imported as soon as it is written.
    return found if datetime.fromtimestamp(0, UTC) <= found <= datetime.now(UTC) + timedelta(seconds=1) else None


def split_message(text: str) -> Iterator[str]:
    """The text in pieces that can be stored as messages."""
    data = text.replace("\x00", "").encode("utf-8", "replace")
    while len(data) > MOST_BYTES:
        # A cut never falls into a character: bytes that continue one begin with 10.
        cut = MOST_BYTES
        while data[cut] & 0xC0 == 0x80:
            cut -= 1
        yield data[:cut].decode()
        data = data[cut:]
    yield data.decode()
