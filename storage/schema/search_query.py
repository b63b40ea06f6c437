"""The query language of searches: words and phrases, exclusions, and filters by role, conversation and date."""

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from storage.schema.errors import InvalidInput
from storage.schema.request_models import MAX_ID

_PART = re.compile(r'-?"[^"]*"?|[^\s"]+')
_FILTER = re.compile(r"(from|in|before|after):(.+)", re.IGNORECASE)
_ROLES = ("user", "assistant", "system", "tool")

NOTHING = "Nothing in the query can be searched. Give at least one word, number or symbol that messages may contain."


@dataclass(frozen=True)
class Question:
    """A parsed query. `condition` is what a message has to meet, in the syntax that search_query in SQL reads.

    `needs_phrase` says that it cannot be met without one of the phrases.
    """

    words: str
    condition: str
    phrases: tuple[str, ...]
    needs_phrase: bool
    role: str | None = None
    conversation_id: int | None = None
    since: datetime | None = None
    before: datetime | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether there is any filter."""
        return any(value is not None for value in (self.role, self.conversation_id, self.since, self.before))


def parse(query: str, zone: ZoneInfo | None = None) -> Question:
    """Split a query into words and filters; days are those of `zone`. Without a zone, filters are words.

    Raises:
        InvalidInput: a filter has a value that it cannot have.
    """
    parts: list[str] = _PART.findall(query)
    filters: dict[str, str | int | datetime] = {}
    rest: list[str] = []
    for part in parts:
        found = _FILTER.fullmatch(part)
        if found and zone:
            filters |= _read_filter(found[1].lower(), found[2], zone)
        else:
            rest.append(part)
    excluded = [part for part in rest if part.startswith("-") and len(part) > 1]
    wanted = [part for part in rest if part not in excluded]
    phrases = tuple(part.strip('"') for part in wanted if part.startswith('"'))
    words = " ".join(part.strip('"') for part in wanted if part.lower() != "or")
    alternatives = _alternatives(wanted)
    whole = bool(phrases) and all(any(part.startswith('"') for part in parts) for parts in alternatives)
    return Question(words, _condition(alternatives, excluded), phrases, whole, **filters)  # pyright: ignore[reportArgumentType]


def all_words(query: str) -> str:
    """The query without its filters: as a condition, it asks for every word."""
    return " ".join(part for part in _PART.findall(query) if not _FILTER.fullmatch(part))


def _condition(alternatives: list[list[str]], excluded: list[str]) -> str:
    """Phrases are required, or any word of an alternative without one; what is excluded, is in every case."""
    required = [[part for part in parts if part.startswith('"')] for parts in alternatives]
    if not any(required):
        return " ".join(excluded)
    either: list[list[str]] = []
    for parts, phrases in zip(alternatives, required, strict=True):
        either += [phrases] if phrases else [[part] for part in parts]
    return " or ".join(" ".join([*parts, *excluded]) for parts in either)


def _alternatives(wanted: list[str]) -> list[list[str]]:
    """The parts between each `or`."""
    found: list[list[str]] = [[]]
    for part in wanted:
        if part.lower() == "or":
            found.append([])
        else:
            found[-1].append(part)
    return [parts for parts in found if parts]


def _read_filter(name: str, value: str, zone: ZoneInfo) -> dict[str, str | int | datetime]:
    if name == "from":
        if value.lower() not in _ROLES:
            raise InvalidInput(f"from: must be one of {', '.join(_ROLES)}, such as from:user.")
        return {"role": value.lower()}
    if name == "in":
        if not (value.isascii() and value.isdigit() and 1 <= int(value[:20]) <= MAX_ID):
            raise InvalidInput(
                "in: must be the id of a conversation, such as in:42. Use list_conversations to find it."
            )
        return {"conversation_id": int(value)}
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise InvalidInput(
            f"{name.lower()}: must be a date such as 2026-03-31, or a time such as 2026-03-31T09:00."
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return {"since" if name == "after" else "before": moment}
