"""`python -m tests.faults --count 200`: the whole suite, with a table at its end; `--mutants`: proof that it can fail."""

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from tests.faults.injections import ALL
from tests.faults.mutants import seeds
from tests.faults.mutants.mutant import Mutant
from tests.faults.mutants.trial import survivors
from tests.faults.report import as_json, as_markdown, failed
from tests.faults.run import run
from tests.faults.scene import Fault

Named = TypeVar("Named", Fault, Mutant)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="faults that are to bite")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="one kind; may be repeated"
    )
    parser.add_argument("--mutants", action="store_true", help="run seeded mutants, which must be caught")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found there as well")
    parser.add_argument("--want", type=int, default=6, help="jobs that are kept in flight")
    parser.add_argument("--source", type=Path, help="a checkout whose code the processes run")
    parser.add_argument("--valkey", action="store_true", help="run on the embedded broker, RabbitMQ or not")
    asked = parser.parse_args()
    # A run that is told to end takes its yard down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if asked.mutants:
        return _mutants(parser, asked)
    faults = _named(parser, asked.only, ALL)
    outcome = run(
        faults,
        count=asked.count,
        seed=asked.seed,
        want=asked.want,
        source=asked.source,
        rabbitmq=False if asked.valkey else None,
        tell=_tell,
    )
    if asked.json:
        asked.json.write_text(json.dumps(as_json(outcome), indent=1) + "\n")
    print(f"\n{as_markdown(outcome)}")
    return int(failed(outcome))


def _mutants(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> int:
    mutants = _named(parser, asked.only, seeds.ALL)
    began = time.monotonic()
    left = survivors(mutants, seed=asked.seed, tell=_tell)
    caught, took = len(mutants) - len(left), time.monotonic() - began
    _tell(f"{caught} of {len(mutants)} mutants were caught, in {took / 60:.1f} minutes.")
    return int(bool(left))


def _named(
    parser: argparse.ArgumentParser, names: Sequence[str], all_of_them: Sequence[Named]
) -> list[Named]:
    known = {one.name: one for one in all_of_them}
    if unknown := set(names) - known.keys():
        parser.error(f"there is nothing called {unknown.pop()!r}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(all_of_them)


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
