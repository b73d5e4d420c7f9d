"""Reading a list page by page, by the cursor that each page gives for the next."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

from tiltyard.client.connection import Connection
from tiltyard.wire.model import Page, WireModel

Item = TypeVar("Item", bound=WireModel)

PAGE_SIZE = 100


async def read_pages(
    connection: Connection, kind: type[Item], path: str, params: Mapping[str, Any] | None = None
) -> AsyncIterator[Item]:
    """Every item of a list, asking for the next page when the last is used up."""
    cursor: str | None = None
    while True:
        asked = {"limit": PAGE_SIZE} | dict(params or {}) | {"cursor": cursor}
        page: Page[Item] = await connection.ask(Page[kind], "GET", path, params=asked)  # type: ignore[valid-type]
        for item in page.items:
            yield item
        if page.next is None:
            return
        cursor = page.next
