"""Comparing jobs by their manifests: what differs between several, and whether a run came to the same as another one.

Two metrics are identical when they are the same number; NaN is the same as NaN. They are within the tolerance when they differ
by no more than that part of the larger one. What only one of the two has is missing, and that is a difference.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from tiltyard.wire.environments import Environment
from tiltyard.wire.manifests import Manifest
from tiltyard.wire.model import Json, WireModel
from tiltyard.wire.results import Real

TOLERANCE = 1e-6


class Verdict(StrEnum):
    """How two values of a metric stand to each other, or two runs."""

    identical = "identical"
    within = "within tolerance"
    different = "different"
    missing = "missing"

    @property
    def same(self) -> bool:
        """Whether it says that nothing is different."""
        return self in {Verdict.identical, Verdict.within}


class MetricComparison(WireModel):
    """A metric of two runs; None where one has it not."""

    name: str
    before: Real | None
    after: Real | None
    verdict: Verdict


class Difference(WireModel):
    """Something in which jobs differ: a value for each of them, in order; null where one has none."""

    fact: str
    """Such as `parameters.eps` or `environment.packages.numpy`."""
    values: list[Json]


class Replayed(WireModel):
    """What running a job again came to."""

    job: str
    replay: str
    verdict: Verdict
    """`different` where a metric is different or missing, or the two ended otherwise."""
    metrics: list[MetricComparison]
    differences: list[Difference]
    """In how they ended, in what they ran in, and in the files that they left."""


def compare_metric(before: float | None, after: float | None, *, tolerance: float = TOLERANCE) -> Verdict:
    """How two values stand to each other."""
    if before is None or after is None:
        return Verdict.missing
    if before == after or (math.isnan(before) and math.isnan(after)):
        return Verdict.identical
    # An infinity is near nothing, and nothing is near NaN.
    return Verdict.within if math.isclose(before, after, rel_tol=tolerance) else Verdict.different


def compare_metrics(
    before: Mapping[str, float], after: Mapping[str, float], *, tolerance: float = TOLERANCE
) -> list[MetricComparison]:
    """Every metric of two runs, by name."""
    return [
        MetricComparison(
            name=name,
            before=before.get(name),
            after=after.get(name),
            verdict=compare_metric(before.get(name), after.get(name), tolerance=tolerance),
        )
        for name in sorted({*before, *after})
    ]


def compare_runs(before: Manifest, after: Manifest, *, tolerance: float = TOLERANCE) -> Replayed:
    """Whether a run came to what another one came to."""
    metrics = compare_metrics(before.metrics, after.metrics, tolerance=tolerance)
    found = differences([before, after], sections=("exit", "environment", "outputs"))
    ended_alike = not any(one.fact.startswith("exit.") for one in found)
    verdict = Verdict.different
    if ended_alike and all(one.verdict.same for one in metrics):
        inexact = any(one.verdict is Verdict.within for one in metrics)
        verdict = Verdict.within if inexact else Verdict.identical
    return Replayed(job=before.job, replay=after.job, verdict=verdict, metrics=metrics, differences=found)


def differences(
    manifests: Sequence[Manifest], *, sections: Iterable[str] | None = None, everything: bool = False
) -> list[Difference]:
    """In what jobs differ.

    Args:
        manifests: theirs, in the order in which values are given.
        sections: only what begins so; None: all.
        everything: also what is the same in all.
    """
    known = [facts_of(manifest) for manifest in manifests]
    names = dict.fromkeys(name for one in known for name in one)
    wanted = None if sections is None else frozenset(sections)
    found = []
    for name in names:
        if wanted is not None and name.partition(".")[0] not in wanted:
            continue
        values = [one.get(name) for one in known]
        if everything or any(value != values[0] for value in values[1:]):
            found.append(Difference(fact=name, values=values))
    return found


def facts_of(manifest: Manifest) -> dict[str, Json]:
    """What a manifest says, each fact under a name of its own; a job's own id and its times are none."""
    plain = manifest.model_dump(mode="json")
    facts: dict[str, Json] = {name: plain[name] for name in ("archive", "entry_point", "queue")}
    facts |= _named("parameters", plain["parameters"])
    facts |= {f"inputs.{one.parameter}": f"{one.reference} {one.sha256}" for one in manifest.inputs}
    facts |= {f"plugins.{pin.name}": f"{pin.version} {pin.sha256}" for pin in manifest.plugins}
    facts |= _environment(manifest.ran_in)
    facts["attempts"] = len(manifest.attempts)
    facts |= _named(
        "exit", {name: plain["exit"][name] for name in ("state", "reason", "exit_code", "signal")}
    )
    facts |= _named("metrics", plain["metrics"])
    facts |= {f"outputs.{one.path}": one.sha256 for one in manifest.outputs}
    return facts


def _environment(environment: Environment | None) -> dict[str, Json]:
    if environment is None:
        return {}
    plain = environment.model_dump(mode="json")
    parts = {name: plain.pop(name) for name in ("platform", "hardware", "packages")}
    return _named("environment", plain) | {
        f"environment.{part}.{name}": value for part, held in parts.items() for name, value in held.items()
    }


def _named(section: str, values: Mapping[str, Any]) -> dict[str, Json]:
    return {f"{section}.{name}": value for name, value in values.items()}
