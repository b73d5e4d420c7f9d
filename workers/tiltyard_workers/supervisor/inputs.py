"""What a job needs of other jobs and of the model registry, put below the folder where its command runs.

A file is copied; a folder and a model come as a tar, which is read by the rules of archives: nothing of it lands outside.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from tiltyard.archive import ArchiveRefused, unpack
from tiltyard.archive.content import INPUT_LIMITS
from tiltyard.wire import InputFile, InputKind
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
            _put(one, kept, place)
        except (ArchiveRefused, Damaged, Refused) as why:
            raise InputMissing(f"{_named(one)} could not be had: {why}") from why
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as why:  # no trouble of this host's
            said = f"the archive has a file of its own where the input {one.parameter!r} is to be put: {one.place}"
            raise InputMissing(said) from why


def _put(one: InputFile, kept: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if not one.is_packed:
        shutil.copyfile(kept, place)
    elif one.file is None:
        unpack(kept, place, INPUT_LIMITS)
    else:  # a model that is one file: its place is the file's
        unpack(kept, place.parent, INPUT_LIMITS)


def _named(one: InputFile) -> str:
    if one.kind is InputKind.model:
        return f"model {one.model!r} version {one.version}"
    return f"{one.path!r} of job {one.job}"
