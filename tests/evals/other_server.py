"""An MCP server of another kind, with other names, on stdio: it keeps to-do items in a JSON file."""

import json
import sys
from pathlib import Path
from typing import Any

from mcp.server import MCPServer

server = MCPServer("items", log_level="WARNING")
FILE = Path(sys.argv[1])


def read() -> list[dict[str, Any]]:
    return json.loads(FILE.read_text("utf-8")) if FILE.exists() else []


def write(items: list[dict[str, Any]]) -> None:
    FILE.write_text(json.dumps(items), "utf-8")


@server.tool()
async def new_item(text: str, day: str | None = None) -> dict[str, Any]:
    """Add an item."""
    items = read()
    items.append({"key": len(items) + 1, "text": text, "day": day, "state": 0})
    write(items)
    return {"item": items[-1]}


@server.tool()
async def set_state(key: int, state: int) -> str:
    """0 is open, 1 is under way, 2 is done, 9 removes it."""
    items = read()
    items[key - 1]["state"] = state
    write(items)
    return "ok"


@server.tool()
async def page(number: int = 1) -> dict[str, Any]:
    """Two items of the list."""
    shown = [item for item in read() if item["state"] != 9]
    following = number + 1 if len(shown) > number * 2 else None
    return {"items": shown[number * 2 - 2 : number * 2], "next_number": following}


if __name__ == "__main__":
    server.run()
