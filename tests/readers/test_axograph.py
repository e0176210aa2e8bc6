"""AxoGraph: a small file of format 2, a column for each sweep of each signal."""

import struct

import numpy as np
import pytest

from hhfit import readers
from hhfit.errors import InputError

TIMES, INTERVAL = 4000, 1e-4


def column(title, extra, values=b""):
    return struct.pack(">l", TIMES) + bytes([len(title)]) + title.encode().ljust(79, b"\0") + extra + values


def signal(title, values):
    gain = float(np.abs(values).max()) / 30_000
    return column(title, struct.pack(">f", gain), np.round(values / gain).astype(">i2").tobytes())


def write(path, *, titles=("Voltage (V)", "Current (A)")):
    current = np.zeros(TIMES)
    current[1000:3000] = -5e-11
    columns = [column("Time (s)", struct.pack(">ff", 0.0, INTERVAL))]
    for k in range(2):
        columns += [signal(titles[0], -0.07 + 0.1e9 * (k + 1) * current), signal(titles[1], (k + 1) * current)]
    path.write_bytes(b"AxGr" + struct.pack(">HH", 2, len(columns)) + b"".join(columns))
    return path


def test_columns_of_one_title_are_sweeps(tmp_path):
    recording = readers.read(write(tmp_path / "cell.axgd"))
    assert recording.protocol.dt == pytest.approx(0.1)
    assert recording.protocol.amplitude == pytest.approx([-50.0, -100.0], rel=1e-3)
    assert recording.protocol.windows[0] == pytest.approx((100.0, 300.0))
    assert recording.response[:, 0] == pytest.approx([-70.0, -70.0], abs=0.01)
    assert recording.response[:, 2000] == pytest.approx([-75.0, -80.0], abs=0.01)


def test_columns_without_unit_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"expected a potential and a current; correct the units"):
        readers.read(write(tmp_path / "cell.axgd", titles=("Voltage", "Current")))
