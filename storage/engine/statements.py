"""SQLAlchemy expressions compiled once, for asyncpg to run (docs/research.md, "Compiled statements")."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ClauseElement
from sqlalchemy.dialects.postgresql import asyncpg as asyncpg_dialect
from sqlalchemy.sql import visitors
from sqlalchemy.sql.expression import SelectBase, UpdateBase

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

_DIALECT = asyncpg_dialect.dialect()


@dataclass(frozen=True)
class Statement:
    """SQL with numbered parameters, and the name of the value for each of them."""

    sql: str
    names: tuple[str, ...]
    defaults: dict[str, Any]

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """The values in the order of the SQL's parameters."""
        return [values[name] if name in values else self.defaults[name] for name in self.names]


def literally(expression: ClauseElement) -> str:
    """SQL with its values as literals, quoted by SQLAlchemy."""
    return str(expression.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))


def compiled(expression: ClauseElement) -> Statement:
    """Compile an expression for asyncpg. Values are given by the names of its bindparams at each run.

    Raises:
        ValueError: it, or a query inside it, has two result columns with the same name.
    """
    for query in visitors.iterate(expression):
        if isinstance(query, SelectBase | UpdateBase):
            _check_column_names(query)
    result: SQLCompiler = expression.compile(dialect=_DIALECT)  # pyright: ignore[reportAssignmentType]
    # Constants of the expression itself, such as "completed", are defaults. A bindparam has none: a value that a call
    # forgets is a KeyError, where NULL would silently drop a condition or a LIMIT.
    constants = {name: value for name, value in result.params.items() if not result.binds[name].required}
    return Statement(str(result), tuple(result.positiontup or ()), constants)


def _check_column_names(query: SelectBase | UpdateBase) -> None:
    """SQLAlchemy renames the second of two columns with the same name, so reading the row by it gives the first."""
    names = [name for column in query.exported_columns if (name := getattr(column, "name", None))]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"result columns with the same name: {', '.join(repeated)}; give each its own label")
