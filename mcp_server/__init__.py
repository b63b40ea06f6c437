"""Three doors to one storage layer (MCP, an HTTP bridge, a WebSocket), and who may pass."""
