"""How the harness itself uses a server: which of its tools adds, lists and completes tasks.

A target is a YAML file. The harness fills the board by it before a scenario and reads the board after it; the model
under test gets the server's tools as they are.
"""

import json
from pathlib import Path
from typing import Any

import yaml
from mcp import Client
from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel, ConfigDict

from evals.scenarios import Feature

FOLDER = Path(__file__).with_name("targets")


class TargetError(Exception):
    """The server refused what the harness needs; the text is the server's."""


class Operation(BaseModel):
    """A tool call. A value `$name` in `args` is filled in; an argument whose value is absent is left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tool: str
    args: dict[str, Any] = {}
    result: str = ""
    """Where in the reply the result is, such as `tasks` or `task.id`."""
    cursor: str = ""
    """The field of the reply that is the argument of the same name without `next_`, for the next page."""


class Target(BaseModel):
    """The tools of a kind of server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    has: list[Feature] = []
    add: Operation
    list: Operation
    complete: Operation
    begin: Operation
    remember: Operation | None = None
    set_timezone: Operation | None = None
    offers: Operation | None = None
    accept: Operation | None = None
    fields: dict[str, str]
    """The name of each field of a task (id, title, status …) in the rows of `list`."""
    values: dict[str, dict[str, str]] = {}
    """Names of values: of each field, what the server calls each value -> what a scenario calls it."""

    @classmethod
    def load(cls, name: str) -> "Target":
        """A target by the name of its file in evals/targets, or by a path."""
        path = Path(name) if name.endswith(".yaml") else FOLDER / f"{name}.yaml"
        return cls.model_validate(yaml.safe_load(path.read_text("utf-8")))

    async def run(self, client: Client, operation: Operation, **values: object) -> Any:  # noqa: ANN401, what a server replies
        """Call the tool of an operation and return what its `result` names.

        Raises:
            TargetError: the server refused.
        """
        payload = await _call(client, operation.tool, self._fill(operation.args, values))
        return _at(payload, operation.result)

    async def rows(self, client: Client) -> "list[dict[str, Any]]":
        """All tasks of the person, with the fields and values of scenarios."""
        found: list[dict[str, Any]] = []
        args = self._fill(self.list.args, {})
        while True:
            payload = await _call(client, self.list.tool, args)
            found += [self._row(row) for row in _at(payload, self.list.result)]
            following = payload.get(self.list.cursor) if self.list.cursor else None
            if not following:
                return found
            args = args | {self.list.cursor.removeprefix("next_"): following}

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        read = {name: row.get(field) for name, field in self.fields.items()}
        return {name: self.values.get(name, {}).get(str(value), value) for name, value in read.items()}

    def _fill(self, args: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        filled = {
            name: values.get(value[1:]) if isinstance(value, str) and value.startswith("$") else value
            for name, value in args.items()
        }
        return {name: value for name, value in filled.items() if value not in (None, [])}


async def _call(client: Client, tool: str, args: dict[str, Any]) -> dict[str, Any]:
    result = await client.call_tool(tool, args)
    if result.is_error:
        raise TargetError(f"{tool}: {text_of(result)}")
    return result.structured_content if result.structured_content is not None else json.loads(text_of(result))


def text_of(result: CallToolResult) -> str:
    """The text that a model reads."""
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


def _at(payload: Any, path: str) -> Any:  # noqa: ANN401, what a server replies
    for step in filter(None, path.split(".")):
        payload = payload[step]
    return payload
