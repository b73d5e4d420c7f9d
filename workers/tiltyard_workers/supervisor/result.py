"""What the end of a job's process means: the result that is reported, with a sentence for a person."""

import errno
import signal
from dataclasses import dataclass

from pydantic import ByteSize

from tiltyard.wire import JobState, Reason
from tiltyard_workers.allowance import Allowance
from tiltyard_workers.fences.process import Ended, Passed

_SAID = {
    126: "The command could not be started (exit code 126): is it executable?",
    127: "The command was not found (exit code 127): is it in the archive, or installed in this image?",
}


@dataclass(frozen=True, kw_only=True)
class Result:
    """How an attempt ended, as it will be reported."""

    state: JobState
    reason: Reason | None = None
    message: str | None = None
    exit_code: int | None = None
    signal: str | None = None


CANCELLED = Result(
    state=JobState.cancelled, reason=Reason.cancel_requested, message="A caller asked for it to end."
)


def timed_out(seconds: float) -> Result:
    """The job ran longer than it may."""
    message = f"It ran longer than its time-out of {seconds:g} s and was ended."
    return Result(state=JobState.failed, reason=Reason.timed_out, message=message)


def silent(seconds: float) -> Result:
    """The job told nothing for longer than it may."""
    message = f"It told nothing for its progress time-out of {seconds:g} s (no output, metric or progress) and was ended."
    return Result(state=JobState.failed, reason=Reason.timed_out, message=message)


def over_limit(ended: Ended, allowed: Allowance, *, out_of_memory: bool = False) -> Result | None:
    """What it means that a job used more than it may; None where it did not.

    Args:
        ended: how it ended.
        allowed: what it may use.
        out_of_memory: whether the kernel ended a process here meanwhile because memory ran out.
    """
    match ended:
        case Ended(passed=Passed(limit="processes", found=found)):
            return _over(
                f"It had {found} processes and threads at a time, where this worker allows a job {allowed.processes}",
                "start fewer",
                "TILTYARD_JOB_PROCESSES",
            )
        case Ended(passed=Passed(limit="scratch", found=None)):
            message = "How much of the disk its files took cannot be measured: its folders are nested too deep, or closed."
            return Result(state=JobState.failed, reason=Reason.over_limit, message=message)
        case Ended(passed=Passed(limit="scratch", found=int(found))):
            return _over(
                f"Its files took {_size(found)} of the disk, where this worker allows a job {_size(allowed.scratch_bytes)}",
                "keep less at a time",
                "TILTYARD_JOB_SCRATCH_BYTES",
            )
        case Ended() if _ended_by(ended, signal.SIGXFSZ):
            most = _size(allowed.file_bytes)
            return _over(
                f"SIGXFSZ ended it: a file would have grown beyond the {most} that this worker allows one file of a job",
                "write less",
                "TILTYARD_JOB_SCRATCH_BYTES",
            )
        case Ended() if _shm_ended(ended, out_of_memory=out_of_memory):
            return _over(
                f"It failed after it had filled /dev/shm, where this worker allows a job {_size(allowed.shm_bytes)}",
                "share less between its processes (fewer DataLoader workers, smaller batches)",
                "TILTYARD_JOB_SHM_BYTES",
            )
    return None


def _shm_ended(ended: Ended, *, out_of_memory: bool) -> bool:
    """Whether a full /dev/shm is why: who touches a page that it has no room for gets a SIGBUS."""
    if out_of_memory and _ended_by(ended, signal.SIGKILL):
        return False
    return (ended.shm_full and ended.exit_code != 0) or (
        ended.shm_was_full and _ended_by(ended, signal.SIGBUS)
    )


def _ended_by(ended: Ended, number: signal.Signals) -> bool:
    return number in {ended.signal, (ended.exit_code or 0) - 128}  # a shell adds 128


def _over(what: str, less: str, setting: str) -> Result:
    message = f"{what}: {less}, or set {setting} higher for the worker."
    return Result(state=JobState.failed, reason=Reason.over_limit, message=message)


def _size(count: int) -> str:
    return ByteSize(count).human_readable(separator=" ")


def judge(ended: Ended, *, out_of_memory: bool = False) -> Result:
    """What a job's own end means.

    Args:
        ended: how it ended.
        out_of_memory: whether the kernel ended a process here meanwhile because memory ran out.
    """
    match ended:
        case Ended(exit_code=0):
            return Result(state=JobState.succeeded)
        case Ended(exit_code=int(code)) if code > 128 and code - 128 in signal.valid_signals():
            # A shell tells so of a command of its own that a signal ended.
            return _by_signal(code - 128, code, out_of_memory=out_of_memory)
        case Ended(exit_code=int(code)):
            message = _SAID.get(code, f"The entry point exited with code {code}.")
            if ended.shm_was_full:
                message += " Its /dev/shm was full meanwhile; TILTYARD_JOB_SHM_BYTES sets how much the worker allows."
            return Result(state=JobState.failed, reason=Reason.exit_code, message=message, exit_code=code)
        case Ended(signal=int(number)):
            return _by_signal(number, None, out_of_memory=out_of_memory)
    message = "Its processes were ended from outside, and how they ended is not known."
    reason = Reason.out_of_memory if out_of_memory else Reason.signal
    return Result(state=JobState.failed, reason=reason, message=message)


def _by_signal(number: int, exit_code: int | None, *, out_of_memory: bool) -> Result:
    known = number in set(signal.Signals)
    name = signal.Signals(number).name if known else f"signal {number}"
    reason, message = Reason.signal, f"The entry point was ended by {name}."
    if number == signal.SIGKILL and out_of_memory:
        reason = Reason.out_of_memory
        message = (
            "The kernel ended it because memory ran out: let it hold less at once, or use a larger worker."
        )
    elif number == signal.SIGKILL:
        message += " Nobody here sent it: the host may have run out of memory."
    return Result(state=JobState.failed, reason=reason, message=message, signal=name, exit_code=exit_code)


def start_failed(error: Exception) -> Result:
    """The worker could not start the job; another attempt may."""
    said = str(error)
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        said = "the worker's disk is full"
    message = f"The worker could not start it: {said}."
    return Result(state=JobState.failed, reason=Reason.start_failed, message=message)
