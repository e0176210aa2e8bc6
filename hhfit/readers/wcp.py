"""WinWCP, through neo."""

import struct
from pathlib import Path

import numpy as np

from hhfit.errors import InputError
from hhfit.readers import _neo
from hhfit.readers._given import NOTHING, Given
from hhfit.readers._guard import reads
from hhfit.recording import Recording

SECTOR, HEADER = 512, 1024
_RECORD = "<8s4sfff8f"
_REMEDY = "export it from WinWCP as ABF or CSV"


def read(path: Path, given: Given = NOTHING) -> Recording:
    """Read potential and current of every record.

    neo takes the range of the last record for that of all, and headers of 1024 bytes: both are checked here.

    Raises:
        InputError: If it is not such a file, or holds no potential or current.
    """
    with reads(path, "WinWCP"):
        _check(path.read_bytes())
    return _neo.read(path, given, "WinWcpRawIO", "WinWCP")


def _check(content: bytes) -> None:
    """Raise unless all records have the ranges and the sampling interval of the last, and headers the usual size."""
    lines = content[:HEADER].decode("ascii", "ignore").split("\r\n")
    words = dict(line.split("=", 1) for line in lines if line.count("=") == 1)
    n_channels, n_records, sectors = (int(words[key]) for key in ("NC", "NR", "NBD"))
    if int(words.get("NBH", HEADER)) not in (2, HEADER) or int(words.get("NBA", 2)) != 2:
        raise InputError(f"has headers of another size (NBH {words.get('NBH')}, NBA {words.get('NBA')}); {_REMEDY}")
    if not 0 < n_channels <= 8 or not 0 < n_records <= len(content) // HEADER:
        raise InputError(f"claims {n_records} records of {n_channels} channels; the file is damaged, so copy it again")
    places = [HEADER + k * (SECTOR * sectors + HEADER) for k in range(n_records)]
    if places[-1] + HEADER > len(content):
        raise InputError(f"ends before record {n_records}; it was cut short, so copy it again")
    records = np.array([struct.unpack_from(_RECORD, content, place)[4:] for place in places])
    intervals, ranges = records[:, 0], records[:, 1 : 1 + n_channels]
    if not np.allclose(intervals, intervals[-1], rtol=1e-3, atol=0.0):
        raise InputError(f"samples records every {intervals.min():g} to {intervals.max():g} s; {_REMEDY}")
    if not np.allclose(ranges, ranges[-1], rtol=1e-6, atol=0.0):
        raise InputError(f"digitised its records in ranges of {ranges.min():g} to {ranges.max():g} V; {_REMEDY}")
