"""The views that a host shows inside a chat (MCP Apps): one file each, without anything from outside."""
