"""What a submit costs: `POST /api/v1/jobs` on a real gateway, beside a bare FastAPI handler that does one INSERT.

    make bench                                  everything on this machine, from packages alone
    make bench ARGS="--clients 64 --rounds 5"
    make bench ARGS="--database-url postgresql://postgres@127.0.0.1/postgres"

Both servers run all the time, on the same PostgreSQL; the rounds alternate between them, so that whatever else the machine
does meets both. benchmarks/README.md says how to read the result.
"""

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.load import Target, latencies, percentile, rate
from benchmarks.surroundings import bare_server, database, gateway, ready_to_submit, scratch


@dataclass
class Measured:
    """What the rounds gave for one target."""

    alone: list[float] = field(default_factory=list)
    """Seconds of each request, one client."""
    rates: list[float] = field(default_factory=list)
    """Requests a second of each round, many clients."""


async def measure(targets: list[Target], options: argparse.Namespace) -> dict[str, Measured]:
    """Take turns: every round measures every target, and begins with another one."""
    found = {target.name: Measured() for target in targets}
    for target in targets:
        await latencies(
            target, clients=options.clients, requests=options.clients * 5
        )  # warm pools and caches
    for number in range(options.rounds):
        shift = number % len(targets)
        for target in targets[shift:] + targets[:shift]:
            found[target.name].alone += await latencies(target, clients=1, requests=options.alone)
        for target in targets[shift:] + targets[:shift]:
            found[target.name].rates.append(
                await rate(target, clients=options.clients, requests=options.together)
            )
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    return found


ROWS: list[tuple[str, Callable[[Measured], float], bool]] = [
    ("one client, p50, ms", lambda one: percentile(one.alone, 0.50) * 1000, False),
    ("one client, p99, ms", lambda one: percentile(one.alone, 0.99) * 1000, False),
    ("{clients} clients, requests a second", lambda one: statistics.median(one.rates), True),
]


def table(found: dict[str, Measured], clients: int) -> str:
    """The result for a person; a ratio above 1 is how many times more the submit costs."""
    bare, submit = found["bare INSERT"], found["submit"]
    lines = [f"{'':38}{'bare INSERT':>14}{'submit':>14}{'ratio':>9}"]
    for label, value, more_is_better in ROWS:
        ratio = value(bare) / value(submit) if more_is_better else value(submit) / value(bare)
        lines.append(
            f"{label.format(clients=clients):38}{value(bare):14.2f}{value(submit):14.2f}{ratio:8.2f}x"
        )
    return "\n".join(lines)


def as_json(found: dict[str, Measured]) -> str:
    """The result for a program."""
    return json.dumps(
        {
            name: {
                "p50_ms": percentile(one.alone, 0.50) * 1000,
                "p99_ms": percentile(one.alone, 0.99) * 1000,
                "per_second": statistics.median(one.rates),
            }
            for name, one in found.items()
        }
    )


def parse() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description="Measure submits beside a bare INSERT.")
    parser.add_argument(
        "--database-url", help="a PostgreSQL server to make a database on; the wheel's by default"
    )
    parser.add_argument("--clients", type=int, default=32, help="clients at once, for the rate (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (%(default)s)")
    parser.add_argument("--alone", type=int, default=200, help="requests a round of one client (%(default)s)")
    parser.add_argument("--together", type=int, default=1000, help="requests a round of all (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one object instead of a table")
    return parser.parse_args()


def main() -> None:
    """Start both servers, measure, and leave nothing running."""
    options = parse()
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        url = stack.enter_context(database(options.database_url, folder))
        bare = stack.enter_context(bare_server(url, folder))
        running = stack.enter_context(gateway(url, folder))
        body = ready_to_submit(running, folder)
        targets = [
            Target(name="bare INSERT", url=f"{bare}/jobs", body=body),
            Target(name="submit", url=f"{running.url}/api/v1/jobs", body=body, token=running.token),
        ]
        found = asyncio.run(measure(targets, options))
    print(as_json(found) if options.json else table(found, options.clients))


if __name__ == "__main__":
    main()
