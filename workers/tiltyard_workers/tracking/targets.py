"""What a script may ask the relay for: a path of MLflow's API on the gateway, and never another host's.

The target of a request is the script's own text. It is not joined to an address, which could read it as one: it is checked, and
put where the path of the gateway's address is.
"""

import re

import httpx

_SERVED = re.compile(r"/(?:(?:api|ajax-api)/[!-~]+|(?:health|version)(?:\?[!-~]*)?)")
_CLIMBS = re.compile(r"(?:^|/)\.{0,2}(?:/|$)|[\\#;]")
"""An empty segment or one of dots, and what some would read as the end of a segment."""


def is_served(target: str) -> bool:
    """Whether a request's target is a path of MLflow's API, whatever follows it as a query."""
    path = target.partition("?")[0]
    return bool(_SERVED.fullmatch(target)) and "#" not in target and not _CLIMBS.search(path[1:])


def address_of(base: httpx.URL, target: str) -> httpx.URL:
    """Where a target is below MLflow's address.

    Raises:
        ValueError: it is no path of MLflow's API.
    """
    if not is_served(target):
        raise ValueError("not a path of MLflow's")
    url = base.copy_with(raw_path=base.raw_path.rstrip(b"/") + target.encode("ascii"))
    if (url.scheme, url.host, url.port) != (base.scheme, base.host, base.port):
        raise ValueError("not a path of MLflow's")
    return url
