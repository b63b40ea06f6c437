"""A database that cannot be migrated: the error is PostgreSQL's own, on one line."""

import pytest

from storage.engine import migrations
from tests.conftest import Cluster


async def test_a_database_that_does_not_exist_is_named(cluster: Cluster) -> None:
    with pytest.raises(migrations.SchemaError) as refused:
        await migrations.migrate(cluster.address("nowhere", "owner"))
    assert str(refused.value) == 'The database cannot be migrated: database "nowhere" does not exist'


async def test_a_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(migrations.SchemaError) as refused:
        await migrations.migrate("postgresql://owner@localhost:1/nowhere")
    assert str(refused.value).startswith("The database cannot be migrated: ")
    assert "onnect" in str(refused.value)
    assert "\n" not in str(refused.value)
