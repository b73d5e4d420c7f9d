"""From the cells of a sweep to curves: a metric over a parameter, a line per value of another, averaged over what is left.

What is drawn is chosen by the data unless somebody says otherwise: the numeric parameter with most values goes along the
lines, a seed is averaged. A cell counts where its job succeeded and told a finite value; every other cell is counted by
the reason why it does not, so that a picture can say what it leaves out. Nothing is filled in and nothing is dropped in
silence.
"""

from tiltyard_orchestrator.domain.curves.choosing import Asked, View, choose
from tiltyard_orchestrator.domain.curves.lines import Labels, draw_lines
from tiltyard_orchestrator.domain.curves.metrics import choose_metric
from tiltyard_orchestrator.domain.curves.rows import Row, axes_of

__all__ = ["Asked", "Labels", "Row", "View", "axes_of", "choose", "choose_metric", "draw_lines"]
