"""Axon Text Format: tables with a header line per column, used for recordings and for stimuli."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError

MOST_HEADER_LINES = 10_000


@dataclass(frozen=True, eq=False)
class Table:
    """A table of columns.

    Args:
        titles: Text over each column, such as ``Trace #1 (mV)``.
        columns: Values of each column, shape ``(columns, rows)``.
        header: Optional header lines, such as ``SweepStartTimesMS=...``.
    """

    titles: tuple[str, ...]
    columns: Array
    header: tuple[str, ...]


def table(path: Path) -> Table:
    """Read an ATF file.

    Raises:
        InputError: If it is not such a file.
    """
    lines = path.read_text(encoding="latin-1").splitlines()
    if not lines or not lines[0].startswith("ATF"):
        raise InputError(f"{path.name}: is no ATF file; its first line must begin with ATF")
    try:
        n_header, n_columns = (int(word) for word in re.split(r"[\s,]+", lines[1].strip())[:2])
        header = tuple(line.strip().strip('"') for line in lines[2 : 2 + min(n_header, MOST_HEADER_LINES)])
        titles = tuple(word.strip().strip('"') for word in re.split(r"\t|,", lines[2 + n_header].strip()) if word)
        values = np.array([np.fromstring(line.replace(",", "\t"), sep="\t") for line in lines[3 + n_header :] if line])
    except (ValueError, IndexError) as error:
        raise InputError(f"{path.name}: its ATF header or a row of numbers is damaged; export it again") from error
    if values.ndim != 2 or values.shape[1] != n_columns or len(titles) != n_columns:
        raise InputError(f"{path.name}: should hold {n_columns} columns of numbers; export it again")
    return Table(titles, values.T, header)
