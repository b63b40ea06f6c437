"""For comparison: a tool that does nothing, on the SDK's own server, without tokens or database.

It runs on the event loop and the HTTP server of `taskdeck serve`, so that only the application differs.
"""

from mcp.server import MCPServer

from mcp_server.cli.runtime import run
from mcp_server.http import uvicorn_server

server = MCPServer("noop", log_level="WARNING")


@server.tool()
async def echo(text: str) -> str:
    """Say it again."""
    return text


async def _serve() -> None:
    app = server.streamable_http_app(stateless_http=True, json_response=True)
    with uvicorn_server.listen("127.0.0.1", 0) as listening:
        address = f"MCP: http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        http = uvicorn_server.build_http_server(app, lambda: None, lambda: print(address, flush=True))
        # The application's own lifespan starts its session manager; `taskdeck serve` starts that itself.
        async with app.router.lifespan_context(app):
            await http.serve([listening])


def main() -> None:
    """Serve on a free port, and print it."""
    run(_serve())


if __name__ == "__main__":
    main()
