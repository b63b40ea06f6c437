"""Finding tasks, conversations, teams and tags without knowing which of them it is."""
