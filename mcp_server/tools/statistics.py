"""The tool on statistics."""

from pydantic import Field

from mcp_server.tools.registry import Call, tool
from storage.schema.request_models import Days, Id, StrictModel
from storage.schema.response_models import Overview
from storage.tasks import statistics


class GetStatistics(StrictModel):
    """Arguments of get_statistics."""

    team_id: Id | None = Field(None, description="A team's numbers instead of one's own")
    days: Days = 14


VIEW = "ui://taskdeck/statistics.html"


@tool("statistics", "Statistics", reads=True, ui=VIEW)
async def get_statistics(call: Call, args: GetStatistics) -> Overview:
    """Count tasks: total, pending, completed, shared, overdue, due today, and created and completed per day.

    Days are in the user's time zone.
    """
    return await statistics.overview(call.scope, args.team_id, args.days)
