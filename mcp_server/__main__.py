"""`python -m mcp_server` is the `taskdeck` command."""

from mcp_server.cli.commands import main

if __name__ == "__main__":
    main()
