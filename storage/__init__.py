"""What can be done with a user's rows. Knows no MCP, HTTP or WebSocket."""
