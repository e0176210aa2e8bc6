"""Simulations of a run: one file for each chunk, named after the simulations in it."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.run import _files
from hhfit.simulations import Simulations, join

logger = logging.getLogger(__name__)

COLUMNS = ("theta", "x", "status", "index")
LAST = 10**9
"""No simulation has this number or a higher one."""
_NAME = re.compile(r"(\d{9})-(\d{9})\.npz")


class Parts:
    """The parts of one round.

    Args:
        folder: Their folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, rows: Simulations) -> None:
        """Keep a part: it is on the disk, whole, when this returns.

        Raises:
            InputError: If its simulation numbers are not contiguous.
            HHFitError: If it cannot be written.
        """
        if not len(rows) or (np.diff(rows.index) != 1).any():
            raise InputError("a part needs at least one simulation and contiguous simulation numbers")
        with _files.told(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{rows.index[0]:09d}-{rows.index[-1]:09d}.npz"
        arrays = {name: getattr(rows, name) for name in COLUMNS}
        _files.write(path, _files.pack({**arrays, "mask": np.isfinite(rows.x)}), durable=True)

    def load(self, first: int, last: int) -> list[Simulations]:
        """Whole parts that hold simulations ``first`` to ``last``, in order.

        A damaged part is named in the log, set aside, and counts as not there.
        """
        parts, damaged = self._sort(first, last)
        for path in damaged:
            with _files.told(path):
                path.rename(path.with_suffix(".damaged"))
        return parts

    def peek(self) -> list[Simulations]:
        """All whole parts, in order; nothing is written, for the run may be someone else's."""
        return self._sort(0, LAST)[0]

    def _sort(self, first: int, last: int) -> tuple[list[Simulations], list[Path]]:
        parts: list[Simulations] = []
        damaged: list[Path] = []
        for path in self._paths(first, last):
            try:
                part = _read(path)
                if parts and part.index[0] <= parts[-1].index[-1]:
                    raise InputError(f"{path}: damaged: repeats simulation {part.index[0]}")
                parts.append(part)
            except InputError as error:
                logger.warning("%s; its simulations are made again", error)
                damaged.append(path)
        return parts, damaged

    def _paths(self, first: int, last: int) -> Iterator[Path]:
        for path in sorted(self._folder.glob("*.npz")):
            name = _NAME.fullmatch(path.name)
            if name and int(name[1]) <= last and int(name[2]) >= first:
                yield path


def _read(path: Path) -> Simulations:
    arrays = _files.unpack(path)
    missing = {*COLUMNS, "mask"} - arrays.keys()
    if missing:
        raise InputError(f"{path}: damaged: lacks {', '.join(sorted(missing))}")
    try:
        rows = Simulations(*(arrays[name] for name in COLUMNS))
    except InputError as error:
        raise InputError(f"{path}: damaged: {error}") from None
    if path.name != f"{rows.index[0]:09d}-{rows.index[-1]:09d}.npz" or (np.diff(rows.index) != 1).any():
        raise InputError(f"{path}: damaged: its name and its simulation numbers differ")
    return rows


def select(parts: list[Simulations], theta: Array, first: int) -> tuple[list[Simulations], Array]:
    """What is already there of a request, and which of its rows are not.

    Args:
        parts: Parts of a run.
        theta: Parameters asked for, shape ``(N, P)``.
        first: Simulation number of the first row.

    Returns:
        Stored rows of the request, and the numbers (from 0) of its missing rows.

    Raises:
        InputError: If a stored simulation has other parameters.
    """
    wanted = np.arange(first, first + len(theta))
    found, missing = [], np.ones(len(theta), bool)
    for part in parts:
        rows = part.rows(np.isin(part.index, wanted))
        if not len(rows):
            continue
        if rows.theta.shape[1:] != theta.shape[1:] or not np.array_equal(rows.theta, theta[rows.index - first]):
            raise InputError(
                f"stored simulations {rows.index[0]}-{rows.index[-1]} have other parameters than asked for: "
                "the run was made with other settings; start again with --overwrite"
            )
        found.append(rows)
        missing[rows.index - first] = False
    return ([join(found)] if found else []), np.flatnonzero(missing)
