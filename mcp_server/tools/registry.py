"""The registry of tools: a decorated function is a tool, with its schemas, hints and OAuth scope.

Schemas are flat, because some model families cannot read more: no nullable unions, no references, no titles. Those of
arguments have `additionalProperties: false`, so that an unknown argument is refused instead of ignored.
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

from mcp_server.identity.local_issuer import READ, WRITE
from mcp_server.settings import TOOLSETS, Settings, Toolset
from mcp_server.tools.calls import Call
from mcp_server.tools.refusals import explain, mark_nulls
from storage.schema.errors import InvalidInput
from storage.schema.request_models import MAX_ID, StrictModel
from storage.schema.response_models import ResponseModel, TaskBrief, TaskDetail, TaskPage, TaskView

Arguments = TypeVar("Arguments", bound=StrictModel)


class NoArguments(StrictModel):
    """No arguments."""


Run = Callable[[Call, Any], Awaitable[ResponseModel]]
ToolFunction = Callable[[Call, Arguments], Awaitable[ResponseModel]]


@dataclass(frozen=True)
class Tool:
    """One tool: its texts, arguments, result, and the OAuth scope that calling it requires."""

    name: str
    title: str
    description: str
    toolset: Toolset
    oauth_scope: str
    hints: ToolAnnotations
    arguments: type[StrictModel]
    result: Any
    run: Run
    ui: str | None = None
    bulk: bool = False

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
        """Validate the arguments, run the tool, and return its result as structured content and as text.

        Raises:
            StorageError: refused, with a sentence for the model.
        """
        schema = self.wire.input_schema
        try:
            args = self.arguments.model_validate(mark_nulls(arguments, self.arguments))
        except ValidationError as error:
            raise InvalidInput(explain(error, self.name, schema)) from error
        result = await self.run(call, args)
        # MCP (Tools, "Structured content"): the text serves clients that do not know structured content.
        text = TextContent(type="text", text=result.payload_json())
        return CallToolResult(content=[text], structured_content=result.payload())


TOOLS: dict[str, Tool] = {}


def tool(
    toolset: Toolset,
    title: str,
    *,
    reads: bool = False,
    destroys: bool = False,
    repeatable: bool = False,
    shares: bool = False,
    bulk: bool = False,
    ui: str | None = None,
) -> Callable[[ToolFunction[Arguments]], ToolFunction[Arguments]]:
    """Make a function a tool. Its name, docstring and annotations supply the rest.

    reads: changes nothing. destroys: removes something. repeatable: repeating the call changes nothing more.
    shares: lets other people see something. bulk: takes many items, so its calls may be large.
    """

    def register(function: ToolFunction[Arguments]) -> ToolFunction[Arguments]:
        hints = get_type_hints(function)
        name = function.__name__
        TOOLS[name] = Tool(
            name=name,
            title=title,
            description=inspect.cleandoc(function.__doc__ or ""),
            toolset=toolset,
            oauth_scope=READ if reads else WRITE,
            # MCP's defaults are the most careful ones: destructive, and open to the world. So all four are stated.
            hints=ToolAnnotations(
                read_only_hint=reads,
                destructive_hint=destroys,
                idempotent_hint=reads or repeatable,
                open_world_hint=shares,
            ),
            arguments=hints["args"],
            result=hints["return"],
            run=cast(Run, function),
            ui=ui,
            bulk=bulk,
        )
        return function

    return register


def offered(settings: Settings) -> dict[str, Tool]:
    """The tools of the configured toolsets; only those that read if the server is read-only."""
    # The order does not depend on imports or on TASKDECK_TOOLSETS. MCP 2026-07-28 (Tools, "Capabilities") asks for a
    # deterministic order: clients can cache the list, and a model's prompt cache matches from one session to the next.
    return {
        tool.name: tool
        for tool in sorted(TOOLS.values(), key=lambda tool: TOOLSETS.index(tool.toolset))
        if tool.toolset in settings.toolsets and (tool.oauth_scope == READ or not settings.read_only)
    }


def required_oauth_scope(name: str) -> str:
    """The OAuth scope that calling a tool requires."""
    return TOOLS[name].oauth_scope if name in TOOLS else READ


def bulk_tools() -> frozenset[str]:
    """The tools whose calls may be large."""
    return frozenset(tool.name for tool in TOOLS.values() if tool.bulk)


def as_text(payload: object) -> str:
    """Compact JSON. For a page of tasks it takes about 40 % fewer tokens (o200k_base) than indented JSON."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))


def input_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The arguments as a flat JSON schema."""
    return _flat(model.model_json_schema())


def output_schema(result: Any) -> dict[str, Any]:  # noqa: ANN401
    """A result type, or a union, as a flat JSON schema with types only, which keeps tools/list short."""
    schema = _flat(TypeAdapter(result).json_schema(mode="serialization"))
    return _bare(schema, spell_out=result in (TaskPage, TaskDetail), root=True)


def _flat(schema: dict[str, Any]) -> dict[str, Any]:
    definitions: dict[str, Any] = schema.get("$defs", {})

    # Recursive models would never end here; no argument or result is one.
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
            # An optional field is a union with null. Not being required already says that it may be left out, and
            # Gemini rejects every tool of a request if one has a list of types, or none (docs/research.md).
            choices = [choice for choice in found["anyOf"] if choice != {"type": "null"}]
            rest = {k: v for k, v in found.items() if k not in ("anyOf", "default")}
            return flatten(_merged([flatten(choice) for choice in choices]) | rest)
        # Pydantic titles every schema by its name, which tells a model nothing new.
        dropped = ("title", "$defs") if "properties" in found or isinstance(found.get("title"), str) else ("$defs",)
        kept = {k: v for k, v in found.items() if k not in dropped}
        if "properties" in kept:
            kept["properties"] = {name: flatten(value) for name, value in kept["properties"].items()}
            # The docstring of the model, written for readers of the code.
            kept.pop("description", None)
            return kept | {k: flatten(v) for k, v in kept.items() if k != "properties"}
        # The bound of a bigint on every id would cost tokens; a larger value still gets an error that names it.
        return {_SPELLING.get(k, k): flatten(v) for k, v in kept.items() if v != MAX_ID}

    return flatten(schema)


# Pydantic leaves its own keywords where a validator stands between a type and its bounds.
_SPELLING = {"ge": "minimum", "le": "maximum"}


def _merged(choices: list[dict[str, Any]]) -> dict[str, Any]:
    """Merge alternatives: all properties, required if every alternative requires them."""
    # A union has no flat schema, so it becomes one object. Revisions before 2026-07-28 require an object at the root.
    if len(choices) == 1:
        return choices[0]
    required = set(choices[0].get("required", ()))
    for choice in choices[1:]:
        required &= set(choice.get("required", ()))
    properties = {name: value for choice in choices for name, value in choice.get("properties", {}).items()}
    return choices[0] | {"properties": properties, "required": sorted(required)}


def _bare(node: Any, *, spell_out: bool, root: bool = False) -> Any:  # noqa: ANN401
    # tools/list is part of every session's context, so results have no descriptions, enums or bounds in it.
    def within(node: Any) -> Any:  # noqa: ANN401
        return _bare(node, spell_out=spell_out)

    if isinstance(node, list):
        return [within(item) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    found = cast("dict[str, Any]", node)
    if "properties" in found:
        properties: dict[str, Any] = found["properties"]
        required = cast("list[str]", found.get("required", []))
        # list_tasks and get_task spell a task out. Each repetition would cost 90 to 150 tokens.
        if not spell_out and not root and properties.keys() >= TaskBrief.model_fields.keys():
            return {"type": "object"}
        if not spell_out and properties.keys() >= TaskView.model_fields.keys():
            properties = {n: value for n, value in properties.items() if n == "id" or n not in TaskView.model_fields}
            required = [name for name in required if name in properties]
        shown = {"type": "object", "properties": {name: within(value) for name, value in properties.items()}}
        return shown | ({"required": required} if required else {})
    return {key: within(value) for key, value in found.items() if key in ("type", "items")}
