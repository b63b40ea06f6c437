"""For comparison: a tool that does nothing, on the SDK's own server, without tokens or database."""

import socket

import uvicorn
from mcp.server import MCPServer

server = MCPServer("noop", log_level="WARNING")


@server.tool()
async def echo(text: str) -> str:
    """Say it again."""
    return text


def main() -> None:
    """Serve on a free port, and print it."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    app = server.streamable_http_app(stateless_http=True, json_response=True)
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    print(f"MCP: http://127.0.0.1:{listening.getsockname()[1]}/mcp", flush=True)
    uvicorn.Server(config).run([listening])


if __name__ == "__main__":
    main()
