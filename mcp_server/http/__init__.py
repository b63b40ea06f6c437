"""The HTTP server and its middleware."""
