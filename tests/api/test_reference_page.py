"""The page at `/docs` shows the whole REST interface to a person, without any other machine."""

import re
from html.parser import HTMLParser

import pytest

from tests.api.conftest import Gateway
from tiltyard_api.openapi.page import write_page

FETCHES = {"src", "srcset", "data", "action", "poster", "background"}


class Reading(HTMLParser):
    """What a browser would make of a page: its ids, the elements, and all that it would fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.fetched: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in FETCHES or (name == "href" and tag != "a"):
                self.fetched.append(f"{tag} {value}")


async def test_it_lists_every_operation_and_fetches_nothing_from_anywhere(gateway: Gateway) -> None:
    answer = await gateway.nobody.get(f"{gateway.url}/docs")
    document = (await gateway.nobody.get(f"{gateway.url}/openapi.json")).json()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = Reading(answer.text)
    told = {one["operationId"] for methods in document["paths"].values() for one in methods.values()}
    assert told <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert (page.fetched, page.tags & {"script", "link", "iframe"}) == ([], set())
    assert not re.search(r"@import|url\(", answer.text)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x>', "a < b & `c`"])
def test_what_a_document_says_is_text_and_no_markup(text: str) -> None:
    operation = {
        "tags": [text],
        "operationId": text,
        "description": f"{text}\n\n{text}",
        "parameters": [{"name": text, "in": "query", "schema": {"enum": [text]}, "description": text}],
        "requestBody": {"content": {text: {"example": {text: text}}}},
        "responses": {"200": {"description": text, "content": {text: {}}}, "204": {"description": text}},
    }
    info = {"title": text, "version": text, "description": text}
    page = Reading(write_page({"info": info, "paths": {f"/{text}": {"get": operation}}}))
    assert page.tags & {"script", "img"} == set()
    assert page.fetched == []
    assert text in page.ids
