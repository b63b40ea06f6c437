"""Everything that can be done with tasks."""
