"""The files of other jobs that a job needs, put below the folder where its command runs."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from tiltyard.wire import InputFile
from tiltyard_workers.gateway import Refused
from tiltyard_workers.supervisor.scratch import Damaged


class InputMissing(Exception):
    """An input cannot be had; the message names it."""


def put_inputs(inputs: Sequence[InputFile], work: Path, fetch: Callable[[InputFile, str], Path]) -> None:
    """Copy inputs to their places: a job may change its copy, and nobody else's.

    Args:
        inputs: what the job needs.
        work: the folder that their places are relative to.
        fetch: finds or brings the file of one, of a digest.

    Raises:
        InputMissing: one is not to be had, or not what it should be.
        OSError: there is no room for it.
    """
    for one in inputs:
        if one.sha256 is None:
            raise InputMissing(
                f"the parameter {one.parameter!r} names {one.path!r}, which job {one.job} did not leave"
            )
        place = work / one.place
        if not Path(os.path.normpath(place)).is_relative_to(work):
            raise InputMissing(f"the place of the input {one.parameter!r} does not lie in the job's folder")
        try:
            kept = fetch(one, one.sha256)
        except (Damaged, Refused) as why:
            raise InputMissing(f"{one.path!r} of job {one.job} could not be had: {why}") from why
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(kept, place)
