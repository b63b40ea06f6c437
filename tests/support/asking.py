"""A client that can put questions to its user, as the protocol's elicitation has it."""

from typing import Any

from mcp import Client
from mcp.client import ClientRequestContext
from mcp.types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult

from mcp_server.identity.callers import Callers
from mcp_server.protocol.server import build_mcp_server
from tests.conftest import Person


def client_of(person: Person, answer: ElicitResult | None, asked: list[str] | None = None, **options: Any) -> Client:
    """A client that puts questions to somebody who always gives this answer; None: one that cannot ask."""

    async def ask(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        if asked is not None:
            asked.append(params.message)
        assert answer is not None
        return answer

    server = build_mcp_server(person.settings, Callers(person.database), person.caller)
    return Client(server, elicitation_callback=ask if answer else None, **options)
