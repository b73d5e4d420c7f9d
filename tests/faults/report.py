"""A run's outcome as a table for people, and as JSON for programs."""

from collections import Counter
from collections.abc import Sequence
from statistics import quantiles
from typing import Any

from tests.faults.run import Outcome
from tests.faults.scene import Bite

COLUMNS = (
    "fault",
    "injected",
    "bit",
    "lost",
    "stuck",
    "double",
    "wrong",
    "gaps",
    "overlaps",
    "p50 s",
    "p99 s",
)


def failed(outcome: Outcome) -> bool:
    """Whether a promise was broken, or a kind of fault never bit."""
    return not outcome.verdict.good or bool(never_bit(outcome.bites))


def never_bit(bites: Sequence[Bite]) -> list[str]:
    """The kinds that were injected in vain."""
    return sorted({bite.fault for bite in bites} - {bite.fault for bite in bites if bite.bit})


def as_markdown(outcome: Outcome) -> str:
    """The table, and under it what was found."""
    verdict = outcome.verdict
    rows = [COLUMNS, tuple("---" for _ in COLUMNS), *_rows(outcome)]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    bitten = sum(bite.bit for bite in outcome.bites)
    broken = len(verdict.findings)
    bound = (
        f"; with 95 % confidence fewer than {3 / bitten:.2%} of such faults break one"
        if bitten and not broken
        else ""
    )
    lines += [
        "",
        f"{broken} of {bitten} faults broke a promise{bound}." if not broken else
        f"{broken} findings after {bitten} faults.",
        f"{verdict.jobs} jobs were accepted, their code started {verdict.starts} times; {outcome.seconds / 60:.1f} minutes.",
    ]  # fmt: skip
    lines += [f"- not run here: {what}" for what in outcome.skipped]
    lines += [f"- never bit: {name}" for name in never_bit(outcome.bites)]
    lines += [f"- {finding}" for finding in verdict.findings]
    return "\n".join(lines)


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The same for programs."""
    verdict = outcome.verdict
    return {
        "verdict": {name: value for name, value in vars(verdict).items() if isinstance(value, int)},
        "findings": [str(finding) for finding in verdict.findings],
        "seconds": round(outcome.seconds, 1),
        "skipped": outcome.skipped,
        "bites": [
            {"fault": bite.fault, "bit": bite.bit, "hit": bite.hit, "recovery": bite.recovery}
            for bite in outcome.bites
        ],
    }


def _rows(outcome: Outcome) -> list[tuple[str, ...]]:
    blamed = Counter((_blame(outcome, finding.job), finding.kind) for finding in outcome.verdict.findings)
    crossed = Counter(_blame(outcome, job) for job in outcome.verdict.overlapping)
    rows = []
    for name in dict.fromkeys(sorted(bite.fault for bite in outcome.bites)):
        ours = [bite for bite in outcome.bites if bite.fault == name]
        found = [str(blamed[name, kind]) for kind in ("lost", "stuck", "double", "wrong", "gaps")]
        counts = [str(len(ours)), str(sum(bite.bit for bite in ours)), *found, str(crossed[name])]
        rows.append((name, *counts, *_recoveries(ours)))
    return rows


def _recoveries(bites: Sequence[Bite]) -> tuple[str, str]:
    seconds = sorted(bite.recovery for bite in bites if bite.recovery is not None)
    if not seconds:
        return "", ""
    if len(seconds) == 1:
        return f"{seconds[0]:.1f}", f"{seconds[0]:.1f}"
    cuts = quantiles(seconds, n=100, method="inclusive")
    return f"{cuts[49]:.1f}", f"{cuts[98]:.1f}"


def _blame(outcome: Outcome, job: str | None) -> str:
    """The fault that a job's trouble is put down to: one that hit it, or else the last one before its end."""
    direct = [bite for bite in outcome.bites if job in bite.lost_leases | bite.ended_by_it]
    direct = [bite for bite in direct if bite.may_overlap] or direct
    during = [bite for bite in outcome.bites if bite.bit and job in bite.in_flight]
    return next((bite.fault for bite in reversed(direct or during)), "none")
