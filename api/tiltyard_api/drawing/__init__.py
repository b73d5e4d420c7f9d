"""Pictures of curves, by matplotlib's objects alone: no pyplot, no window, no state that one picture leaves to the next.

What a picture says comes from users: it is drawn as it is written, and never read as mathematics or markup.
"""

from tiltyard_api.drawing.easel import Easel, Picture, TooBusy

__all__ = ["Easel", "Picture", "TooBusy"]
