"""A FastAPI route that does nothing, in the same uvicorn: what a dashboard bridge could cost at least."""

import uvicorn
from fastapi import FastAPI

from mcp_server.http import uvicorn_server

app = FastAPI()


@app.get("/api/dashboard/statistics")
async def statistics() -> dict[str, int]:
    """Four numbers, from nowhere."""
    return {"total_tasks": 3, "pending_tasks": 2, "completed_tasks": 1, "shared_tasks": 0}


if __name__ == "__main__":
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    listening = uvicorn_server.listen("127.0.0.1", 0)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run([listening])
