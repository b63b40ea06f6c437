"""The schema that the served OpenAPI document gives for the success of each operation."""

from mcp_server.settings import Settings
from tests.support.running_server import running_server

SCHEMAS = {
    "getSnapshot": "DashboardSnapshot",
    "getStatistics": "Totals",
    "getTrend": "Trend",
    "getTasks": "TaskRows",
    "getTeams": "Teams",
    "getSettings": "Settings",
    "putSettings": "Settings",
}


async def test_every_operation_names_the_schema_of_its_response(
    settings: Settings, database_url: str, direct_url: str
) -> None:
    async with running_server(settings, database_url, direct_url) as server, server.client() as http:
        paths = (await http.get("/api/openapi.json")).json()["paths"]
    found = {
        operation["operationId"]: operation["responses"]["200"]["content"]["application/json"]["schema"].get("$ref")
        for path in paths.values()
        for operation in path.values()
        if operation.get("operationId") in SCHEMAS
    }
    assert found == {name: f"#/components/schemas/{schema}" for name, schema in SCHEMAS.items()}
