"""The Model Context Protocol: server, resources, prompts, subscriptions, stdio."""
