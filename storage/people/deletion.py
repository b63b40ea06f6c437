"""Removing a person with everything in it, in every table, as the owner of the schema at a direct connection."""

import asyncio
import logging
from typing import Any

import asyncpg
from sqlalchemy import Text, bindparam, column, delete, func, or_, select, table
from sqlalchemy.sql.expression import TableClause

from storage.engine.statements import compiled
from storage.people.accounts import Account, list_accounts
from storage.schema.errors import NotFound

logger = logging.getLogger(__name__)

PERIOD = 3600.0  # seconds

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
_account = table("user", column("id"), column("email"), column("endsAt"), schema="auth")
# Locked, so that nobody keeps an account that is being deleted; another replica takes the next one.
_DUE = compiled(
    select(_account.c.id, _account.c.email)
    .where(_account.c.endsAt <= func.now())
    .order_by(_account.c.endsAt)
    .limit(1)
    .with_for_update(skip_locked=True)
)
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

    All in one transaction.

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
                await _delete_account(connection, account)
    finally:
        await connection.close()
    return user_id


async def delete_due(owner_url: str) -> list[str]:
    """Remove everybody whose account has ended, each in a transaction of its own; returns their user ids.

    Whoever asks on the dashboard for their account to be deleted has a week to change their mind.
    """
    ended: list[str] = []
    connection = await asyncpg.connect(owner_url)
    try:
        while True:
            async with connection.transaction():
                due = await connection.fetchrow(_DUE.sql, *_DUE.arguments({}))
                if due is None:
                    return ended
                account = Account(due["id"], due["email"])
                await connection.execute(_DELETE.sql, account.user_id)
                await _delete_account(connection, account)
            ended.append(account.user_id)
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        return ended  # no dashboard has migrated its tables yet
    finally:
        await connection.close()


async def delete_due_for_ever(owner_url: str) -> None:
    """Do so every hour. Several replicas may do so at the same time."""
    while True:
        try:
            for user_id in await delete_due(owner_url):
                logger.info("the account %s has ended and is deleted", user_id)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            logger.warning("accounts that have ended were not deleted: %s", error)
        await asyncio.sleep(PERIOD)


async def _delete_account(connection: "asyncpg.Connection[Any]", account: Account) -> None:
    """Remove what the dashboard keeps of a person."""
    for name, user_column in await connection.fetch(_OWNED.sql, *_OWNED.arguments({})):
        owned = _owned_rows(table(name, column(user_column), schema="auth"), user_column)
        await connection.execute(owned, account.user_id)
    for named in (account.user_id, account.email):
        await connection.execute(_FORGET_LINKS.sql, *_FORGET_LINKS.arguments({"named": named}))
    await connection.execute(_FORGET_ACCOUNT.sql, account.user_id)


def _owned_rows(rows: TableClause, user_column: str) -> str:
    return compiled(delete(rows).where(rows.c[user_column] == _PERSON)).sql
