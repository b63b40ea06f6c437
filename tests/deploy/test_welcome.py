"""The text of `taskdeck up` for a server without a dashboard."""

import pytest

from mcp_server.cli.startup_banner import welcome
from mcp_server.settings import Settings

LOCAL = "Or on this machine alone, without a token:"


def test_embedded_database_is_reached_on_this_machine_without_a_token(settings: Settings) -> None:
    lines = welcome(settings, None).splitlines()
    command = lines[lines.index(LOCAL) + 1]
    assert command.startswith("  claude mcp add taskdeck ")
    assert command.endswith("/taskdeck stdio")
    assert "  Dashboard  not running" in lines


@pytest.mark.parametrize("url", ["postgresql://u:p@h/d"])
def test_other_databases_take_a_token(settings: Settings, url: str) -> None:
    text = welcome(settings.model_copy(update={"database_url": url}), None)
    assert LOCAL not in text
    assert " token --user me --ttl 24h" in text
    assert "  Data       the database of DATABASE_URL" in text
