"""How large a JSON-RPC message may be. It is checked before anything validates the message.

Reading a message blocks the event loop, and with it everybody else: validating 60,000 unknown arguments takes seconds.
Counting stops at the limit, so its cost is bounded too (docs/research.md, "Limits of a message").
"""

import re
from collections.abc import Container
from dataclasses import dataclass
from itertools import islice
from typing import cast

MAX_BYTES = 64 * 1024
MAX_VALUES = 2_000
MAX_BULK_BYTES = 1024 * 1024
"""For tools that take many tasks or messages in one call."""
MAX_BULK_VALUES = 20_000
MAX_MEMBERS = 100
"""Members of the message itself, its params, and each object that is directly in them, such as the arguments."""
TOO_DEEP = "This JSON is nested too deeply: at most 200 levels of lists and objects are taken. Flatten it."

# A string, or a character that begins a value outside of strings. Possessive quantifiers, and a string that may end
# with the text, keep the search linear whatever the text is.
_VALUE = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[{,]', re.DOTALL)


@dataclass(frozen=True)
class Size:
    """The bytes of a message, and about how many values it has: as many as there are, or a few more."""

    size: int
    values: int


def measure(data: bytes) -> Size:
    """The size of a message that has not been parsed. It counts no further than one more than MAX_BULK_VALUES."""
    # Each value but the first follows one of these characters. Texts contain them too, so the sum is an upper bound,
    # which is enough for nearly all messages and costs microseconds.
    values = 1 + sum(map(data.count, (b"[", b"{", b",")))
    if values > MAX_VALUES:
        # Strings are matched as well, to skip what is inside. A value has two of them at most: its name and itself.
        found = islice(_VALUE.finditer(data), 3 * MAX_BULK_VALUES + 3)
        values = min(1 + sum(data[match.start()] != 0x22 for match in found), MAX_BULK_VALUES + 1)
    return Size(len(data), values)


def explain_excess(size: Size, message: dict[str, object] | None, bulk_tools: Container[str]) -> str | None:
    """What to do about a message that is too large; None if it is not. Before parsing there is no `message` yet."""
    if message is None:
        return _explain(size, MAX_BULK_BYTES, MAX_BULK_VALUES, "A message")
    params = message.get("params")
    named = cast("dict[str, object]", params) if isinstance(params, dict) else dict[str, object]()
    tool = named.get("name") if message.get("method") == "tools/call" else None
    if isinstance(tool, str) and tool in bulk_tools:
        excess = _explain(size, MAX_BULK_BYTES, MAX_BULK_VALUES, f"A call of {tool}")
    else:
        excess = _explain(size, MAX_BYTES, MAX_VALUES, "A message that is not a call of a tool for many items")
    return excess or _explain_members(message, named)


def _explain(size: Size, most_bytes: int, most_values: int, what: str) -> str | None:
    if size.size > most_bytes:
        limit = "1 MiB" if most_bytes == MAX_BULK_BYTES else "64 KiB"
        return f"{what} may have {limit} at most. Shorten its texts, or split it into several."
    if size.values > most_values:
        return f"{what} may have {most_values:,} values at most. Split it into several."
    return None


def _explain_members(message: dict[str, object], params: dict[str, object]) -> str | None:
    objects = {"The message": message, "params": params} | {
        f"params.{name[:MAX_MEMBERS]}": value for name, value in islice(params.items(), MAX_MEMBERS)
    }
    for name, value in objects.items():
        if isinstance(value, dict) and len(cast("dict[str, object]", value)) > MAX_MEMBERS:
            return f"{name} may have {MAX_MEMBERS} members at most. Leave out what its schema does not name."
    return None
