"""The page at `/docs`: the OpenAPI document for a person, as one file of HTML without a script.

It loads nothing from anywhere, so that it is there where a testbed has no way to the internet, and so that no stranger's
code runs at the address whose cookie opens MLflow's pages.
"""

import json
from collections.abc import Iterator
from html import escape
from itertools import groupby
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import RedirectResponse

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
code, pre { font: 13px/1.45 monospace } pre { background: #f4f4f4; padding: .6rem; overflow-x: auto }
summary { cursor: pointer; padding: .25rem 0 } details > :not(summary) { margin-left: 1.2rem }
.method { display: inline-block; min-width: 4.2rem; font-weight: bold } .muted { color: #555 }
td, th { text-align: left; vertical-align: top; padding: .1rem 1rem .1rem 0 } nav a { margin-right: .8rem }
"""


def install(app: FastAPI) -> None:
    """Serve the page. It is written once, when somebody first asks."""
    written: list[str] = []

    @app.get("/", include_in_schema=False)
    def front() -> Response:
        return RedirectResponse("/docs")

    @app.get("/docs", include_in_schema=False)
    def docs() -> Response:
        if not written:
            written.append(write_page(app.openapi()))
        headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
        return Response(written[0], media_type="text/html", headers=headers)


def write_page(document: dict[str, Any]) -> str:
    """The page of an OpenAPI document: every operation by its noun, with parameters, and an example of what is sent and got."""
    operations = sorted(_operations(document), key=lambda one: one[2]["tags"][0])
    nouns = {noun: list(each) for noun, each in groupby(operations, key=lambda one: one[2]["tags"][0])}
    info = document["info"]
    links = "\n".join(f'<a href="#{escape(noun)}">{escape(noun)}</a>' for noun in nouns)
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])}: REST</title>",
        '<meta name=viewport content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}: REST</h1>",
        _prose(info["description"]),
        '<p>The same for programs: <a href="/openapi.json">/openapi.json</a>.</p>',
        f"<nav>{links}</nav>",
    ]
    for noun, found in nouns.items():
        parts.append(f'<h2 id="{escape(noun)}">{escape(noun)}</h2>')
        parts += [_operation(document, *one) for one in found]
    return "\n".join(parts)


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _operation(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> str:
    told = operation.get("description", "")
    name = escape(operation["operationId"])
    first = _marked(told.split("\n")[0])
    parts = [
        f'<details id="{name}"><summary><code><span class=method>{method}</span>{escape(path)}</code> {first}</summary>',
        _prose(told.partition("\n")[2]),
        _parameters(operation.get("parameters", [])),
        _body(operation.get("requestBody")),
    ]
    parts += [_answer(document, status, given) for status, given in operation["responses"].items()]
    return "\n".join(part for part in parts if part) + "</details>"


def _parameters(declared: list[dict[str, Any]]) -> str:
    if not declared:
        return ""
    rows = [
        f"<tr><td><code>{escape(one['name'])}</code><td>{one['in']}<td>{'required' if one.get('required') else ''}"
        f"<td><code>{escape(_kind(one['schema']))}</code><td>{escape(one.get('description', ''))}"
        for one in declared
    ]
    return f"<table>{''.join(rows)}</table>"


def _body(body: dict[str, Any] | None) -> str:
    if body is None:
        return ""
    return "<p>Sent:</p>" + "".join(_content(kind, sent) for kind, sent in body["content"].items())


def _answer(document: dict[str, Any], status: str, given: dict[str, Any]) -> str:
    if "$ref" in given:
        given = document["components"]["responses"][given["$ref"].rpartition("/")[2]]
    heading = f"<summary>{escape(status)} <span class=muted>{escape(given['description'])}</span></summary>"
    shown = "".join(_content(kind, got) for kind, got in given.get("content", {}).items())
    return (
        f"<details>{heading}{shown}</details>" if shown else f"<div>{heading}</div>".replace("summary", "p")
    )


def _content(kind: str, content: dict[str, Any]) -> str:
    if "example" not in content:
        return f"<p><code>{escape(kind)}</code></p>"
    example = json.dumps(content["example"], indent=2, ensure_ascii=False)
    return f"<p><code>{escape(kind)}</code></p><pre>{escape(example)}</pre>"


def _kind(schema: dict[str, Any]) -> str:
    """A parameter's type in a word or two."""
    if "anyOf" in schema:
        return " | ".join(_kind(one) for one in schema["anyOf"] if one.get("type") != "null")
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if schema.get("type") == "array":
        return f"{_kind(schema['items'])}, repeated"
    return " | ".join(map(str, schema["enum"])) if "enum" in schema else str(schema.get("type", "any"))


def _prose(text: str) -> str:
    """Paragraphs, with what stands in backticks as code."""
    paragraphs = [part.strip() for part in text.split("\n\n") if part.strip()]
    return "".join(f"<p>{_marked(part)}</p>" for part in paragraphs)


def _marked(text: str) -> str:
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if odd % 2 else piece for odd, piece in enumerate(pieces))
