"""The HTTP API and the WebSocket for dashboards."""
