"""The gateway as an application: its parts made at the start, its routes, its errors, its OpenAPI."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI

from tiltyard import __version__
from tiltyard_api import archives, events, experiments, health, plots, queues, workers
from tiltyard_api.artifacts import links
from tiltyard_api.artifacts import routes as artifacts
from tiltyard_api.attempts import routes as attempts
from tiltyard_api.bundles import routes as bundles
from tiltyard_api.door import Door
from tiltyard_api.http import problems
from tiltyard_api.http.asked import only_known_parameters
from tiltyard_api.jobs import history, log, manifests
from tiltyard_api.jobs import routes as jobs
from tiltyard_api.mlflow import served
from tiltyard_api.models import routes as models
from tiltyard_api.models import versions as model_versions
from tiltyard_api.openapi import document as openapi
from tiltyard_api.openapi import page
from tiltyard_api.parts import Pace, Parts
from tiltyard_api.parts.checkup import Checkup
from tiltyard_api.parts.guests import Guests
from tiltyard_api.parts.reading import Reader
from tiltyard_api.plugins import collection, tasks
from tiltyard_api.plugins import routes as plugins
from tiltyard_api.readers.pool import ReaderPool
from tiltyard_api.results import metrics
from tiltyard_api.results import routes as results
from tiltyard_api.sweeps import results as sweep_results
from tiltyard_api.sweeps import routes as sweeps
from tiltyard_orchestrator.artifacts.choose import choose_store
from tiltyard_orchestrator.artifacts.store import Store
from tiltyard_orchestrator.broker.hints import Hints
from tiltyard_orchestrator.broker.publish import Publisher
from tiltyard_orchestrator.history.export import export_for_ever
from tiltyard_orchestrator.keeper.loops import Keeper
from tiltyard_orchestrator.settings import Settings
from tiltyard_orchestrator.storage.access.tokens import add_token
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.tracking.experiments import TrackedExperiments
from tiltyard_orchestrator.tracking.server import Tracking

EXPORT_EVERY_SECONDS = 600.0
NOUNS = (
    models, model_versions, links, archives, plugins, tasks, experiments, queues, workers, attempts, jobs, sweeps,
    metrics, results, manifests, history, artifacts, sweep_results, plots, bundles, log, events,
)  # fmt: skip


def create_app(settings: Settings, pace: Pace | None = None) -> FastAPI:
    """The gateway for these settings. It imports no user code, no MLflow and no Prefect."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running_parts(settings, pace or Pace()) as parts:
            app.state.parts = parts
            yield

    app = FastAPI(
        title="Tiltyard",
        version=__version__,
        summary="A testbed for machine-learning security.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(Door)
    api = APIRouter(prefix="/api/v1", dependencies=[Depends(only_known_parameters)])
    for noun in NOUNS:
        api.include_router(noun.routes)
    app.include_router(api)
    app.include_router(health.routes)
    app.include_router(links.public)
    app.add_route("/mlflow", served.root, include_in_schema=False)
    app.mount("/mlflow", served.serve)
    problems.install(app)
    openapi.install(app)
    page.install(app)
    return app


@asynccontextmanager
async def running_parts(settings: Settings, pace: Pace) -> AsyncIterator[Parts]:
    """The parts of a gateway, with the keeper running, while the block lasts."""
    async with AsyncExitStack() as stack:
        database = Database(settings.database, pool_size=settings.database_pool_size)
        stack.push_async_callback(database.dispose)
        await _add_tokens(database, settings)
        broker_url = settings.broker_url.get_secret_value()
        publisher = Publisher(broker_url, message_seconds=settings.resend_seconds * 2)
        stack.push_async_callback(asyncio.to_thread, publisher.close)
        hints = Hints(broker_url)
        hints.start()
        stack.push_async_callback(asyncio.to_thread, hints.stop)
        keeper = Keeper(database, publisher, hints, settings)
        keeping = asyncio.create_task(keeper.run(), name="keeper")
        stack.push_async_callback(_end, keeping)
        spool = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="tiltyard-uploads-", dir=_spool_place(settings))
        )
        readers = ReaderPool()
        stack.push_async_callback(readers.close)
        await readers.open()
        store = choose_store(settings)
        _export_old(stack, settings, database, store, Path(spool))
        tracking, tracked = _track(stack, settings, database)
        parts = Parts(
            settings=settings,
            database=database,
            store=store,
            publisher=publisher,
            hints=hints,
            keeper=keeper,
            keeping=keeping,
            checkup=Checkup(database, publisher, store),
            guests=Guests(database),
            reader=Reader(database),
            tracking=tracking,
            experiments=tracked,
            spool=Path(spool),
            readers=readers,
            pace=pace,
        )
        pushing = collection.begin(parts)
        stack.push_async_callback(_end, pushing)
        await asyncio.wait([pushing], timeout=collection.PATIENCE_SECONDS)
        yield parts


def _export_old(
    stack: AsyncExitStack, settings: Settings, database: Database, store: Store, spool: Path
) -> None:
    if settings.keep_days is None:
        return
    exporting = export_for_ever(
        database, store, keep_seconds=settings.keep_days * 86_400, spool=spool, every=EXPORT_EVERY_SECONDS
    )
    stack.push_async_callback(_end, asyncio.create_task(exporting, name="export"))


def _track(
    stack: AsyncExitStack, settings: Settings, database: Database
) -> tuple[Tracking, TrackedExperiments] | tuple[None, None]:
    """MLflow, and the experiments in it, kept as ours are; nothing where this testbed has none."""
    if settings.mlflow_url is None:
        return None, None
    tracking = Tracking(settings.mlflow_url)
    stack.push_async_callback(tracking.close)
    tracked = TrackedExperiments(database, tracking)
    stack.push_async_callback(_end, asyncio.create_task(tracked.run(), name="mlflow-experiments"))
    return tracking, tracked


def _spool_place(settings: Settings) -> Path | None:
    # Beside the store where there is one: the same disk has room for both or for neither.
    if settings.store_dir is None:
        return None
    place = settings.store_dir.absolute() / ".uploads"  # a reader works in another directory
    place.mkdir(parents=True, exist_ok=True)
    return place


async def _add_tokens(database: Database, settings: Settings) -> None:
    async with database.transaction() as session:
        if settings.bootstrap_token is not None:
            token = settings.bootstrap_token.get_secret_value()
            await add_token(session, name="bootstrap", role="user", token=token)
        if settings.worker_token is not None:
            token = settings.worker_token.get_secret_value()
            await add_token(session, name="workers", role="worker", token=token)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
