"""The functions, triggers, policies and grants in `storage/sql`: applied when their text changes, checked for drift.

Migrations create tables and move data. What runs inside the database is written once, in `storage/sql`, and replaced
by whole files. A comment on the table `alembic_version` records which text was applied and what PostgreSQL then showed
for each object, so a changed file and a changed database are both noticed. The comment is part of every dump.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

RECORD = "obj_description(to_regclass('alembic_version'), 'pg_class')"
"""The SQL expression that reads the record: JSON text, or NULL if nothing was applied yet."""
VERSION = f"SELECT version_num, {RECORD} AS record FROM alembic_version"  # noqa: S608 - a constant

_FIRST = ("caller.sql", "search_keys.sql", "search_text.sql", "visibility.sql")
"""Functions that those of other files call: PostgreSQL checks a body when it creates the function."""
# Bodies contain semicolons themselves, so only one before an empty line ends a statement.
_STATEMENT_END = re.compile(r";[ \t]*\n\s*\n|;\s*\Z")
_FUNCTION = re.compile(r"^CREATE OR REPLACE FUNCTION (\w+)", re.MULTILINE)

# What PostgreSQL shows of each object, without the names of logins, which differ between clusters. Hashed, because the
# record with all of them is one comment.
_OBJECTS = """
SELECT 'function ' || p.oid::regprocedure AS name, md5(concat_ws(' ', pg_get_functiondef(p.oid),
    CASE WHEN p.prosecdef THEN p.proowner = 'taskdeck_rls'::regrole END,
    has_function_privilege('public', p.oid, 'EXECUTE'),
    has_function_privilege('taskdeck_app', p.oid, 'EXECUTE'))) AS seen
FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname = ANY (ARRAY[{functions}])
UNION ALL
SELECT 'trigger ' || t.tgname, md5(pg_get_triggerdef(t.oid) || t.tgenabled::text)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE {ours} AND NOT t.tgisinternal
UNION ALL
SELECT 'policy ' || p.polname || ' on ' || c.relname, md5(concat_ws(' ',
    p.polcmd, p.polpermissive, p.polroles::regrole[],
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)))
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE {ours}
UNION ALL
SELECT 'table ' || c.relname, md5(concat_ws(' ', c.relrowsecurity, c.relforcerowsecurity, (
    SELECT string_agg(has_any_column_privilege(r, c.oid, p)::text, ' ' ORDER BY r, p)
    FROM unnest(ARRAY['taskdeck_app', 'taskdeck_rls']) r, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) p
), has_table_privilege('taskdeck_app', c.oid, 'DELETE'), has_table_privilege('taskdeck_rls', c.oid, 'DELETE')))
FROM pg_class c WHERE {ours}
"""
# Other applications may have tables in the same schema. Each of ours has a policy of this name (policies.sql).
_OURS = """c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    AND EXISTS (SELECT 1 FROM pg_policy f WHERE f.polrelid = c.oid AND f.polname = c.relname || '_functions')"""

# COMMENT takes only a literal, so the statement is built inside PostgreSQL, which knows what its objects look like now.
_RECORD = """
DO $record$ BEGIN
    EXECUTE format('COMMENT ON TABLE alembic_version IS %L', json_build_object('files', '{applied}'::json, 'objects',
        (SELECT json_object_agg(o.name, o.seen ORDER BY o.name) FROM ({objects}) o)));
END $record$
"""


@dataclass(frozen=True)
class SqlFile:
    """One file of `storage/sql`. `statements` are in the order in which they run."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        """Each ends with a semicolon before an empty line."""
        return [statement.strip() for statement in _STATEMENT_END.split(self.text) if statement.strip()]


@cache
def sql_files() -> tuple[SqlFile, ...]:
    """Every file in the order of application: functions, triggers, policies, grants."""
    folder = files("storage").joinpath("sql")
    functions = sorted(
        (path.name for path in folder.joinpath("functions").iterdir()), key=lambda name: (name not in _FIRST, name)
    )
    names = [*(f"functions/{name}" for name in functions), "triggers.sql", "policies.sql", "privileges.sql"]
    return tuple(SqlFile(name, folder.joinpath(name).read_text("utf-8")) for name in names)


def outdated(record: str | None, objects: dict[str, str]) -> list[SqlFile]:
    """The files to apply: those whose text changed, or all if the database differs from the record."""
    applied, _ = _read(record)
    # All of them, because policies and grants refer to functions of other files.
    if differences(record, objects):
        return list(sql_files())
    return [file for file in sql_files() if applied.get(file.name) != file.checksum]


def differences(record: str | None, objects: dict[str, str]) -> list[str]:
    """Names of the objects that were changed, added or removed by hand since they were applied."""
    _, recorded = _read(record)
    return sorted(name for name in recorded.keys() | objects.keys() if objects.get(name) != recorded.get(name))


def is_current(record: str | None) -> bool:
    """Whether this release's text is what was applied last."""
    return _read(record)[0] == {file.name: file.checksum for file in sql_files()}


def function_names() -> list[str]:
    """The names of all functions, in the order of the files."""
    return [name for file in sql_files() for name in _FUNCTION.findall(file.text)]


def objects_query() -> str:
    """A query for the objects as they are now: name and fingerprint."""
    return _OBJECTS.format(functions=", ".join(f"'{name}'" for name in function_names()), ours=_OURS)


def record_statement() -> str:
    """The statement that records what was applied and what the database shows now."""
    applied = json.dumps({file.name: file.checksum for file in sql_files()})
    return _RECORD.format(applied=applied, objects=objects_query())


def _read(record: str | None) -> tuple[dict[str, str], dict[str, str]]:
    try:
        found: dict[str, Any] = json.loads(record or "{}")
        return found.get("files", {}), found.get("objects", {})
    except (ValueError, AttributeError):
        return {}, {}  # a comment that is not ours
