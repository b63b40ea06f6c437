"""No arguments, however wrong, cause an internal error."""

import asyncio
import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mcp.types import TextContent

from mcp_server.identity.callers import Callers
from mcp_server.tools.calls import Call
from mcp_server.tools.registry import TOOLS
from storage.schema.errors import StorageError
from tests.conftest import Person

EXAMPLES = int(os.environ.get("TASKDECK_TEST_EXAMPLES", "25"))
TEXTS = st.text(st.characters(), max_size=30) | st.sampled_from(
    ["", " ", "\0", "\ud800", "x" * 501, "2026-02-30", "FREQ=DAILY;COUNT=0", "a@b.c", "task:1", '"', "or -", "%", "\\"]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXTS
    | st.sampled_from([2**31, 2**63 - 1, 2**63, -(2**70)])
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Usually values that fit a schema, sometimes anything."""
    match schema.get("type"):
        case "object" if "properties" in schema:
            required = set(schema.get("required", ()))
            fields = {name: fitting(inner) for name, inner in schema["properties"].items()}
            right = st.fixed_dictionaries(
                {name: strategy for name, strategy in fields.items() if name in required},
                optional={name: strategy for name, strategy in fields.items() if name not in required},
            )
        case "array":
            right = st.lists(fitting(schema.get("items", {})), max_size=3)
        case "integer":
            right = st.integers(schema.get("minimum", 1), schema.get("maximum", 50))
        case "boolean":
            right = st.booleans()
        case "string" if "enum" in schema:
            right = st.sampled_from(schema["enum"])
        case "string":
            right = TEXTS | st.sampled_from(["2026-03-01", "2026-03-01T17:00:00+01:00", "FREQ=WEEKLY;BYDAY=MO", "word"])
        case _:
            right = VALUES
    return st.one_of(right, right, right, right, VALUES)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


async def generated(person: Person, tool: str, arguments: dict[str, Any]) -> None:
    call = Call(await Callers(person.database).scope(person.caller), person.caller)
    try:
        result = await TOOLS[tool].call(call, arguments)
    except StorageError as error:
        refusal = str(error)
    else:
        content = result.content[0]
        assert isinstance(content, TextContent)
        assert json.loads(content.text) == result.structured_content
        return
    assert refusal.endswith((".", "?")), refusal
    assert not any(word in refusal.lower() for word in ("asyncpg", "sqlalchemy", "traceback", "select "))


@pytest.mark.parametrize("tool", TOOLS)
async def test_no_arguments_cause_an_internal_error(alice: Person, tool: str) -> None:
    loop = asyncio.get_running_loop()

    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(arguments=fitting(TOOLS[tool].wire.input_schema).filter(_is_object))
    def run(arguments: dict[str, Any]) -> None:
        asyncio.run_coroutine_threadsafe(generated(alice, tool, arguments), loop).result()

    await asyncio.to_thread(run)
