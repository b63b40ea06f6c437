"""The server: MCP, the dashboard API and the WebSocket, with authentication, on top of one storage layer."""
