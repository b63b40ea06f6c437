"""Search across tasks, conversations, teams and tags."""
