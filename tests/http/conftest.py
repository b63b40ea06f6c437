"""The server that the tests of one file share, for those that need no settings of their own."""

from collections.abc import AsyncGenerator

import pytest

from mcp_server.settings import Settings
from tests.support.running_server import RunningServer, running_server


@pytest.fixture(scope="module")
async def server(
    database_url: str, direct_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[RunningServer]:
    """A server on the database of this worker."""
    settings = Settings.model_validate({"data_dir": tmp_path_factory.mktemp("server")})
    async with running_server(settings, database_url, direct_url) as built:
        yield built
