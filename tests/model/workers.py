"""What a worker may do next, each call with its answer and with its answer lost.

To a worker a gateway that is killed between its commit and its answer is an answer that was lost. A worker that crashed is
an idle one that remembers nothing, for another process takes its place. A frozen one is a worker that takes no step while
its lease runs out, and a request that lingers on its way is one that is not sent yet. A bell is heard and answered by a
claim in one step, for a bell that was only heard has changed nothing.
"""

from collections.abc import Iterator

from tests.model.protocol import Job, Protocol
from tests.model.state import IDLE, NAMES, Doing, State, Step, Worker, with_job, with_worker
from tiltyard.wire.jobs import JobState


def worker_steps(protocol: Protocol, state: State, worker: Worker) -> Iterator[Step]:
    match worker.doing:
        case Doing.idle:
            if state.bells:
                heard = state._replace(bells=state.bells - 1)
                yield from _claim(protocol, heard, worker, "a worker hears a bell")
        case Doing.asking:
            yield from _asks_again(protocol, state, worker)
        case Doing.running:
            yield from _report(protocol, state, worker)
            yield from _end(protocol, state, worker)
        case Doing.ended:
            yield from _finish(protocol, state, worker)
        case Doing.leaving:
            yield from _release(protocol, state, worker)
    if worker.doing is not Doing.idle:
        crashed = with_worker(state, worker, IDLE)
        yield Step(f"{_who(worker)} crashes", False, worker.job, worker.epoch, crashed)


def _claim(protocol: Protocol, state: State, worker: Worker, words: str) -> Iterator[Step]:
    found = False
    for index, job in enumerate(state.jobs):
        if state.paused or not protocol.claimable(job):
            continue
        found = True
        claimed = protocol.claim(job)
        taken = with_job(state, index, claimed)
        got = f"{words} and claims {NAMES[index]}, epoch {claimed.epoch}"
        runs = Worker(Doing.running, index, claimed.epoch)
        yield Step(got, True, index, 0, with_worker(taken, worker, runs))
        asks = runs._replace(doing=Doing.asking)
        yield Step(f"{got}; the answer is lost", False, index, 0, with_worker(taken, worker, asks))
    if not found:
        yield Step(f"{words} and finds nothing to claim", True, -1, 0, with_worker(state, worker, IDLE))


def _asks_again(protocol: Protocol, state: State, worker: Worker) -> Iterator[Step]:
    job = state.jobs[worker.job]
    if protocol.holds(job, worker.epoch):
        runs = worker._replace(doing=Doing.running)
        words = f"a worker asks again and gets {_attempt(worker)}"
        yield Step(words, True, worker.job, worker.epoch, with_worker(state, worker, runs))
    else:
        yield from _claim(
            protocol, state, worker, "a worker whose token stands for nothing any more asks again"
        )


def _report(protocol: Protocol, state: State, worker: Worker) -> Iterator[Step]:
    job = state.jobs[worker.job]
    reported = with_job(state, worker.job, protocol.report(job, worker.epoch))
    if not protocol.holds(job, worker.epoch):
        stopped = with_worker(reported, worker, IDLE)
        words = f"{_who(worker)} reports and is told to stop"
        yield Step(words, True, worker.job, worker.epoch, stopped)
        return
    told = with_worker(reported, worker, worker._replace(told=job.cancel_requested))
    yield Step(f"{_who(worker)} reports", True, worker.job, worker.epoch, told)
    words = f"{_who(worker)} reports; the answer is lost"
    yield Step(words, False, worker.job, worker.epoch, reported)


def _end(protocol: Protocol, state: State, worker: Worker) -> Iterator[Step]:
    for result, outcome in protocol.results.items():
        if outcome.state is not JobState.cancelled or worker.told:
            ended = worker._replace(doing=Doing.ended, result=result, told=False)
            words = f"{_who(worker)} comes to its end: {result}"
            yield Step(words, True, worker.job, worker.epoch, with_worker(state, worker, ended))
    if state.stops:
        leaving = worker._replace(doing=Doing.leaving, told=False)
        stopped = with_worker(state._replace(stops=state.stops - 1), worker, leaving)
        yield Step(f"{_who(worker)} is stopped on purpose", False, worker.job, worker.epoch, stopped)


def _finish(protocol: Protocol, state: State, worker: Worker) -> Iterator[Step]:
    job = protocol.finish(state.jobs[worker.job], worker.epoch, worker.result)
    yield from _sent(state, worker, job, f"{_who(worker)} sends {worker.result}")


def _release(protocol: Protocol, state: State, worker: Worker) -> Iterator[Step]:
    job = protocol.release(state.jobs[worker.job], worker.epoch)
    yield from _sent(state, worker, job, f"{_who(worker)} hands its job back")


def _sent(state: State, worker: Worker, job: Job, words: str) -> Iterator[Step]:
    before = state.jobs[worker.job]
    became = f": {NAMES[worker.job]} is {job.state}" if job != before else ", which changes nothing"
    after = with_job(state, worker.job, job)
    answered = with_worker(after, worker, IDLE)
    yield Step(words + became, True, worker.job, worker.epoch, answered)
    yield Step(f"{words}{became}; the answer is lost", False, worker.job, worker.epoch, after)


def _attempt(worker: Worker) -> str:
    return f"epoch {worker.epoch} of {NAMES[worker.job]}"


def _who(worker: Worker) -> str:
    return f"the worker of {_attempt(worker)}"
