"""The least that a submit could be: a FastAPI handler that writes its body with one INSERT.

It has the gateway's own connection pool and server settings, and none of its checks: no token, no archive, no event, no
idempotency. What the gateway takes beyond this is the price of the promise that it makes.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from sqlalchemy import text

from tiltyard_orchestrator.storage.database import Database

CREATE = text("CREATE TABLE IF NOT EXISTS bare (id bigserial PRIMARY KEY, body text NOT NULL)")
INSERT = text("INSERT INTO bare (body) VALUES (:body) RETURNING id")


def create_app(database_url: str) -> FastAPI:
    """The application, on a table of its own."""
    database = Database(database_url)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with database.transaction() as session:
            await session.execute(CREATE)
        yield
        await database.dispose()

    app = FastAPI(lifespan=lifespan)

    @app.post("/jobs", status_code=201)
    async def submit(body: dict[str, Any]) -> dict[str, int]:
        async with database.transaction() as session:
            return {"id": (await session.execute(INSERT, {"body": repr(body)})).scalar_one()}

    return app


if __name__ == "__main__":
    url, port = sys.argv[1:]
    uvicorn.run(create_app(url), port=int(port), access_log=False, log_config=None, server_header=False)
