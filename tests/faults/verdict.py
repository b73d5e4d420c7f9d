"""The judge: what was promised, held against what clients saw, what jobs told of themselves and what is stored.

It is asked once, when every fault is healed and every job had time to end. Each finding is one sentence; the counts are
of findings, but for `overlaps`, which also counts those that the promise allows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.faults.evidence import Evidence, gather
from tests.faults.followers import gaps
from tests.faults.histories import double, overlapping, wrong
from tests.faults.leftovers import leftovers
from tests.faults.scene import Bite, Scene
from tests.faults.strays import outlived

Kind = Literal["lost", "stuck", "double", "wrong", "gaps", "overlaps", "leftovers"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One way in which a promise was broken."""

    kind: Kind
    job: str | None
    said: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.said}"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of all the jobs."""

    jobs: int
    """Submissions that were accepted."""
    starts: int
    """How often the code of any of them started."""
    lost: int
    stuck: int
    double: int
    wrong: int
    gaps: int
    overlaps: int
    """Two attempts of a job at once: those that a frozen or cut-off worker explains, and others, which are findings."""
    leftovers: int
    findings: tuple[Finding, ...]
    overlapping: tuple[str, ...]
    """The jobs of which two attempts ran at once."""

    @property
    def good(self) -> bool:
        """Whether every promise was kept."""
        return not self.findings


def judge(scene: Scene, bites: Sequence[Bite], *, mounts_before: Iterable[str]) -> Verdict:
    """Give the verdict."""
    evidence = gather(scene, bites)
    findings = [
        *_said("lost", lost(evidence)),
        *_said("stuck", stuck(evidence)),
        *_said("stuck", troubles(evidence)),
        *_said("double", double(evidence)),
        *_said("wrong", wrong(evidence)),
        *_said("gaps", gaps(evidence)),
    ]
    overlaps = overlapping(evidence)
    findings += _said("overlaps", ((job, why) for job, why, allowed in overlaps if not allowed))
    findings += _said("leftovers", outlived(evidence))
    findings += _said("leftovers", ((None, said) for said in leftovers(scene, mounts_before)))
    counts = {kind: sum(1 for one in findings if one.kind == kind) for kind in Kind.__args__}  # type: ignore[attr-defined]
    return Verdict(
        jobs=len(evidence.accepted),
        starts=len(evidence.lives),
        findings=tuple(findings),
        overlapping=tuple(job for job, _, _ in overlaps),
        **counts | {"overlaps": len(overlaps)},
    )


def lost(evidence: Evidence) -> Iterable[tuple[str | None, str]]:
    """Submissions that were accepted and are nowhere."""
    for sent in evidence.accepted:
        assert sent.job is not None
        if sent.job not in evidence.recorded:
            yield sent.job, f"{sent.job} ({sent.key}) was accepted and is not in the database"
    for sent in evidence.unanswered:
        yield sent.job, f"{sent.key} was never accepted: {sent.error or 'no answer came'}"


def stuck(evidence: Evidence) -> Iterable[tuple[str | None, str]]:
    """Jobs that do not end."""
    for job in evidence.recorded.values():
        if job.row["finished_at"] is None:
            state, attempt = job.row["state"], job.row["attempt"]
            yield (
                job.id,
                f"{job.id} is still {state}, after {attempt} attempts and {job.row['seq'] + 1} events",
            )


def troubles(evidence: Evidence) -> Iterable[tuple[str | None, str]]:
    """What did not come back by itself."""
    return [(None, f"{bite.trouble}") for bite in evidence.bites if bite.trouble]


def _said(kind: Kind, found: Iterable[tuple[str | None, str]]) -> list[Finding]:
    return [Finding(kind=kind, job=job, said=said) for job, said in found]
