"""Accounts of the dashboard, read as the owner of the database."""

from dataclasses import dataclass

import asyncpg
from sqlalchemy import column, select, table

from storage.engine.statements import compiled

# Better Auth creates and migrates this table, so it has no class in storage/schema.
_user = table("user", column("id"), column("email"), column("createdAt"), schema="auth")
_ALL = compiled(select(_user.c.id, _user.c.email).order_by(_user.c.createdAt, _user.c.id))


@dataclass(frozen=True)
class Account:
    """A person who can sign in at the dashboard; `user_id` is the `sub` of all their tokens."""

    user_id: str
    email: str


async def list_accounts(owner_url: str) -> list[Account]:
    """Every account, the oldest first; none if the dashboard has not been started yet."""
    connection = await asyncpg.connect(owner_url)
    try:
        return [Account(row["id"], row["email"]) for row in await connection.fetch(_ALL.sql)]
    except asyncpg.UndefinedTableError:
        return []
    finally:
        await connection.close()
