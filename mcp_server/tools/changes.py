"""The tool on what people and their clients changed."""

from typing import Annotated

from pydantic import Field

from mcp_server.tools.registry import Call, tool
from storage.schema import token_budget
from storage.schema.activity_models import Change, ChangeBrief, ChangePage
from storage.schema.errors import InvalidInput
from storage.schema.plain_text import quoted
from storage.schema.request_models import Cursor, Line, Moment, PageSize, StrictModel
from storage.tasks import activity
from storage.tasks.activity import ActivityFilter


class ListChanges(StrictModel):
    """Arguments of list_changes."""

    since: Moment | None = Field(None, description="A day of the user's, or a moment")
    client: Annotated[Line, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Only what this client changed"
    )
    limit: PageSize = 20
    cursor: Cursor | None = None


@tool("tasks", "List changes", reads=True)
async def list_changes(call: Call, args: ListChanges) -> ChangePage:
    """Who changed which task, when and with which client, newest first; changes maps fields to [before, after]."""
    wanted = ActivityFilter(client=args.client, since=args.since)
    found = await activity.find(
        call.scope, wanted, args.limit, args.cursor, max_tokens=token_budget.allowed(args.limit)
    )
    if args.client is not None and not found.changes and args.cursor is None:
        await _check_known(call, args.client)
    return ChangePage(changes=[_brief(change) for change in found.changes], next_cursor=found.next_cursor)


async def _check_known(call: Call, client: str) -> None:
    names = [known.client for known in (await activity.find_clients(call.scope)).clients if known.client]
    if client not in names:
        known = f"The user's are {', '.join(map(quoted, names))}." if names else "The user's have no names."
        advice = "Leave client out, or name one of them."
        raise InvalidInput(f"client: {quoted(client)} changed nothing here. {known} {advice}")


def _brief(change: Change) -> ChangeBrief:
    return ChangeBrief(
        at=change.at,
        event_type=change.event_type,
        task_id=change.task_id,
        title=change.title,
        changes=change.changes,
        client=change.client,
        user=None if change.own else change.user_name or change.user_id,
        deleted=change.deleted or None,
        undone=change.undone or None,
    )
