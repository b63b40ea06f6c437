"""The single source of what exists: a decorated function is a tool, with its schemas, hints and scope.

Schemas are flat for the sake of every model family: no nullable unions, no references, no titles, and
`additionalProperties: false`, so that an argument nobody asked for is refused instead of ignored.
"""

import inspect
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar, cast, get_type_hints

from mcp.types import CallToolResult, TextContent, ToolAnnotations
from mcp.types import Tool as WireTool
from pydantic import BaseModel, TypeAdapter, ValidationError

from mcp_server.settings import TOOLSETS, Settings, Toolset
from mcp_server.tools.calls import Call
from mcp_server.tools.refusals import explain, mark_nulls
from storage.schema.errors import InvalidInput
from storage.schema.request_models import MAX_ID, StrictModel
from storage.schema.response_models import ResponseModel

Arguments = TypeVar("Arguments", bound=StrictModel)
READ, WRITE = "mcp:read", "mcp:write"


class NoArguments(StrictModel):
    """No arguments."""


Run = Callable[[Call, Any], Awaitable[ResponseModel]]


@dataclass(frozen=True)
class Tool:
    """One tool: what the model reads, what it may send, what comes back, which scope it takes."""

    name: str
    title: str
    description: str
    toolset: Toolset
    scope: str
    hints: ToolAnnotations
    arguments: type[StrictModel]
    result: Any
    run: Run
    ui: str | None = None

    @cached_property
    def wire(self) -> WireTool:
        """As `tools/list` shows it."""
        return WireTool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=input_schema(self.arguments),
            output_schema=output_schema(self.result),
            annotations=self.hints,
            _meta={"ui": {"resourceUri": self.ui}} if self.ui else None,
        )

    async def call(self, call: Call, arguments: dict[str, Any]) -> CallToolResult:
        """Check the arguments, run, and say the result twice: for programs, and as text for models.

        Raises:
            StorageError: refused, with a sentence for the model.
        """
        schema = self.wire.input_schema
        try:
            args = self.arguments.model_validate(mark_nulls(arguments, self.arguments))
        except ValidationError as error:
            raise InvalidInput(explain(error, self.name, schema)) from error
        facts = (await self.run(call, args)).payload()
        return CallToolResult(content=[TextContent(type="text", text=as_text(facts))], structured_content=facts)


TOOLS: dict[str, Tool] = {}


def tool(
    toolset: Toolset,
    title: str,
    *,
    reads: bool = False,
    destroys: bool = False,
    repeatable: bool = False,
    ui: str | None = None,
) -> Callable[
    [Callable[[Call, Arguments], Awaitable[ResponseModel]]], Callable[[Call, Arguments], Awaitable[ResponseModel]]
]:
    """Make a function a tool. Its name, docstring and annotations say the rest.

    reads: changes nothing. destroys: takes something away. repeatable: a second call changes nothing more.
    """

    def register(
        function: Callable[[Call, Arguments], Awaitable[ResponseModel]],
    ) -> Callable[[Call, Arguments], Awaitable[ResponseModel]]:
        hints = get_type_hints(function)
        name = function.__name__
        TOOLS[name] = Tool(
            name=name,
            title=title,
            description=inspect.cleandoc(function.__doc__ or ""),
            toolset=toolset,
            scope=READ if reads else WRITE,
            hints=ToolAnnotations(
                read_only_hint=reads,
                destructive_hint=destroys,
                idempotent_hint=reads or repeatable,
                open_world_hint=False,
            ),
            arguments=hints["args"],
            result=hints["return"],
            run=cast(Run, function),
            ui=ui,
        )
        return function

    return register


def offered(settings: Settings) -> dict[str, Tool]:
    """The tools of the configured toolsets, in one order always; only those that read when the server is read-only."""
    return {
        tool.name: tool
        for tool in sorted(TOOLS.values(), key=lambda tool: TOOLSETS.index(tool.toolset))
        if tool.toolset in settings.toolsets and (tool.scope == READ or not settings.read_only)
    }


def scope_needed(name: str) -> str:
    """The token scope that calling a tool takes."""
    return TOOLS[name].scope if name in TOOLS else READ


def as_text(facts: object) -> str:
    """Compact JSON: the same facts for a third fewer tokens than indented."""
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))


def input_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The arguments as a flat JSON schema."""
    return _flat(model.model_json_schema())


def output_schema(result: Any) -> dict[str, Any]:  # noqa: ANN401
    """A result's type, or a union of some, as a flat JSON schema of types only: short, for every tool carries one."""
    return _bare(_flat(TypeAdapter(result).json_schema(mode="serialization")))


def _flat(schema: dict[str, Any]) -> dict[str, Any]:
    definitions: dict[str, Any] = schema.get("$defs", {})

    def flatten(node: Any) -> Any:  # noqa: ANN401
        if isinstance(node, list):
            return [flatten(item) for item in cast("list[Any]", node)]
        if not isinstance(node, dict):
            return node
        found = cast("dict[str, Any]", node)
        if "$ref" in found:
            return flatten(
                definitions[found["$ref"].rsplit("/", 1)[1]] | {k: v for k, v in found.items() if k != "$ref"}
            )
        if "anyOf" in found:
            choices = [choice for choice in found["anyOf"] if choice != {"type": "null"}]
            rest = {k: v for k, v in found.items() if k not in ("anyOf", "default")}
            return flatten(_merged([flatten(choice) for choice in choices]) | rest)
        dropped = ("title", "$defs") if "properties" in found or isinstance(found.get("title"), str) else ("$defs",)
        kept = {k: v for k, v in found.items() if k not in dropped}
        if "properties" in kept:
            kept["properties"] = {name: flatten(value) for name, value in kept["properties"].items()}
            kept.pop("description", None)
            return kept | {k: flatten(v) for k, v in kept.items() if k != "properties"}
        return {_SPELLING.get(k, k): flatten(v) for k, v in kept.items() if v != MAX_ID}

    return flatten(schema)


# pydantic leaves its own words where a validator stands between a type and its bounds.
_SPELLING = {"ge": "minimum", "le": "maximum"}


def _merged(choices: list[dict[str, Any]]) -> dict[str, Any]:
    """Several shapes as one: every property, required where all of them require it."""
    if len(choices) == 1:
        return choices[0]
    required = set(choices[0].get("required", ()))
    for choice in choices[1:]:
        required &= set(choice.get("required", ()))
    properties = {name: value for choice in choices for name, value in choice.get("properties", {}).items()}
    return choices[0] | {"properties": properties, "required": sorted(required)}


def _bare(node: Any) -> Any:  # noqa: ANN401
    if isinstance(node, list):
        return [_bare(item) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    found = cast("dict[str, Any]", node)
    if "properties" in found:
        return {
            "type": "object",
            "properties": {name: _bare(value) for name, value in found["properties"].items()},
            "required": found.get("required", []),
        }
    return {key: _bare(value) for key, value in found.items() if key in ("type", "items")}
