"""The PostgreSQL that comes with Taskdeck."""
