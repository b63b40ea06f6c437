"""What is wrong with the arguments of a call, in plain words: one sentence a field, without its value or any class."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

from pydantic import BaseModel, BeforeValidator, ValidationError

from storage.schema.request_models import MAX_ID

Schema = dict[str, Any]

MOST = 5
"""How many sentences a refusal has at most."""

_KINDS = {
    "string": "must be text",
    "boolean": "must be true or false",
    "array": "must be a list",
    "object": "must be an object",
}


def explain(error: ValidationError, tool: str, schema: Schema, at: str = "") -> str:
    """What is wrong by the input schema of the tool, or of a part of its arguments that stands at `at`."""
    problems = error.errors(include_url=False, include_input=False)[:MOST]
    return " ".join(_sentence(cast("dict[str, Any]", problem), tool, schema, at) for problem in problems)


def find_nulls(said: dict[str, Any], schema: Schema) -> Iterator[str]:
    """A sentence for each argument that is null: the schemas know none, and a null that is ignored looks like done."""
    clearable = schema["properties"].get("clear", {}).get("items", {}).get("enum", ())
    for name, value in said.items():
        known = schema["properties"].get(name, {})
        if value is None and known:
            hint = " To empty the field, name it in clear." if name in clearable else ""
            required = name in schema.get("required", ())
            yield f"{name} is {'required.' if required else f'null: leave it out.{hint}'}"


def no_nulls(model: type[BaseModel]) -> BeforeValidator:
    """The same for an object within the arguments: a null where a value is required counts as no value."""
    required = {name for name, field in model.model_fields.items() if field.is_required()}

    def check(value: object) -> object:
        if not isinstance(value, dict):
            return value
        given = {name: inner for name, inner in cast("dict[str, object]", value).items() if inner is not None}
        nulls = [name for name in cast("dict[str, object]", value) if name not in given and name not in required]
        if nulls:
            them = "it" if len(nulls) == 1 else "them"
            raise ValueError(f"has null for {', '.join(name[:100] for name in nulls[:MOST])}: leave {them} out")
        return given

    return BeforeValidator(check)


def _sentence(problem: dict[str, Any], tool: str, schema: Schema, at: str) -> str:
    path = [part for part in problem["loc"] if not str(part).startswith("function-")]
    field = (at + ".".join(map(str, path)))[:200].rstrip(".") or "The item"
    known, context = _part(schema, path), problem.get("ctx", {})
    match problem["type"]:
        case "missing":
            return f"{field} is required."
        case "extra_forbidden":
            taken = ", ".join(_part(schema, path[:-1]).get("properties", ())) or "no arguments"
            if at or len(path) > 1:
                return f"{field} is not known there: {field.rpartition('.')[0]} takes {taken}."
            return f"{field} is not an argument of {tool}, which takes {taken}."
        case "too_long" | "string_too_long":
            unit = "items" if known.get("type") == "array" else "characters"
            return f"{field} is too long: at most {context['max_length']} {unit}."
        case "too_short" | "string_too_short":
            return f"{field} must not be empty."
        case "literal_error":
            return f"{field} must be one of {', '.join(known.get('enum', ())) or context['expected']}."
        case "string_unicode":
            return f"{field} contains half of a surrogate pair, which cannot be stored; remove it."
        case _ if known.get("type") == "integer":
            kind = "" if problem["type"] in ("greater_than_equal", "less_than_equal") else "a whole number "
            return f"{field} must be {kind}between {known.get('minimum', 1)} and {known.get('maximum', MAX_ID)}."
        case "value_error":
            said = problem["msg"].removeprefix("Value error, ")
            return f"{field}{said}." if said.startswith(".") else f"{field} {said}."
        case _:
            return f"{field} {_KINDS.get(known.get('type', ''), 'is not what can be taken')}."


def _part(schema: Schema, path: Sequence[int | str]) -> Schema:
    """The schema of a part of the arguments; empty where there is none."""
    for step in path:
        schema = schema.get("items", {}) if isinstance(step, int) else schema.get("properties", {}).get(step, {})
    return schema
