"""Axon Text Format: a table with one column per trace."""

import re
from pathlib import Path

from hhfit.errors import InputError
from hhfit.readers import _atf, _signals
from hhfit.readers._assemble import assemble
from hhfit.readers._given import NOTHING, Given
from hhfit.readers._guard import reads
from hhfit.readers._text import step
from hhfit.recording import Recording
from hhfit.units import factor

_TITLE = re.compile(r"^(.*?)\s*#?(\d*)\s*\(([^)]*)\)$")


def read(path: Path, given: Given = NOTHING) -> Recording:
    """Read the traces of an ATF file; columns of the same unit are the sweeps of one signal.

    Raises:
        InputError: If it is not such a file or its columns have no unit.
    """
    with reads(path, "ATF"):
        table = _atf.table(path)
        titles = [_TITLE.match(title) for title in table.titles]
        if None in titles:
            bad = table.titles[titles.index(None)]
            raise InputError(f"column {bad!r} has no unit in parentheses; export it again, or as CSV")
        units = [match[3] for match in titles if match]
        dt = step(table.columns[0] * factor(units[0], "ms"), path.name)
        kinds = list(dict.fromkeys(units[1:]))
        data = [[row for row, unit in zip(table.columns[1:], units[1:], strict=True) if unit == kind] for kind in kinds]
        numbers = list(range(len(data[0]) if data else 0))
        return assemble(_signals.sweeps(_signals.Signals(path.name, kinds, kinds, data, dt, numbers), given), given)
