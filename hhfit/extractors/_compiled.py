"""The two kernels that Python calls, compiled once and kept on disk.

Numba keeps a compiled function for as long as its own file does not change, whatever it calls; a
free variable of the function is part of the key, so here it is a hash of all kernel files.
"""

import zlib
from collections.abc import Callable
from pathlib import Path

from hhfit.arrays import Array
from hhfit.extractors._grid import Grid
from hhfit.extractors._jit import entry
from hhfit.extractors._kernel import fill, find_spikes
from hhfit.extractors._slots import Rules, Window


def _compute(sources: int) -> Callable[..., int]:
    @entry
    def compute(response: Array, grid: Grid, window: Window, rules: Rules, chosen: Array, x: Array) -> int:
        """Fill ``x`` with features of every row.

        Args:
            response: Membrane potential of one sweep [mV], shape ``(N, T)``.
            grid: The points to interpolate to.
            window: The stimulus.
            rules: The settings.
            chosen: ``Slot`` and ``Pick`` of each feature, shape ``(2, K)``.
            x: Filled, shape ``(N, K)``; NaN where undefined.
        """
        fill(response, grid, window, rules, chosen, x)
        return sources

    return compute


def _locate(sources: int) -> Callable[..., int]:
    @entry
    def locate(response: Array, grid: Grid, window: Window, rules: Rules, peaks: Array) -> int:
        """Fill ``peaks`` with the grid point of every spike of one trace and return their number.

        Args:
            response: Membrane potential [mV], shape ``(T,)``.
            grid: The points to interpolate to.
            window: The stimulus.
            rules: The settings.
            peaks: Filled.
        """
        return find_spikes(response, grid, window, rules, peaks) if sources else 0

    return locate


def digest(folder: Path) -> int:
    """An odd number that changes with any kernel file."""
    files = sorted(folder.glob("_*.py"))
    return zlib.crc32(b"".join(path.read_bytes() for path in files)) * 2 + 1


compute = _compute(digest(Path(__file__).parent))
locate = _locate(digest(Path(__file__).parent))
