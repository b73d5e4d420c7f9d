"""Where pictures are drawn: in one thread, since matplotlib is not made for two, and with few that wait for it."""

import asyncio
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from tiltyard.wire.curves import Curves

Result = TypeVar("Result")

MOST_WAITING = 16
PIXELS_PER_INCH = 160
METADATA = {"svg": {"Date": None, "Creator": "Tiltyard"}, "png": {"Software": "Tiltyard"}}


class TooBusy(Exception):
    """More pictures are asked for than can be drawn."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What is to be drawn."""

    curves: Curves
    heatmap: bool = False
    width: int = 1040
    height: int = 680
    """In pixels, of 160 to an inch."""
    title: str = ""
    form: Literal["png", "svg"] = "png"


@dataclass(kw_only=True)
class Easel:
    """Draws one picture after the other. matplotlib is imported with the first."""

    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=1, thread_name_prefix="drawing")
    )
    _waiting: int = 0

    async def draw(self, picture: Picture) -> bytes:
        """A picture as the bytes of a file.

        Raises:
            TooBusy: too many wait already.
        """
        return await self.run(lambda: _drawn(picture))

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do what takes long for the event loop where pictures are drawn.

        Raises:
            TooBusy: too many wait already.
        """
        if self._waiting >= MOST_WAITING:
            raise TooBusy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1


def _drawn(picture: Picture) -> bytes:
    import matplotlib as mpl  # noqa: PLC0415 - a gateway that draws nothing does not load it
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    from tiltyard_api.drawing import heat, legend, lines, style  # noqa: PLC0415

    with mpl.rc_context():
        mpl.rcdefaults()  # whatever this machine's matplotlibrc says
        mpl.rcParams.update(style.SETTINGS)
        size = (picture.width / PIXELS_PER_INCH, picture.height / PIXELS_PER_INCH)
        figure = Figure(figsize=size, dpi=PIXELS_PER_INCH, layout="constrained")
        canvas = (FigureCanvasAgg if picture.form == "png" else FigureCanvasSVG)(figure)
        axes = figure.add_subplot()
        drawn = (heat if picture.heatmap else lines).draw(figure, axes, picture.curves)
        style.write_around(figure, axes, picture.curves, title=picture.title, bands=not picture.heatmap)
        legend.draw(figure, axes, picture.curves, drawn)
        file = io.BytesIO()
        # bbox "tight" would give another size than the one that was asked for.
        getattr(canvas, f"print_{picture.form}")(file, metadata=METADATA[picture.form])
    return file.getvalue()
