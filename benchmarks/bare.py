"""A FastAPI route that does nothing, under uvicorn: the least that a dashboard API could cost."""

import uvicorn
from fastapi import FastAPI

from mcp_server.http import uvicorn_server

app = FastAPI()


@app.get("/api/dashboard/statistics")
async def statistics() -> dict[str, int]:
    """Return constant numbers, in the shape of the real route."""
    return {"total_tasks": 3, "pending_tasks": 2, "completed_tasks": 1, "shared_tasks": 0}


if __name__ == "__main__":
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    # The same kind of socket as the product's: without TCP_NODELAY the comparison would be unfair.
    listening = uvicorn_server.listen("127.0.0.1", 0)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run([listening])
