"""Colours, sizes and saving, the same for every figure."""

import io
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

RECORDED = "#000000"
PREDICTED = "#0072B2"
DRAW = "#56B4E9"
TRUTH = "#D55E00"
PRIOR = "#8A8A8A"
DENSITY = "Blues"

CARD = (4.4, 2.7)
"""Size [inch] of a small figure: readable at its natural size on a telephone."""

DPI = 200

_RC = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.0,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "agg.path.chunksize": 20000,
    "pdf.fonttype": 42,
}

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """The function, drawing in hhfit's style whatever the reader's own settings."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context({**mpl.rcParamsDefault, "backend": mpl.rcParams["backend"], **_RC}):
            return draw(*args, **kwargs)

    return wrapper


def png(figure: Figure) -> bytes:
    """The figure as PNG."""
    memory = io.BytesIO()
    FigureCanvasAgg(figure).print_png(memory, metadata={"Software": None})
    return memory.getvalue()


def save(figure: Figure, path: Path) -> bytes:
    """Write ``path`` with the suffixes ``.png`` and ``.pdf``; returns the PNG."""
    image = png(figure)
    path.with_suffix(".png").write_bytes(image)
    figure.set_layout_engine("none")  # what the PNG was laid out to is kept: finding it again takes as long as drawing
    with mpl.rc_context({"pdf.fonttype": _RC["pdf.fonttype"]}):
        figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None})
    return image


def unit_label(unit: str) -> str:
    """A unit as a reader writes it; 1 is nothing.

    Example:
        >>> unit_label("mS/cm2"), unit_label("1")
        ('mS/cm²', '')
    """
    shown = unit.replace("cm2", "cm²").replace("um2", "µm²").replace("uF", "µF").replace("uA", "µA")
    shown = shown.replace("ms^0.5", "√ms").replace("degC", "°C").replace("MOhm", "MΩ").replace("*", "·")
    return "" if shown == "1" else shown


def quantity_label(name: str, unit: str) -> str:
    """Axis label of a parameter or feature.

    Example:
        >>> quantity_label("g_na", "mS/cm2")
        'g_na [mS/cm²]'
    """
    shown = unit_label(unit)
    return f"{name} [{shown}]" if shown else name
