"""Taking changes back."""

from typing import Annotated

from pydantic import Field

from mcp_server.tools.registry import Call, tool
from storage import history
from storage.views import Count, Said, Undone


class Undo(Said):
    """Arguments of undo."""

    count: Annotated[Count, Field(ge=1, le=20)] = 1


@tool("tasks", "Undo", destroys=True)
async def undo(call: Call, said: Undo) -> Undone:
    """Take back your last changes of tasks and shares, newest first: what one call did counts as one, all or nothing.

    Undoing again goes on before what was undone. get_task shows a task's history.
    """
    return await history.undo(call.scope, said.count)
