"""What all displays have: the figure they were drawn on, which a notebook shows."""

from __future__ import annotations

import io
from typing import Any

NOTEBOOK_DPI = 100


class Display:
    """A display that a notebook shows as its picture.

    Figures of displays are made without pyplot, and so no notebook would show them by itself.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        Set by ``plot``.
    """

    figure_: Any

    def _repr_png_(self) -> bytes | None:
        """Return the picture; None before it is drawn, and where pyplot made the figure and shows it."""
        figure = getattr(self, "figure_", None)
        if figure is None or getattr(figure.canvas, "manager", None) is not None:
            return None
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=NOTEBOOK_DPI, bbox_inches="tight")
        return picture.getvalue()
