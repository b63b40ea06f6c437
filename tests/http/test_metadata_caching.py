"""How long clients may keep the metadata of a protected resource, which depends on the host that they ask."""

from pathlib import Path

from starlette.applications import Starlette

from mcp_server.http.resource_metadata import METADATA, metadata_routes
from mcp_server.identity.tokens import Verifier
from tests.support.token_factory import send_request, settings_for


async def test_metadata_may_be_kept_for_five_minutes_for_each_host(tmp_path: Path) -> None:
    app = Starlette(routes=list(metadata_routes(Verifier(settings_for(tmp_path)))))
    for path in (METADATA, f"{METADATA}/mcp", f"{METADATA}/api"):
        answer = await send_request(app, method="GET", path=path)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert answer.headers["cache-control"] == "public, max-age=300"
        assert answer.headers["vary"] == "Host"
