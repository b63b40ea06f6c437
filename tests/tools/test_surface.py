"""What models read is a reviewed artefact: a snapshot for each tool, and a ratchet on the tokens of them all.

After a change that is meant: TASKDECK_UPDATE_SNAPSHOTS=1 pytest tests/tools/test_surface.py, and review the diff.
"""

import json
import os
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from mcp.types import Tool, ToolAnnotations

from mcp_server.protocol.resources import STATISTICS
from mcp_server.settings import TOOLSETS
from mcp_server.tools.registry import TOOLS
from mcp_server.tools.statistics import VIEW
from tests.conftest import Person

ROOT = Path(__file__).parents[2]
SNAPSHOTS = Path(__file__).parents[1] / "snapshots/tools"
CONTRACT = ROOT / "docs/contracts/tools.md"
UPDATE = os.environ.get("TASKDECK_UPDATE_SNAPSHOTS") == "1"

MOST_TOKENS = 9000
MOST_INSTRUCTION_TOKENS = 600
MOST_CHARACTERS = 1000
COLUMNS = ("tool", "arguments (? optional)", "result", "OAuth scope", "hints")


@pytest.fixture
async def tools(alice: Person) -> dict[str, Tool]:
    async with alice.client() as client:
        return {tool.name: tool for tool in (await client.list_tools()).tools}


def wire(tool: Tool) -> dict[str, Any]:
    return tool.model_dump(mode="json", by_alias=True, exclude_none=True)


@cache
def tokens(text: str) -> int:
    """Counted by the o200k_base encoding."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # its own way to find its data
        import bpe_openai  # pyright: ignore[reportMissingTypeStubs]

        return len(bpe_openai.get_encoding("o200k_base").encode(text))  # pyright: ignore


async def test_each_tool_matches_its_snapshot(tools: dict[str, Tool]):
    if UPDATE:
        SNAPSHOTS.mkdir(parents=True, exist_ok=True)
        for old in SNAPSHOTS.glob("*.json"):
            old.unlink()
        for name, tool in tools.items():
            text = json.dumps(wire(tool), indent=2, ensure_ascii=False, sort_keys=True)
            (SNAPSHOTS / f"{name}.json").write_text(f"{text}\n", "utf-8")
    reviewed = {path.stem: json.loads(path.read_text("utf-8")) for path in SNAPSHOTS.glob("*.json")}
    assert {name: wire(tool) for name, tool in tools.items()} == reviewed


async def test_tool_surface_fits_the_token_limit(alice: Person, tools: dict[str, Tool]):
    async with alice.client() as client:
        instructions = client.instructions or ""
    listed = json.dumps([wire(tool) for tool in tools.values()], ensure_ascii=False, separators=(",", ":"))
    assert tokens(listed) + tokens(instructions) <= MOST_TOKENS
    assert 0 < tokens(instructions) <= MOST_INSTRUCTION_TOKENS


async def test_every_tool_has_a_short_description(tools: dict[str, Tool]):
    for tool in tools.values():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", tool.name)
        assert tool.title
        assert 20 <= len(tool.description or "") <= MOST_CHARACTERS


async def test_tool_texts_contain_no_hidden_characters(alice: Person, tools: dict[str, Tool]):
    async with alice.client() as client:
        listed = [await client.list_prompts(), await client.list_resource_templates()]
        texts = [client.instructions, *map(wire, tools.values()), *(found.model_dump(mode="json") for found in listed)]
    # JSON escapes whatever is not plain ASCII: invisible, turned round, or a letter that looks like another.
    assert [text for text in map(json.dumps, texts) if "\\u" in text] == []


async def test_only_responses_equal_for_everybody_are_publicly_cacheable(alice: Person):
    task = (await alice.call("add_task", title="Renew the passport"))["id"]
    chat = (await alice.call("start_conversation"))["id"]
    async with alice.client() as client:
        public = [await client.list_tools(), await client.read_resource(VIEW)]
        uris = (f"task://{task}", f"conversation://{chat}", STATISTICS)
        own = [await client.list_resources(), *[await client.read_resource(uri) for uri in uris]]
    assert [(found.cache_scope, found.ttl_ms) for found in public] == [("public", 300_000)] * 2
    assert [(found.cache_scope, found.ttl_ms) for found in own] == [("private", 0)] * 4


async def test_every_hint_is_explicit_and_fits_the_scope(tools: dict[str, Tool]):
    for name, tool in tools.items():
        hints = tool.annotations
        assert hints, name
        assert None not in (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint)
        assert hints.read_only_hint == (TOOLS[name].oauth_scope == "mcp:read"), name
        assert not (hints.read_only_hint and hints.destructive_hint), name
        assert hints.destructive_hint == name.startswith(("delete_", "remove_", "unshare_", "undo")), name


async def test_schemas_suit_every_model_family(tools: dict[str, Tool]):
    """Flat objects without unions, references or nulls; arguments that nobody asked for are refused."""
    for name, tool in tools.items():
        assert tool.input_schema["additionalProperties"] is False, name
        assert tool.output_schema, name
        for schema in (tool.input_schema, tool.output_schema):
            assert schema["type"] == "object", name
            assert not re.search(r'"(anyOf|oneOf|allOf|\$ref|\$defs|nullable)"|"null"', json.dumps(schema)), name


async def listed(person: Person, **settings: Any) -> set[str]:
    """The names of the tools that a server with these settings has."""
    known = person.settings.model_copy(update=settings)
    async with Person(person.user_id, person.email, person.database, known).client() as client:
        return {tool.name for tool in (await client.list_tools()).tools}


async def test_server_can_be_limited_to_toolsets_or_to_reading(alice: Person):
    cut = [await listed(alice, toolsets=(toolset,)) for toolset in TOOLSETS]
    assert all(cut)
    assert sorted(name for names in cut for name in names) == sorted(TOOLS)
    assert await listed(alice, read_only=True) == {n for n, tool in TOOLS.items() if tool.oauth_scope == "mcp:read"}


def contract(tools: dict[str, Tool]) -> str:
    """The generated part of docs/contracts/tools.md, which ends before its first heading of the second level."""
    rows = [COLUMNS, tuple("---" for _ in COLUMNS)]
    for name, tool in tools.items():
        required = tool.input_schema.get("required", ())
        arguments = [key if key in required else f"{key}?" for key in tool.input_schema.get("properties", {})]
        result = (tool.output_schema or {}).get("properties", {})
        hints = tool.annotations or ToolAnnotations()
        words = {"destructive": hints.destructive_hint, "idempotent": hints.idempotent_hint}
        given = [word for word, hint in words.items() if hint]
        rows.append((f"`{name}`", ", ".join(arguments), ", ".join(result), TOOLS[name].oauth_scope, ", ".join(given)))
    table = "\n".join("| " + " | ".join(cell or "-" for cell in row) + " |" for row in rows)
    return f"""# Tools

Fields without a value are left out of results. A task as a result has the fields of a task in `list_tasks` with
`detail=full`; the schemas and this table name its id and what it has beside them. The complete schemas and descriptions
are in `tests/snapshots/tools`. The table is generated from the registry; do not edit it, run
`TASKDECK_UPDATE_SNAPSHOTS=1 .venv/bin/pytest tests/tools/test_surface.py`.

{table}
"""


async def test_table_of_tools_is_current(tools: dict[str, Tool]):
    generated, heading, rest = CONTRACT.read_text("utf-8").partition("\n## ")
    if UPDATE:
        generated = contract(tools)
        CONTRACT.write_text(generated + heading + rest, "utf-8")
    assert generated == contract(tools)
