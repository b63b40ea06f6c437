"""The route of the bridge that reads the caller's audit log."""

from typing import Annotated

from fastapi import Query, Request, Response
from pydantic import Field

from mcp_server.api.responses import build_router, respond, scope_of, within
from storage.people import audit
from storage.schema.request_models import MAX_ID, MAX_PAGE_ROWS, StrictModel
from storage.schema.response_models import AuditLog

router = build_router("audit")


class AuditQuery(StrictModel):
    """Which page of the audit log, and how long it is."""

    limit: Annotated[int, within(1, MAX_PAGE_ROWS)] = Field(
        50, ge=1, le=MAX_PAGE_ROWS, description="How many entries at most"
    )
    before: Annotated[int, within(1, MAX_ID)] = Field(
        MAX_ID, ge=1, le=MAX_ID, description="Only entries with a smaller id: `next_before` of the page before"
    )


@router.get("/audit", response_model=AuditLog, operation_id="getAudit", summary="The caller's audit log")
async def get_audit(request: Request, query: Annotated[AuditQuery, Query()]) -> Response:
    """What concerns the security of the caller's account and data, newest first: who did it, and with which client."""
    return respond(await audit.find(await scope_of(request), query.limit, query.before))
