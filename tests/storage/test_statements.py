"""Statements with two result columns of the same name are rejected."""

import pytest
from sqlalchemy import ClauseElement, Label, delete, func, insert, literal, select, true
from sqlmodel import col

from storage.engine.statements import compiled
from storage.schema.tables import Task, Team

ID = select(literal(1).label("id"))
FIRST, SECOND = ID.subquery(), ID.subquery()
BOTH = select(FIRST, SECOND).select_from(FIRST.join(SECOND, true()))


_NAMED = Label[str]("id", col(Team.name))
REPEATED: dict[str, ClauseElement] = {
    "two subqueries": BOTH,
    "two tables": select(col(Task.id), col(Team.id)).join(Team, col(Team.id) == col(Task.team_id)),
    "two counts": select(func.count(), func.count()),
    "a subquery": select(func.count()).select_from(BOTH.subquery()),
    "a CTE of a union": ID.union_all(select(BOTH.cte().c[0])),
    "a CTE that writes": ID.add_cte(insert(Team).values(name="x").returning(col(Team.id), _NAMED).cte()),
    "DELETE": delete(Team).returning(col(Team.id), _NAMED),
}


@pytest.mark.parametrize("expression", REPEATED.values(), ids=REPEATED)
def test_statement_with_duplicate_column_names_is_rejected(expression: ClauseElement) -> None:
    with pytest.raises(ValueError, match="result columns with the same name"):
        compiled(expression)


def test_statement_with_unique_column_names_is_compiled() -> None:
    expression = select(FIRST.c.id, SECOND.c.id.label("other"), literal(1) + literal(2)).select_from(
        FIRST.join(SECOND, true())
    )
    assert "AS other" in compiled(expression).sql
