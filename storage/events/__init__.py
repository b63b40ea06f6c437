"""Changes of tasks, announced to every replica."""
