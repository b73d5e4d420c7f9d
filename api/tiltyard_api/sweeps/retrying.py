"""Retrying a sweep: its new jobs have the very versions of plugins that their parents had, held while they are written."""

from tiltyard.wire import JobChanges, Sweep, SweepRetry
from tiltyard_api.http.problems import not_found
from tiltyard_api.jobs.named_models import models_of
from tiltyard_api.jobs.submissions import checked, made_from
from tiltyard_api.parts import Parts
from tiltyard_orchestrator.storage.jobs.read import get_job
from tiltyard_orchestrator.storage.sweeps.lost import lost_cells, of_each_kind
from tiltyard_orchestrator.storage.sweeps.retry import Retried, retry_sweep


async def retried(here: Parts, sweep: Sweep, asked: SweepRetry) -> Retried:
    """Write the new jobs.

    Raises:
        Refused: what they need is not there any more: a version of a plugin, an input.
    """
    async with here.database.transaction() as session:
        lost = await lost_cells(session, sweep.id, cancelled=asked.cancelled)
        some = await of_each_kind(session, lost.cells)
        parents = [(found, cell) for cell in some if (found := await get_job(session, cell.job))]
    again = [
        (parent, made_from(parent, JobChanges(parameters=cell.parameters or {}))) for parent, cell in parents
    ]
    models = [await models_of(here, submission) for _, submission in again]
    async with here.database.transaction() as session:
        for (parent, submission), known in zip(again, models, strict=True):
            await checked(session, here, submission, models=known, keeping=parent.plugins)
        made = await retry_sweep(session, sweep.id, cancelled=asked.cancelled)
    if made is None:
        raise not_found("sweep", sweep.id)
    return made
