"""Fetch pip itself from a package index, with nothing but the standard library.

Some systems ship Python without pip and without what makes virtual environments. pip's wheel runs from where it lies,
so one download is enough to install everything else. Its digest is checked against the index's.

    python fetch_pip.py https://pypi.org/simple .tools      prints the path of the wheel
"""

# ruff: noqa: INP001 - a script, not a package

import hashlib
import re
import sys
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

WHEEL = re.compile(r"pip-(\d+(?:\.\d+)*)-py3-none-any\.whl")  # no pre-releases: their versions hold letters


class Links(HTMLParser):
    """Every link of an index page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an anchor's address, unless the release was withdrawn."""
        attributes = dict(attrs)
        if tag == "a" and attributes.get("href") and "data-yanked" not in attributes:
            self.found.append(str(attributes["href"]))


def read(url: str) -> bytes:
    """What lies at an address."""
    request = urllib.request.Request(url, headers={"Accept": "text/html"})  # noqa: S310 - the user's own index
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return bytes(answer.read())


def newest(page: str, base: str) -> tuple[str, str, str]:
    """The name, address and SHA-256 of the newest wheel on an index page."""
    links = Links()
    links.feed(page)
    wheels = []
    for link in links.found:
        address = urllib.parse.urlsplit(urllib.parse.urljoin(base, link))
        name = address.path.rsplit("/", 1)[-1]
        if match := WHEEL.fullmatch(name):
            version = tuple(int(part) for part in match[1].split("."))
            wheels.append((version, name, address._replace(fragment="").geturl(), address.fragment))
    if not wheels:
        raise SystemExit(f"{base} offers no pip")
    _, name, url, fragment = max(wheels)
    return name, url, fragment.removeprefix("sha256=")


def main(index: str, into: str) -> None:
    """Fetch the newest pip."""
    base = index.rstrip("/") + "/pip/"
    name, url, digest = newest(read(base).decode(), base)
    wheel = read(url)
    if digest and hashlib.sha256(wheel).hexdigest() != digest:
        raise SystemExit(f"{url} is not what the index promises: its SHA-256 differs")
    Path(into).mkdir(parents=True, exist_ok=True)
    path = Path(into) / name
    path.write_bytes(wheel)
    print(path)  # noqa: T201 - the answer


if __name__ == "__main__":
    main(*sys.argv[1:])
