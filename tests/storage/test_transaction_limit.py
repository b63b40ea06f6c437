"""A transaction has a time limit of its own, however many statements it consists of."""

import asyncpg
import pytest
from sqlalchemy import func, select

from mcp_server.settings import Settings
from storage.engine.database import Database
from storage.engine.statements import compiled
from tests.conftest import Cluster, Person, RequestUrl

SLOW = """
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END $$;
CREATE TRIGGER tasks_dawdle BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION dawdle();
"""


async def test_transaction_of_many_statements_is_rolled_back_at_its_limit(
    cluster: Cluster, request_url: RequestUrl, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await cluster.create("slow", "blank")
    administrator = await asyncpg.connect(cluster.address("slow"))
    await administrator.execute(SLOW)
    await administrator.close()
    async with Database.open(request_url(url), size=1) as database:
        person = Person("slow", "slow@example.com", database, settings)
        await person.call("whoami")
        monkeypatch.setattr("storage.engine.database.TRANSACTION_SECONDS", 1)
        # Each statement takes a twentieth of a second, fifty of them two and a half.
        assert await person.refusal("add_tasks", tasks=[{"title": "Wash"}] * 50) == (
            "The database took too long. Nothing was changed; ask for less, or try again."
        )
        # The only connection is free again.
        assert (await person.call("list_tasks"))["total_count"] == 0
        monkeypatch.undo()
        assert (await person.call("add_task", title="Dry"))["title"] == "Dry"
    await cluster.drop("slow")


async def test_postgresql_limits_the_transaction_too_since_17(alice: Person) -> None:
    version, limit = func.current_setting("server_version_num"), func.current_setting("transaction_timeout", True)
    statement = compiled(select(version.label("version"), limit.label("limit")))
    async with alice.scope.transaction() as transaction:
        row = await transaction.fetch_one(statement)
    assert row is not None
    assert row["limit"] == ("10s" if int(row["version"]) >= 170_000 else None)
