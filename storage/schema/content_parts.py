"""Message content as chat APIs represent it: a list of parts, which is stored as text.

Texts stay whole. Every other part becomes a line in brackets with its type and metadata: a memory needs to know that
there was a picture, not its bytes. The types are those of Anthropic's Messages, OpenAI's Chat Completions and
Responses, and MCP; a part of an unknown type is kept in the same way.
"""

import json
from collections.abc import Iterator
from typing import Any, cast

Part = dict[str, Any]

TEXT_TYPES = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""Types of parts that are text, and the field that holds it."""

NESTED = frozenset({"text", "content"})
"""Fields of other parts that contain text or parts, such as the result of a tool."""

PAYLOADS = frozenset({"data", "file_data", "blob", "encrypted_content", "signature", "thinking"})
"""Fields with the data of a part, of which only the length is kept."""

UNSHOWN = frozenset({"type", "cache_control"})
LONGEST_VALUE = 200
DEEPEST = 8  # levels of nesting; bounds the recursion, because parts come from callers

_EXAMPLE = '{"type": "text", "text": "Hello"}'


def as_text(parts: Part | list[Any]) -> str:
    """The text of all parts, one below the other; also of one part alone.

    Raises:
        ValueError: an item is not a part, or parts are nested too deeply. The message begins with the item's place.
    """
    return "\n".join(_lines(parts, "", 1) if isinstance(parts, list) else _part_lines(parts, "", 1))


def tool_uses(parts: list[Any]) -> list[Part]:
    """The tool calls among the parts, unchanged."""
    return [part for part in _objects(parts) if part.get("type") == "tool_use"]


def answered_call(parts: list[Any]) -> str | None:
    """The id of the tool call whose result is among the parts; None if there are no results, or several."""
    # MCP writes toolUseId, Anthropic tool_use_id.
    results = [part for part in _objects(parts) if part.get("type") == "tool_result"]
    answered = results[0].get("tool_use_id", results[0].get("toolUseId")) if len(results) == 1 else None
    return answered if isinstance(answered, str) else None


def _objects(parts: list[Any]) -> list[Part]:
    return [cast(Part, part) for part in parts if isinstance(part, dict)]


def _lines(parts: list[Any], at: str, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        raise ValueError(f"{at} is nested too deeply: leave it out, or give it as text")
    for index, part in enumerate(parts):
        if not isinstance(part, dict):
            raise ValueError(f"{at}.{index} must be an object with a type, such as {_EXAMPLE}")
        yield from _part_lines(cast(Part, part), f"{at}.{index}", depth)


def _part_lines(part: Part, at: str, depth: int) -> Iterator[str]:
    kind = part.get("type")
    if not isinstance(kind, str) or not kind.strip():
        raise ValueError(f"{at}.type must be text, as in {_EXAMPLE}")
    if kind in TEXT_TYPES:
        text = part.get(TEXT_TYPES[kind])
        if not isinstance(text, str):
            raise ValueError(f"{at}.{TEXT_TYPES[kind]} must be text")
        yield text
        return
    fields = list(_fields(part, at, depth=1))
    yield f"[{' '.join([_word(kind), *(shown for _, shown in fields if isinstance(shown, str))])}]"
    for place, nested in fields:
        if isinstance(nested, list):
            yield from _lines(nested, place, depth + 1)


def _fields(part: Part, at: str, depth: int) -> Iterator[tuple[str, str | list[Any]]]:
    """Each field with a value, with its place: as a word, or as parts if it contains text or parts."""
    for name, value in part.items():
        place = f"{at}.{name}"
        match value:
            case _ if name in UNSHOWN or value in (None, "", [], {}):
                pass
            case list() if name in NESTED:
                yield place, cast("list[Any]", value)
            case str() if name in NESTED or (name == "data" and part.get("type") == "text"):
                yield place, [{"type": "text", "text": value}]
            # The input of a tool call stays one JSON value: its keys are arguments, not metadata of the part.
            case dict() if name != "input" and depth < DEEPEST:
                yield from _fields(cast(Part, value), place, depth + 1)
            case _:
                yield place, f"{_word(name)}={_shown(name, value)}"


def _shown(name: str, value: object) -> str:
    if not isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return text if len(text) <= LONGEST_VALUE else f"({len(text)} characters)"
    address = value.partition(",")[0] + "," if value.startswith("data:") else ""
    # A long value without white space is taken for base64, whatever its field is called.
    if address or name in PAYLOADS or (len(value) > LONGEST_VALUE and len(value.split(maxsplit=1)) == 1):
        return f"{address[:LONGEST_VALUE]}({len(value) - len(address)} characters)"
    return _word(value)


def _word(text: str) -> str:
    """One word of a line in brackets: quoted if it would not read as one word, shortened if it is long."""
    text = text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
    return json.dumps(text, ensure_ascii=False) if any(c in text for c in ' []"=\n\r\t') else text
