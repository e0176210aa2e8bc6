"""What neo reads well: WinWCP and AxoGraph."""

from pathlib import Path
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.readers import _signals
from hhfit.readers._assemble import assemble
from hhfit.readers._given import Given
from hhfit.readers._guard import need_room, reads
from hhfit.recording import Recording


def read(path: Path, given: Given, kind: str, name: str) -> Recording:
    """Read the analog signals of every segment.

    Args:
        path: File to read.
        given: What the user says.
        kind: Class of ``neo.rawio``.
        name: What the file is, for messages.

    Raises:
        InputError: If it is not such a file, or holds no potential or current.
    """
    rawio = _signals.require("neo.rawio", name)
    with reads(path, name):
        reader = getattr(rawio, kind)(str(path))
        reader.parse_header()
        return assemble(_signals.sweeps(_signals_of(reader, path), given), given)


def _signals_of(reader: Any, path: Path) -> _signals.Signals:  # noqa: ANN401 - neo
    channels = reader.header["signal_channels"]
    streams = reader.header["signal_streams"]
    if not len(channels):
        raise InputError("holds no analog signal; export potential and current to CSV")
    n_segments = reader.segment_count(0)
    names = [str(name) for name in channels["name"]]
    units = [str(unit) for unit in channels["units"]]
    data: list[list[Array]] = [[] for _ in names]
    rates = []
    for place, stream in enumerate(streams["id"]):
        members = np.flatnonzero(channels["stream_id"] == stream)
        rates.append(float(reader.get_signal_sampling_rate(place)))
        for segment in range(n_segments):
            size = reader.get_signal_size(0, segment, place)
            need_room(path, 8.0 * size * len(members) * n_segments)
            raw = reader.get_analogsignal_chunk(block_index=0, seg_index=segment, stream_index=place)
            values = reader.rescale_signal_raw_to_float(raw, dtype="float64", stream_index=place)
            for column, channel in enumerate(members):
                data[channel].append(values[:, column])
    if np.ptp(rates) > 1e-6 * rates[0]:
        raise InputError(
            f"its signals are sampled at {min(rates):g} to {max(rates):g} Hz, must be alike; export to CSV"
        )
    return _signals.Signals(path.name, names, units, data, 1000.0 / rates[0], list(range(n_segments)))
