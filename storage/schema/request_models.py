"""Arguments of callers: types of values with their limits, and the fields of tasks and messages.

Limits are declared here once; tools derive their schemas from these classes.
"""

import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from storage.schema import content_parts
from storage.schema.plain_text import without_hidden

Status = Literal["pending", "in_progress", "completed"]
Priority = Literal["low", "medium", "high", "urgent"]
Access = Literal["owner", "edit", "view"]
Permission = Literal["view", "edit"]
TeamRole = Literal["owner", "admin", "member", "viewer"]
MessageRole = Literal["user", "assistant", "system", "tool"]
Sort = Literal["created", "due", "priority", "updated"]
ListedStatus = Literal["pending", "in_progress", "completed", "all"]
DueGroup = Literal["overdue", "today", "week", "none"]
"""How soon tasks are due: `week` is today and the six days after it, `none` without a date."""
ListedScope = Literal["mine", "shared", "team", "all"]

USER_ID = r"[A-Za-z0-9_.:@|-]{1,128}"
"""The pattern of a user id, which is the `sub` of a token."""
MAX_ID = 2**63 - 1
MAX_PAGE_ROWS = 100
MAX_DAYS = 366
"""Days of statistics: a year."""
MAX_CALL_ID = 200
"""Characters of the id that a chat API gives to a tool call."""
NO_DATE = "not a date that can be read: write 2026-03-01, or 2026-03-01T17:00:00+01:00"
NO_CURSOR = "does not belong to this listing: repeat the call without cursor to start again"
NO_MOMENT = "must be a time between 1970 and now, with its offset: write 2026-03-01T17:00:00+01:00"
_EPOCH = datetime.fromtimestamp(0, UTC)
# PostgreSQL stores no NUL in text, and half of a surrogate pair cannot be encoded as UTF-8.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# JSON writes a NUL as an escape, which jsonb rejects. After an odd number of backslashes in front, it is only text.
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def _storable(value: str) -> str:
    if _UNSTORABLE.search(value):
        raise ValueError("contains a NUL or half of a surrogate pair, which cannot be stored; remove it")
    return value


def _meant(value: str) -> str:
    value = value.strip()
    if not value:
        raise ValueError("must not be empty")
    return value


def _whole(value: object) -> object:
    # Pydantic accepts true as the number 1.
    if isinstance(value, bool):
        raise ValueError("must be a whole number")  # pydantic reports only ValueErrors
    return value


def _bytes_at_most(limit: int) -> AfterValidator:
    # Bytes, as the CHECK constraints of the tables count them; JSON Schema could only count characters.
    def check(value: str) -> str:
        if len(value.encode()) > limit:
            raise ValueError(f"is longer than {limit} bytes; shorten it")
        return value

    return AfterValidator(check)


def _storable_calls(value: list[dict[str, Any]]) -> list[dict[str, Any]]:
    try:
        encoded = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        raise ValueError("has a number that is not finite, or is nested too deeply; leave that out") from error
    if _UNSTORABLE.search(encoded) or _ESCAPED_NUL.search(encoded):
        raise ValueError("contains a NUL or half of a surrogate pair, which cannot be stored; remove it")
    if len(encoded.encode()) > 65536:
        raise ValueError("is longer than 65536 bytes; shorten it")
    return value


def _searchable(value: str) -> str:
    if not any(_is_searchable(character) for character in value):
        raise ValueError("has nothing to search for: give at least one word, number or symbol such as an emoji")
    return value


def _is_searchable(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LN" or (category[0] == "S" and not character.isascii())


def _past(value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(NO_MOMENT) from error
    # A minute, because the clock of a client may be ahead of this one.
    if moment.tzinfo is None or not _EPOCH <= moment <= datetime.now(UTC) + timedelta(minutes=1):
        raise ValueError(NO_MOMENT)
    return value


def _content_text(content: object) -> object:
    """The text of content that is a list of parts, or a single part as in MCP."""
    return content_parts.as_text(cast("list[Any]", content)) if isinstance(content, list | dict) else content


def only(most: int, instead: str) -> BeforeValidator:
    """Refuse every value that cannot be valid with one text that says what to write."""
    # Otherwise a caller would correct the length or the type, only to be refused for the meaning next.

    def check(value: object) -> object:
        if not isinstance(value, str) or not value.strip() or len(value) > most:
            raise ValueError(instead)
        return value

    return BeforeValidator(check)


def _composed(value: str) -> str:
    # Two spellings of one letter look the same, so a person would see the same tag twice.
    return unicodedata.normalize("NFC", value)


def _distinct(values: list[str]) -> list[str]:
    # A dict, unlike a set, keeps the order.
    return list(dict.fromkeys(values))


Text = Annotated[str, AfterValidator(_storable)]
Line = Annotated[Text, AfterValidator(_meant)]
Id = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=MAX_ID)]
Count = Annotated[int, BeforeValidator(_whole)]
PageSize = Annotated[Count, Field(ge=1, le=MAX_PAGE_ROWS)]
Days = Annotated[Count, Field(ge=1, le=MAX_DAYS)]
Ordinal = Annotated[Count, Field(ge=1, le=2**31 - 1)]
Query = Annotated[Line, Field(max_length=500), AfterValidator(_searchable)]
Name = Annotated[Text, AfterValidator(without_hidden), AfterValidator(_meant)]
"""What other people read on one line."""
Title = Annotated[Name, Field(max_length=500)]
Tag = Annotated[Name, AfterValidator(_composed), Field(max_length=50)]
Tags = Annotated[list[Tag], AfterValidator(_distinct), Field(max_length=20)]
Moment = Annotated[Text, Field(max_length=40), only(40, f"is {NO_DATE}")]
PastMoment = Annotated[Text, Field(max_length=40), only(40, NO_MOMENT), AfterValidator(_past)]
"""When something happened, as ISO 8601 text with an offset."""
Rule = Annotated[Line, Field(max_length=500), only(500, "must be an RRULE such as FREQ=WEEKLY;BYDAY=MO, beside due")]
Cursor = Annotated[Line, Field(max_length=500), only(500, NO_CURSOR)]
TeamName = Annotated[Name, Field(max_length=100)]
ConversationTitle = Annotated[Name, Field(max_length=200)]
Person = Annotated[Line, Field(max_length=320), only(320, "must be a user id or an e-mail address")]
Key = Annotated[Line, Field(max_length=128)]
CallId = Annotated[Line, Field(max_length=MAX_CALL_ID)]


class StrictModel(BaseModel):
    """Base of all arguments: an unknown one is refused, not ignored."""

    # An ignored argument, such as a misspelled filter, would give a caller a wrong answer without a sign of it.

    model_config = ConfigDict(extra="forbid")


class TaskFields(StrictModel):
    """The fields of a task that a caller may set."""

    title: Title | None = None
    description: Annotated[Text, _bytes_at_most(16384)] | None = Field(None, description="Markdown, up to 16 KiB")
    priority: Priority | None = None
    due: Moment | None = Field(None, description="2026-03-01, or 2026-03-01T17:00:00+01:00")
    tags: Tags | None = None
    team_id: Id | None = None
    parent_id: Id | None = None
    assignee: Person | None = Field(None, description="User id or e-mail")
    recurrence: Rule | None = Field(None, description="RFC 5545 RRULE such as FREQ=WEEKLY;BYDAY=MO; needs due")


class NewTask(TaskFields):
    """A task to add."""

    title: Title  # pyright: ignore[reportIncompatibleVariableOverride, reportGeneralTypeIssues]: required here, optional in a change


class TaskFilter(StrictModel):
    """Which tasks, in which order."""

    status: ListedStatus = Field(default="pending", description="pending = not completed")
    scope: ListedScope = Field(default="all", description="mine = what I own")
    team_id: Id | None = None
    parent_id: Id | None = Field(default=None, description="Its direct subtasks")
    search: Query | None = Field(
        default=None, description='Any word, best first; with sort all words. "a phrase", or, -not'
    )
    tag: Tag | None = None
    priority: Priority | None = None
    due: DueGroup | None = Field(default=None, description="none = undated")
    due_before: Moment | None = Field(default=None, description="Exclusive; a date is the user's day")
    due_after: Moment | None = Field(default=None, description="Inclusive")
    completed_before: Moment | None = None
    completed_after: Moment | None = None
    sort: Sort | None = Field(default=None, description="Else created")


class NewMessage(StrictModel):
    """A message to keep. Beside tool calls it needs no content.

    The schema of `content` is that of text, for models: not all of their families take unions. Programs may give a list
    of parts, as they have it from a chat API; `content_parts` says what becomes of it.
    """

    role: MessageRole
    content: Annotated[Text, _bytes_at_most(65536), BeforeValidator(_content_text)] = Field(
        description="Up to 64 KiB, or a list of parts"
    )
    tool_calls: Annotated[list[dict[str, Any]], AfterValidator(_storable_calls)] | None = None
    tool_call_id: CallId | None = None
    model: Annotated[Line, Field(max_length=200)] | None = None
    created_at: PastMoment | None = Field(default=None, description="If not now")

    @model_validator(mode="before")
    @classmethod
    def _find_calls(cls, data: Any) -> Any:  # noqa: ANN401
        """Take tool calls, and the id of an answered one, from where Anthropic and MCP have them: among the parts."""
        if not isinstance(data, dict):
            return data
        given = dict(cast("dict[str, Any]", data))
        content = given.get("content")
        if isinstance(content, list | dict):
            parts = cast("list[Any]", content) if isinstance(content, list) else [cast("dict[str, Any]", content)]
            uses, answered = content_parts.tool_uses(parts), content_parts.answered_call(parts)
            calls = given.get("tool_calls", [])
            if uses and isinstance(calls, list):
                given["tool_calls"] = [*cast("list[Any]", calls), *uses]
            # setdefault, because an id that the caller gave explicitly takes precedence.
            if answered and len(answered) <= MAX_CALL_ID:
                given.setdefault("tool_call_id", answered)
        if given.get("content") is None and isinstance(given.get("tool_calls"), list) and given["tool_calls"]:
            given["content"] = ""
        return given
