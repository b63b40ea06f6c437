"""`taskdeck doctor` on databases with something wrong."""

from pathlib import Path

import asyncpg
import pytest

from tests.conftest import Cluster
from tests.support.processes import run

pytestmark = pytest.mark.long


async def test_doctor_names_a_changed_function_and_migrate_restores_it(cluster: Cluster, tmp_path: Path) -> None:
    url = await cluster.create("drifting", "blank")
    administrator = await asyncpg.connect(cluster.address("drifting"))
    await administrator.execute("ALTER FUNCTION create_team(text) OWNER TO owner")
    before = await run("doctor", data_dir=tmp_path, DATABASE_URL=url, COLUMNS="200")
    assert "changed: function create_team(text)" in before.stdout
    assert "Run taskdeck migrate" in before.stdout
    assert (await run("migrate", data_dir=tmp_path, DATABASE_URL=url)).status == 0
    after = await run("doctor", data_dir=tmp_path, DATABASE_URL=url, COLUMNS="200")
    assert "as this release made them" in after.stdout
    await administrator.close()
    await cluster.drop("drifting")
