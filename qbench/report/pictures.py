"""Pictures as SVG, drawn by matplotlib where it is installed."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from qbench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Of axes and text; and of what is no data.
INK, FAINT = "#222222", "#BBBBBB"

_STYLE = {
    "svg.fonttype": "none",  # Text stays text: it can be searched, and read aloud.
    "svg.hashsalt": "qbench",  # The same numbers are the same file.
    "font.size": 10,
    "figure.constrained_layout.w_pad": 0.12,
    "figure.constrained_layout.h_pad": 0.12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
}


def require_matplotlib(option: str, *, instead: str) -> None:
    """Say what to install before anything is measured in vain.

    Parameters
    ----------
    option
        What asks for a picture, such as ``qbench trial --plot``.
    instead
        What to do without it.

    Raises
    ------
    ConfigError
        If matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise ConfigError(
            option, found="no matplotlib", expected=f"the extra: pip install 'qbench[trial]'; or {instead}"
        )


def draw_picture(draw: Callable[[Any], None], *, width_in: float, height_in: float, creator: str) -> bytes:
    """What `draw` draws on a matplotlib `Figure` of so many inches, as SVG; `creator` is named in the file."""
    import matplotlib as mpl  # noqa: PLC0415 - an optional dependency
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    buffer = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        draw(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": creator})
    return buffer.getvalue()
