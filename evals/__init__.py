"""Measures how well a model does everyday work with the tools of an MCP server: see evals/README.md."""
