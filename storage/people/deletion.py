"""Removing a person with everything in it, in every table; for the administrator of a database only."""

import asyncpg
from sqlalchemy import Text, bindparam, column, delete, func, or_, select, table
from sqlalchemy.sql.expression import TableClause

from storage.engine.statements import compiled
from storage.people.accounts import list_accounts
from storage.schema.errors import NotFound

_PERSON = bindparam("person", type_=Text)
_DELETE = compiled(select(func.taskdeck_delete_person(_PERSON)))
_NAMED = bindparam("named", type_=Text)
_columns = table(
    "columns", column("table_name"), column("column_name"), column("table_schema"), schema="information_schema"
)
# Better Auth creates and migrates its tables itself: which of them name a user is read from the catalogue.
_OWNED = compiled(
    select(_columns.c.table_name, _columns.c.column_name).where(
        _columns.c.table_schema == "auth", _columns.c.column_name == "userId"
    )
)
_verification = table("verification", column("identifier"), column("value"), schema="auth")
_account = table("user", column("id"), schema="auth")
_FORGET_LINKS = compiled(
    delete(_verification).where(
        or_(
            func.strpos(func.lower(_verification.c.identifier), func.lower(_NAMED)) > 0,
            func.strpos(func.lower(_verification.c.value), func.lower(_NAMED)) > 0,
        )
    )
)
_FORGET_ACCOUNT = compiled(delete(_account).where(_account.c.id == _PERSON))


async def delete_person(owner_url: str, person: str) -> str:
    """Remove a person, by user id or e-mail, and their account on the dashboard; returns their user id.

    All in one transaction of the schema's owner, at a direct connection.

    Raises:
        NotFound: there is no such person and no such account.
    """
    accounts = await list_accounts(owner_url)
    connection = await asyncpg.connect(owner_url)
    try:
        async with connection.transaction():
            account = next((each for each in accounts if person in (each.user_id, each.email)), None)
            user_id = account.user_id if account else person
            removed: bool = await connection.fetchval(_DELETE.sql, user_id)
            if not removed and account is None:
                raise NotFound(f"No user {person}: name one by user id, or by the e-mail of an account.")
            if account is not None:
                for name, user_column in await connection.fetch(_OWNED.sql, *_OWNED.arguments({})):
                    owned = _owned_rows(table(name, column(user_column), schema="auth"), user_column)
                    await connection.execute(owned, user_id)
                for named in (account.user_id, account.email):
                    await connection.execute(_FORGET_LINKS.sql, *_FORGET_LINKS.arguments({"named": named}))
                await connection.execute(_FORGET_ACCOUNT.sql, user_id)
    finally:
        await connection.close()
    return user_id


def _owned_rows(rows: TableClause, user_column: str) -> str:
    return compiled(delete(rows).where(rows.c[user_column] == _PERSON)).sql
