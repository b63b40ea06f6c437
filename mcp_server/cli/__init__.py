"""The `taskdeck` command."""
