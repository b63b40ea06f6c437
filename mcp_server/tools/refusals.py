"""What is wrong with the arguments of a call, in plain words: one sentence a field, without its value or any class."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel, BeforeValidator, ValidationError

from storage.schema.request_models import MAX_ID

Schema = dict[str, Any]

MOST = 5
"""How many sentences a refusal has at most."""
LONGEST_NAME = 100

_PLAIN = re.compile(rf"[\w$-]{{1,{LONGEST_NAME}}}", re.ASCII)

_KINDS = {
    "string": "must be text",
    "boolean": "must be true or false",
    "array": "must be a list",
    "object": "must be an object",
}


_FINDERS = {
    "task_id": "list_tasks",
    "task_ids": "list_tasks",
    "parent_id": "list_tasks",
    "team_id": "list_teams",
    "conversation_id": "list_conversations",
}
"""The tools that tell which ids there are: any other number in the range would lead to the next refusal."""
_NEEDED_BY = {"due": "recurrence"}
"""Arguments that another one needs: to leave them out would lead to the next refusal."""


@dataclass(frozen=True)
class Null:
    """Stands for a null among arguments: no schema has one, and a null that is ignored looks like done."""

    needed_by: str | None


def mark_nulls(given: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The values with each null marked, so that it is refused; where a value is required, a null is none at all."""
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    present = {name for name, value in given.items() if value is not None}
    nulls = {name: Null(_NEEDED_BY.get(name)) for name in given.keys() - present - required}
    marked = {name: null if null.needed_by in present else Null(None) for name, null in nulls.items()}
    return {name: marked.get(name, value) for name, value in given.items() if name in present or name in marked}


def no_nulls(model: type[BaseModel]) -> BeforeValidator:
    """The same for an object within the arguments."""

    def mark(value: object) -> object:
        return mark_nulls(cast("dict[str, Any]", value), model) if isinstance(value, dict) else value

    return BeforeValidator(mark)


def explain(error: ValidationError, tool: str, schema: Schema, at: str = "") -> str:
    """What is wrong by the input schema of the tool, or of a part of its arguments that stands at `at`."""
    problems = error.errors(include_url=False)[:MOST]
    return " ".join(_sentence(cast("dict[str, Any]", problem), tool, schema, at) for problem in problems)


def _sentence(problem: dict[str, Any], tool: str, schema: Schema, at: str) -> str:
    path = problem["loc"]
    field, known = _name(path, at), _part(schema, path)
    if isinstance(null := problem["input"], Null) and known:
        if null.needed_by:
            return f"{field} is null: give it, for {null.needed_by} needs it."
        clearable = schema["properties"].get("clear", {}).get("items", {}).get("enum", ())
        hint = " To empty the field, name it in clear." if path[0] in clearable else ""
        return f"{field} is null: leave it out.{hint}"
    match problem["type"]:
        case "missing":
            return f"{field} is required."
        case "extra_forbidden":
            taken = ", ".join(_part(schema, path[:-1]).get("properties", ())) or "no arguments"
            if at or len(path) > 1:
                return f"{field} is not known there: {_name(path[:-1], at)} takes {taken}."
            return f"{field} is not an argument of {tool}, which takes {taken}."
        case _:
            return _wrong_value(problem, field, known)


def _wrong_value(problem: dict[str, Any], field: str, known: Schema) -> str:
    match problem["type"]:
        case "too_long" | "string_too_long":
            unit = "items" if known.get("type") == "array" else "characters"
            return f"{field} is too long: at most {problem['ctx']['max_length']} {unit}."
        case "too_short" | "string_too_short":
            return f"{field} must not be empty."
        case "literal_error":
            return f"{field} must be one of {', '.join(known.get('enum', ())) or problem['ctx']['expected']}."
        case "string_unicode":
            return f"{field} contains half of a surrogate pair, which cannot be stored; remove it."
        case _ if known.get("type") == "integer":
            kind = "" if problem["type"] in ("greater_than_equal", "less_than_equal") else "a whole number "
            finder = next((_FINDERS[step] for step in reversed(problem["loc"]) if step in _FINDERS), None)
            hint = f": use {finder} to find it" if finder else ""
            return f"{field} must be {kind}between {known.get('minimum', 1)} and {known.get('maximum', MAX_ID)}{hint}."
        case "value_error":
            said = problem["msg"].removeprefix("Value error, ")
            if not problem["loc"]:
                return f"{said}."
            return f"{field}{said}." if said.startswith(".") else f"{field} {said}."
        case _:
            return f"{field} {_KINDS.get(known.get('type', ''), 'is not what can be taken')}."


def _name(path: Sequence[int | str], at: str) -> str:
    """How a sentence names a part of the arguments: by its path. What does not look like a name is quoted."""
    steps = [
        str(step) if isinstance(step, int) or _PLAIN.fullmatch(step) else json.dumps(step[:LONGEST_NAME])
        for step in path
    ]
    return (at + ".".join(steps)).rstrip(".") or "The item"


def _part(schema: Schema, path: Sequence[int | str]) -> Schema:
    """The schema of a part of the arguments; empty where there is none."""
    for step in path:
        schema = schema.get("items", {}) if isinstance(step, int) else schema.get("properties", {}).get(step, {})
    return schema
