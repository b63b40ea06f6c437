"""A token that was accepted once is not limited by the requests of others at the same address."""

from pathlib import Path

import pytest

from mcp_server.http import rate_limit
from mcp_server.settings import Settings
from tests.conftest import Person
from tests.support.running_server import running_server

STATISTICS = "/api/dashboard/statistics"


async def test_accepted_token_does_not_count_as_anonymous(
    alice: Person, database_url: str, direct_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "ANONYMOUS_REQUESTS", 3)
    settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": 0})
    async with (
        running_server(settings, database_url, direct_url) as server,
        server.client(alice.user_id) as known,
        server.client() as anonymous,
    ):
        assert [(await known.get(STATISTICS)).status_code for _ in range(5)] == [200] * 5
        assert [(await anonymous.get(STATISTICS)).status_code for _ in range(3)] == [401, 401, 429]
        assert (await known.get(STATISTICS)).status_code == 200
