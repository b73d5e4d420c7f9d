"""Pictures of a sweep or an experiment, and the numbers that they are drawn of.

What is drawn unless it is said: `orchestrator/tiltyard_orchestrator/domain/curves`. A picture is served so that a browser
that opens it runs nothing of it, whatever its labels hold.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire.curves import Curves
from tiltyard.wire.problems import ProblemItem
from tiltyard.wire.sweeps import Sweep
from tiltyard_api.auth import User
from tiltyard_api.drawing import Picture, TooBusy
from tiltyard_api.http.problems import RETRY, Refused, invalid, not_found, responses
from tiltyard_api.parts import Here, Parts
from tiltyard_api.sweeps.routes import SweepId, known_sweep
from tiltyard_orchestrator.domain.curves import (
    Asked,
    Labels,
    Row,
    axes_of,
    choose,
    choose_metric,
    draw_lines,
)
from tiltyard_orchestrator.storage.results.plotted import (
    Plotted,
    count_rows,
    plotted_experiment,
    plotted_sweep,
    read_rows,
    told_metrics,
)

Done = TypeVar("Done")
routes = APIRouter(tags=["results"])

MOST_ROWS = 100_000
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # An SVG's own styles, and nothing else of it.
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
    "Cache-Control": "no-cache",
}


class Form(StrEnum):
    """The files that a picture can be."""

    png = "png"
    svg = "svg"


class Kind(StrEnum):
    """How a metric is drawn over parameters."""

    curve = "curve"
    heatmap = "heatmap"


MEDIA = {Form.png: "image/png", Form.svg: "image/svg+xml"}
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture",
        "content": {
            kind: {"schema": {"type": "string", "contentMediaType": kind}} for kind in MEDIA.values()
        },
    },
    **responses(404, 409),
}
By = Annotated[
    list[str] | None,
    Query(
        max_length=10,
        description="Parameters with a line for each of their values; one empty: one line in all.",
    ),
]
Over = Annotated[
    list[str] | None,
    Query(max_length=20, description="Parameters to average over; each of the others then has its lines."),
]
X = Annotated[str | None, Query(max_length=300, description="The parameter along the lines.")]
Y = Annotated[str | None, Query(max_length=300, description="The metric.")]
Pixels = Annotated[int, Query(ge=320, le=4000, description="In pixels; of an SVG, 160 of them are an inch.")]
Title = Annotated[
    str | None,
    Query(max_length=300, description="Empty for none; the description or the experiment if not given."),
]


@dataclass(frozen=True, kw_only=True)
class Look:
    """How large a picture is, and what stands above it."""

    width: int
    height: int
    title: str | None


def _asked(x: X = None, by: By = None, over: Over = None, kind: Kind = Kind.curve) -> Asked:
    return Asked(x=x, by=_names(by), over=_names(over), heatmap=kind is Kind.heatmap)


def _names(given: list[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(name for name in given if name)


def _look(width: Pixels = 1040, height: Pixels = 680, title: Title = None) -> Look:
    return Look(width=width, height=height, title=title)


View = Annotated[Asked, Depends(_asked)]
Shape = Annotated[Look, Depends(_look)]

Experiment = Annotated[str, Path(max_length=200)]


@routes.get("/sweeps/{sweep}/curves", operation_id="get_sweep_curves", responses=responses(404, 409))
async def get_sweep_curves(sweep: SweepId, here: Here, _user: User, view: View, y: Y = None) -> Curves:
    """A metric of a sweep over a parameter, with a line for each value of another: the numbers of its picture."""
    _, curves = await _curves(here, _of(await known_sweep(here, sweep)), view, y)
    return curves


@routes.get(
    "/sweeps/{sweep}/plot.{form}", operation_id="get_sweep_plot", response_class=Response, responses=PICTURE
)
async def get_sweep_plot(
    sweep: SweepId, form: Form, here: Here, _user: User, view: View, shape: Shape, y: Y = None
) -> Response:
    """Draw a metric of a sweep over a parameter, with a line for each value of another and bands over the seeds."""
    return await _picture(here, _of(await known_sweep(here, sweep)), form, view, shape, y)


@routes.get("/experiments/{name}/curves", operation_id="get_experiment_curves", responses=responses(404, 409))
async def get_experiment_curves(name: Experiment, here: Here, _user: User, view: View, y: Y = None) -> Curves:
    """A metric of all jobs of an experiment over one of their parameters: the numbers of its picture."""
    _, curves = await _curves(here, _experiment(name), view, y)
    return curves


@routes.get(
    "/experiments/{name}/plot.{form}",
    operation_id="get_experiment_plot",
    response_class=Response,
    responses=PICTURE,
)
async def get_experiment_plot(
    name: Experiment, form: Form, here: Here, _user: User, view: View, shape: Shape, y: Y = None
) -> Response:
    """Draw a metric of all jobs of an experiment over one of their parameters."""
    return await _picture(here, _experiment(name), form, view, shape, y)


Find = Callable[[AsyncSession], Awaitable[Plotted]]


def _of(sweep: Sweep) -> Find:
    return lambda session: plotted_sweep(session, sweep)


def _experiment(name: str) -> Find:
    async def find(session: AsyncSession) -> Plotted:
        found = await plotted_experiment(session, name)
        if found is None:
            raise not_found("experiment", name)
        return found

    return find


async def _curves(here: Parts, find: Find, asked: Asked, metric: str | None) -> tuple[Plotted, Curves]:
    async with here.database.transaction() as session:
        plotted = await find(session)
        count = await count_rows(session, plotted)
        if count > MOST_ROWS:
            raise Refused(409, "too_many_to_draw", f"there are {count}, and at most {MOST_ROWS} are drawn")
        known = await told_metrics(session, plotted)
        y = choose_metric(known, metric) if known else ""
        if isinstance(y, ProblemItem):
            raise invalid([y], "not_drawable")
        rows = await read_rows(session, plotted, y)
    return plotted, await _at_the_easel(here.easel.run(lambda: _made(plotted, rows, known, y, asked)))


def _made(plotted: Plotted, rows: list[Row], known: list[str], y: str, asked: Asked) -> Curves:
    axes = axes_of(rows, plotted.first, alone=plotted.sweep)
    view = choose(rows, axes, asked)
    if isinstance(view, list):
        raise invalid(view, "not_drawable")
    noun = "cells" if plotted.sweep else "jobs"
    declared = {one.name: one for one in plotted.entry_point.parameters} if plotted.entry_point else {}
    labels = Labels(declared=declared, metrics=known, noun=noun)
    curves = draw_lines(rows, axes, view, y=y, labels=labels, sampled=plotted.sampled)
    if not any(line.points for line in curves.lines):
        raise Refused(409, "no_results", _nothing_yet(rows, noun, y))
    return curves


def _nothing_yet(rows: list[Row], noun: str, y: str) -> str:
    states = Counter(row.state or "removed" for row in rows)
    told = f"has told a finite {y}" if y else "has told a metric"
    stand = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return f"there is nothing to draw yet: none of {len(rows)} {noun} has succeeded and {told} ({stand or 'none'})"


async def _picture(here: Parts, find: Find, form: Form, view: Asked, look: Look, y: str | None) -> Response:
    plotted, curves = await _curves(here, find, view, y)
    picture = Picture(
        curves=curves,
        heatmap=view.heatmap,
        width=look.width,
        height=look.height,
        title=plotted.title if look.title is None else look.title,
        form=form.value,
    )
    content = await _at_the_easel(here.easel.draw(picture))
    return Response(content, media_type=MEDIA[form], headers=HEADERS)


async def _at_the_easel(work: Awaitable[Done]) -> Done:
    try:
        return await work
    except TooBusy:
        detail = "too many pictures are being drawn; try again soon"
        raise Refused(503, "busy_drawing", detail, headers=RETRY) from None
