"""Invalid arguments explained to a model: one sentence per field, without its value or names of classes."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from pydantic import BaseModel, BeforeValidator, ValidationError

from storage.schema.request_models import MAX_ID

Schema = dict[str, Any]

MOST = 5
"""How many sentences an error has at most."""
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
    "invitation_id": "manage_invitations",
}
"""The tools that list valid ids. Without them a model would guess another number, and be refused again."""
_NEEDED_BY = {"due": "recurrence"}
"""Arguments that another one requires, so that leaving them out is no way to fix them."""


@dataclass(frozen=True)
class Null:
    """Replaces a null among the arguments. No schema allows null, and ignoring it would look like success."""

    needed_by: str | None


_CHOICES = {"task_id", "task_ids", "invitation_id"}


def mark_nulls(given: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Replace each null by `Null`, so that it is refused; a null for a required argument counts as missing.

    So does a null for an id that is one way to say which: it can only mean "not this one".
    """
    fields, required = _fields_of(model)
    if None not in given.values() and given.keys() <= fields:
        return given
    # Arguments that count as missing are left out of the result, so that the model says what is required.
    present = {name for name, value in given.items() if value is not None}
    nulls = {name: Null(_NEEDED_BY.get(name)) for name in given.keys() - present - required}
    marked = {name: null if null.needed_by in present else Null(None) for name, null in nulls.items()}
    unknown = [name for name in given if name not in fields]
    # The error names the first of them; pydantic would take long over thousands.
    ignored = frozenset(unknown[MOST:])
    kept = (present | marked.keys()) - ignored
    return {name: marked.get(name, value) for name, value in given.items() if name in kept}


@cache
def _fields_of(model: type[BaseModel]) -> tuple[frozenset[str], frozenset[str]]:
    """The names of all arguments, and of those that may be missing but not null."""
    fields = model.model_fields
    return frozenset(fields), frozenset(name for name, field in fields.items() if field.is_required()) | _CHOICES


def no_nulls(model: type[BaseModel]) -> BeforeValidator:
    """`mark_nulls` for an object within the arguments."""

    def mark(value: object) -> object:
        return mark_nulls(cast("dict[str, Any]", value), model) if isinstance(value, dict) else value

    return BeforeValidator(mark)


def explain(error: ValidationError, tool: str, schema: Schema, at: str = "") -> str:
    """The problems as sentences. `schema` describes the arguments of the tool, or the part of them at the path `at`."""
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
        # The schema tells that it is an integer. Pydantic has a different error for each kind of wrong value.
        case _ if known.get("type") == "integer":
            kind = "" if problem["type"] in ("greater_than_equal", "less_than_equal") else "a whole number "
            finder = next((_FINDERS[step] for step in reversed(problem["loc"]) if step in _FINDERS), None)
            hint = f": use {finder} to find it" if finder else ""
            return f"{field} must be {kind}between {known.get('minimum', 1)} and {known.get('maximum', MAX_ID)}{hint}."
        case "value_error":
            reason = problem["msg"].removeprefix("Value error, ")
            if not problem["loc"]:
                return f"{reason}."
            # A reason that starts with "." continues the path of the field.
            return f"{field}{reason}." if reason.startswith(".") else f"{field} {reason}."
        case _:
            return f"{field} {_KINDS.get(known.get('type', ''), 'is not what can be taken')}."


def _name(path: Sequence[int | str], at: str) -> str:
    """The path of a part of the arguments. Keys that do not look like names are quoted, since clients choose them."""
    steps = [
        str(step) if isinstance(step, int) or _PLAIN.fullmatch(step) else json.dumps(step[:LONGEST_NAME])
        for step in path
    ]
    return (at + ".".join(steps)).rstrip(".") or "The item"


def _part(schema: Schema, path: Sequence[int | str]) -> Schema:
    """The schema of a part of the arguments; empty if there is none."""
    for step in path:
        schema = schema.get("items", {}) if isinstance(step, int) else schema.get("properties", {}).get(step, {})
    return schema
