"""Todoist: the CSV files of its backups and templates, and the JSON of its API."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any, cast
from zoneinfo import ZoneInfo

from storage.archive.incoming import Problem, Row, TaskRow, Warned, make_key, moment, task_fields
from storage.people.timezones import is_timezone
from storage.schema.errors import InvalidInput

Json = dict[str, Any]

_LABEL = re.compile(r"(?:^|(?<=\s))@([\w-]+)(?=\s|$)")
_DATED = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{1,2}:\d{2})(?::\d{2}(?:\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?")
_EVERY = re.compile(
    r"every!?\s+(?:(other|\d{1,3})\s+)?(day|week|month|year|workday|weekday|mon|tue|wed|thu|fri|sat|sun)[a-z]*"
    r"(?:\s+starting\s+(\d{4}-\d{2}-\d{2}))?"
)
_WORDS = {"daily": "every day", "weekly": "every week", "monthly": "every month", "yearly": "every year"}
_CSV_PRIORITIES = {"1": "urgent", "2": "high", "3": "medium", "4": "low", "": None}
_API_PRIORITIES = {4: "urgent", 3: "high", 2: "medium", 1: "low", None: None}


def read_csv(stream: IO[str], project: str | None = None) -> Iterator[Row]:
    """A CSV file: tasks below each other by their indent, notes and sections. `project` and sections become tags."""
    reader = csv.DictReader(stream)
    if not {"TYPE", "CONTENT"} <= {(name or "").strip().upper() for name in reader.fieldnames or []}:
        raise InvalidInput("The file has no columns TYPE and CONTENT: export it from Todoist as CSV")
    parents: list[tuple[int, str, str]] = []
    seen: Counter[tuple[str, ...]] = Counter()
    section: str | None = None
    last: tuple[str, Json, str, str | None] | None = None
    for found in reader:
        row = f"row {reader.line_num}"
        cells = {(name or "").strip().upper(): str(cell or "").strip() for name, cell in found.items()}
        kind, content = cells.get("TYPE", "").lower(), cells.get("CONTENT", "")
        if kind == "note" and last:
            _comment(last[1], content)
        if kind in ("", "note", "meta"):
            continue
        # Notes follow their task, so it is complete only now.
        yield from _finish(last)
        last = None
        if kind == "section":
            section = content or None
        elif kind == "task":
            indent = int(cells.get("INDENT", "")) if cells.get("INDENT", "").isdecimal() else 1
            parents = [parent for parent in parents if parent[0] < indent]
            path = (*(parent[2] for parent in parents), content, cells.get("DATE", ""))
            # Rows have no ids. Equal ones below the same parent are distinguished by their order.
            seen[path] += 1
            key = make_key("todoist-csv", project or "", *path, seen[path])
            try:
                fields, warnings = _from_csv(cells, [project, section])
            except InvalidInput as error:
                yield Problem(row, str(error))
                continue
            yield from (Warned(row, text) for text in warnings)
            last = (row, fields, key, parents[-1][1] if parents else None)
            parents.append((indent, key, content))
        else:
            yield Problem(row, f"TYPE: {kind[:40]} is not task, section or note. Correct it in the file")
    yield from _finish(last)


def _finish(last: tuple[str, Json, str, str | None] | None) -> Iterator[Row]:
    if last is None:
        return
    row, fields, key, parent = last
    try:
        yield TaskRow(row, key, task_fields(fields), parent)
    except InvalidInput as error:
        yield Problem(row, str(error))


def _from_csv(cells: dict[str, str], tags: list[str | None]) -> tuple[Json, list[str]]:
    priority = cells.get("PRIORITY", "")
    if priority not in _CSV_PRIORITIES:
        raise InvalidInput(f"PRIORITY: {priority[:40]} is not 1, 2, 3 or 4. Correct it in the file, or leave it empty")
    labels = _LABEL.findall(cells["CONTENT"])
    fields: Json = {
        "title": " ".join(_LABEL.sub("", cells["CONTENT"]).split()) or cells["CONTENT"],
        "description": cells.get("DESCRIPTION"),
        "priority": _CSV_PRIORITIES[priority],
        "tags": [*filter(None, tags), *labels],
    }
    return fields, _set_due(fields, cells.get("DATE", ""), cells.get("TIMEZONE", ""))


def _set_due(fields: Json, text: str, timezone: str) -> list[str]:
    """Set due and recurrence from the words of a date; gives a warning if they are not understood."""
    lowered = _WORDS.get(text.lower(), text.lower())
    if not text:
        return []
    if match := _DATED.fullmatch(text):
        fields["due"] = _due(match, timezone)
        return []
    if match := _EVERY.fullmatch(lowered):
        count, unit, start = match.groups()
        fields["due"] = start or datetime.now(UTC).date().isoformat()
        fields["recurrence"] = _rule(count, unit)
        return []
    _comment(fields, f"Date in Todoist: {text}")
    return [f"the date {text[:60]!r} was not understood. It is in the description; set the due date yourself"]


def _due(match: re.Match[str], timezone: str) -> str:
    day, time, offset = match.groups()
    if time is None:
        return day
    written = f"{day}T{time.zfill(5)}:00"
    if offset:
        return f"{written}{offset}"
    zone = ZoneInfo(timezone) if is_timezone(timezone) else UTC
    return datetime.fromisoformat(written).replace(tzinfo=zone).isoformat()


def _rule(count: str | None, unit: str) -> str:
    every = {None: 1, "other": 2}.get(count) or int(count or 1)
    if unit in ("workday", "weekday"):
        return "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"
    frequency = {"day": "DAILY", "week": "WEEKLY", "month": "MONTHLY", "year": "YEARLY"}.get(unit)
    rule = f"FREQ={frequency or 'WEEKLY'}"
    rule += f";INTERVAL={every}" if every > 1 else ""
    return rule if frequency else f"{rule};BYDAY={unit[:2].upper()}"


def _comment(fields: Json, text: str) -> None:
    """Todoist's comments have no place of their own here: they follow the description."""
    if text:
        fields["description"] = "\n\n".join(filter(None, (fields.get("description"), text)))


def read_api(document: Any) -> Iterator[Row]:  # noqa: ANN401
    """Tasks as the REST API or the Sync API gives them: a list, or an object with `results` or `items`."""
    whole = cast("Json", document) if isinstance(document, dict) else {"results": document}
    tasks: list[Any] = whole.get("results") or whole.get("items") or whole.get("tasks") or []
    names = {str(each.get("id")): each.get("name") for kind in ("projects", "sections") for each in whole.get(kind, [])}
    notes: dict[str, list[str]] = {}
    for note in [*whole.get("notes", []), *whole.get("comments", [])]:
        notes.setdefault(str(note.get("item_id") or note.get("task_id")), []).append(str(note.get("content") or ""))
    for number, found in enumerate(tasks, 1):
        row = f"task {number}"
        if not isinstance(found, dict) or not cast("Json", found).get("id"):
            yield Problem(row, "id: it has none, by which it could be recognized. Export it again")
            continue
        task = cast("Json", found)
        if task.get("is_deleted"):
            continue
        try:
            fields, warnings = _from_api(task, names)
            for note in notes.get(str(task["id"]), []):
                _comment(fields, note)
            columns = task_fields(fields) | _times(task)
        except InvalidInput as error:
            yield Problem(row, str(error))
            continue
        yield from (Warned(row, text) for text in warnings)
        parent = make_key("todoist", task["parent_id"]) if task.get("parent_id") else None
        yield TaskRow(row, make_key("todoist", task["id"]), columns, parent)


def _from_api(task: Json, names: dict[str, Any]) -> tuple[Json, list[str]]:
    priority = task.get("priority")
    if priority not in _API_PRIORITIES:
        raise InvalidInput(f"priority: {str(priority)[:40]} is not 1, 2, 3 or 4. Correct it in the file")
    placed = [names.get(str(task.get(name))) for name in ("project_id", "section_id")]
    given_labels: list[Any] = task.get("labels") or []
    labels = [str(label) for label in given_labels]
    fields: Json = {
        "title": task.get("content"),
        "description": task.get("description"),
        "priority": _API_PRIORITIES[priority],
        "tags": [*filter(None, placed), *labels],
    }
    due = task.get("due")
    if not isinstance(due, dict):
        return fields, []
    given = cast("Json", due)
    date, zone = str(given.get("datetime") or given.get("date") or ""), str(given.get("timezone") or "")
    warnings = _set_due(fields, date, zone)
    if given.get("is_recurring") and "due" in fields:
        words = str(given.get("string") or "").lower()
        if match := _EVERY.fullmatch(_WORDS.get(words, words)):
            fields["recurrence"] = _rule(match[1], match[2])
        else:
            _comment(fields, f"Repeats in Todoist: {words}")
            warnings = [f"the rule {words[:60]!r} was not understood. It is in the description; set it yourself"]
    return fields, warnings


def _times(task: Json) -> Json:
    done = bool(task.get("checked") or task.get("is_completed") or task.get("completed_at"))
    created = moment(task.get("added_at") or task.get("created_at")) or datetime.now(UTC)
    completed = max(created, moment(task.get("completed_at")) or datetime.now(UTC)) if done else None
    return {
        "status": "completed" if done else "pending",
        "created_at": created,
        "updated_at": moment(task.get("updated_at")) or completed or created,
        "completed_at": completed,
    }
