"""Breaks valid arguments in random ways at random places."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast

from hypothesis import strategies as st

from tests.support.retrying_caller import Arguments, Path, holder_of

Schema = dict[str, Any]

ABSENT = object()
NOWHERE = 10**15
"""An id that does not exist."""
WRONG_KINDS: dict[str, list[Any]] = {
    "string": [7, 1.5, True, ["x"], {"a": 1}],
    "integer": ["x", 1.5, [], {}, True],
    "boolean": ["perhaps", 7, [], {}],
    "array": ["x", 7, True, {"a": 1}],
    "object": ["x", 7, [], True],
}
WRONG_DATES = [
    "tomorrow",
    "2026-02-30",
    "2026-03-01T17:00:00",
    "2026-03-01 17:00",
    "2026-03-01T17:00:00+01:00:30",
    "0001-01-01T00:00:00+14:00",
]
WRONG_RULES = [
    "every monday",
    "FREQ=HOURLY",
    "COUNT=3",
    "FREQ=DAILY;COUNT=0",
    "FREQ=DAILY;COUNT=3;COUNT=4",
    "FREQ=DAILY;COUNT=3;UNTIL=20270101",
    "FREQ=DAILY;UNTIL=soon",
    "FREQ=WEEKLY;WKST=XX",
    "FREQ=WEEKLY;BYDAY=XX",
    "FREQ=WEEKLY;BYDAY=1MO",
    "FREQ=MONTHLY;BYMONTHDAY=32",
    "FREQ=MONTHLY;BYWEEKNO=3",
    "FREQ=DAILY;BYSETPOS=1",
    "FREQ=DAILY;BYHOUR=25",
    "FREQ=YEARLY;BYDAY=1MO;BYWEEKNO=3",
]
WRONG_TEXTS: dict[str, list[Any]] = {
    "due": WRONG_DATES,
    "due_before": WRONG_DATES,
    "due_after": WRONG_DATES,
    "recurrence": WRONG_RULES,
    "user": ["nobody@example.com"],
    "assignee": ["nobody@example.com"],
    "description": ["x" * 16385, "é" * 8193],
    "content": ["é" * 32769, [{}], [{"type": "text"}], [7]],
    "id": ["nothing", f"task:{NOWHERE}"],
    "cursor": ["x"],
}
MAY_BE_EMPTY = {"description", "content"}

UNKNOWN = st.sampled_from(
    ["user_id", "due_date", "", " ", "a b", "a.b", "0", "über", "$ref", "function-x", "x" * 300, "\n", 'a"b', "\u202e"]
) | st.text(st.characters(codec="utf-8"), max_size=10)
ANYTHING: st.SearchStrategy[Any] = st.sampled_from([None, "x", 7, [], {}])


@dataclass(frozen=True)
class Place:
    """An argument or a part of one, given or absent."""

    path: Path
    schema: Schema
    given: bool
    value: Any
    required: bool

    def meets(self, other: Path) -> bool:
        """Whether one contains the other."""
        shorter = min(len(self.path), len(other))
        return self.path[:shorter] == other[:shorter]

    @property
    def wrong_values(self) -> list[Any]:
        """Invalid values; null twice, because clients send it most often."""
        name, kind = str(self.path[-1]), self.schema.get("type", "")
        nulls = [None, None] if isinstance(self.path[-1], str) else []
        if kind == "integer":
            return [*WRONG_KINDS[kind], *nulls, *self._wrong_numbers(name)]
        if kind == "string":
            return [*self._wrong_kinds(name), *nulls, *self._wrong_texts(name)]
        return [*WRONG_KINDS.get(kind, ()), *nulls, *([[]] if self.schema.get("minItems") else [])]

    def _wrong_kinds(self, name: str) -> list[Any]:
        return [value for value in WRONG_KINDS["string"] if name != "content" or not isinstance(value, list | dict)]

    def _wrong_numbers(self, name: str) -> Iterator[int]:
        low, high = self.schema.get("minimum", 1), self.schema.get("maximum", 2**63 - 1)
        yield from (low - 1, -1, high + 1, 10**30)
        if name.endswith("_id"):
            yield NOWHERE

    def _wrong_texts(self, name: str) -> Iterator[Any]:
        if self.given or name != "recurrence":  # which needs due as well
            yield from WRONG_TEXTS.get(name, ())
        if "enum" in self.schema:
            yield "nothing"
            return
        if name not in MAY_BE_EMPTY:
            yield from ("", " \n")
        if "maxLength" in self.schema:
            yield f"{self.value or ''}{'x' * self.schema['maxLength']}x"
        if isinstance(self.value, str):
            yield from (f"{self.value}\0", f"\ud800{self.value}")


def places(value: Any, schema: Schema, at: Path = (), required: bool = True) -> Iterator[Place]:
    """The places where a value can be broken."""
    yield Place(at, schema, True, value, required)
    if isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            needed = name in schema.get("required", ())
            if name in value:
                yield from places(value[name], inner, (*at, name), needed)
            else:
                yield Place((*at, name), inner, False, None, False)
    elif isinstance(value, list) and "items" in schema:
        for index, inner in enumerate(cast("list[Any]", value)):
            yield from places(inner, schema["items"], (*at, index), False)


def break_arguments(data: st.DataObject, schema: Schema, intended: Arguments) -> tuple[Arguments, int]:
    """Break the arguments in one to four places; return them and the number of faults."""
    arguments = deepcopy(intended)
    # A field in `clear` must not be given as well: that would be a second fault.
    everywhere = [
        place for place in places(intended, schema) if place.path[:1] not in [(n,) for n in intended.get("clear", ())]
    ]
    broken: list[Path] = []
    for _ in range(data.draw(st.integers(1, 4))):
        free = [place for place in everywhere if place.path and not any(map(place.meets, broken))]
        holders = [
            p for p in (everywhere[0], *free) if p.given and isinstance(p.value, dict) and "properties" in p.schema
        ]
        missable = [place for place in free if place.given and place.required]
        kinds = ["unknown", *["value"] * (4 * bool(free)), *["missing"] * bool(missable)]
        match data.draw(st.sampled_from(kinds)):
            case "unknown":
                holder, name = data.draw(st.sampled_from(holders)), data.draw(UNKNOWN)
                path = (*holder.path, name)
                if name in holder.schema["properties"] or path in broken:
                    continue
                value = data.draw(ANYTHING)
            case "missing":
                path = data.draw(st.sampled_from(missable)).path
                value = ABSENT
            case _:
                place = data.draw(st.sampled_from(free))
                path = place.path
                value = data.draw(st.sampled_from(place.wrong_values))
        broken.append(path)
        holder, step = holder_of(arguments, path)
        if value is ABSENT:
            del holder[step]
        else:
            holder[step] = value
    return arguments, len(broken)
