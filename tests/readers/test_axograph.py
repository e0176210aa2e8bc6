"""AxoGraph: small files of format 2 (axgd) and 6 (AxoGraph X), a column for each sweep of each signal.

Source of the layout of AxoGraph X: its ``AxoGraph_ReadWrite.h``, column types 7 (double), 9 (series) and 10 (scaled
short), as neo's ``axographrawio`` documents it.
"""

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


def titled(kind, title, extra, values=b""):
    text = title.encode("utf-16-be")
    return struct.pack(">lll", TIMES, kind, len(text)) + text + extra + values


def scaled(title, values):
    gain, offset = float(np.ptp(values)) / 60_000 or 1.0, float(values.mean())
    return titled(
        10, title, struct.pack(">dd", gain, offset), np.round((values - offset) / gain).astype(">i2").tobytes()
    )


def double(title, values):
    return titled(7, title, b"", values.astype(">f8").tobytes())


def write_x(path, *, units=("V", "A"), version=6, column=scaled):
    current = np.zeros(TIMES)
    current[1000:3000] = -5e-11
    columns = [titled(9, "Time (s)", struct.pack(">dd", 0.0, INTERVAL))]
    for k in range(2):
        columns.append(column(f"V-Mon ({units[0]})", -0.07 + 0.1e9 * (k + 1) * current))
        columns.append(column(f"Stimulus ({units[1]})", (k + 1) * current))
    path.write_bytes(b"axgx" + struct.pack(">ll", version, len(columns)) + b"".join(columns))
    return path


@pytest.mark.parametrize("column", [scaled, double])
@pytest.mark.parametrize("version", [3, 6])
def test_axograph_x_is_read(tmp_path, column, version):
    recording = readers.read(write_x(tmp_path / "cell.axgx", column=column, version=version))
    assert recording.protocol.dt == pytest.approx(0.1)
    assert recording.protocol.amplitude == pytest.approx([-50.0, -100.0], rel=1e-3)
    assert recording.protocol.windows[0] == pytest.approx((100.0, 300.0))
    assert recording.response[:, 0] == pytest.approx([-70.0, -70.0], abs=0.01)
    assert recording.response[:, 2000] == pytest.approx([-75.0, -80.0], abs=0.01)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"units": ("V", "V")}, "2 channels are in mV .*; choose one with --channel NAME"),
        ({"units": ("V", "dB")}, "no signal is in pA .*; pass --stimulus"),
        ({"version": 2}, "cannot be read as AxoGraph"),
    ],
)
def test_axograph_x_that_does_not_fit_is_refused(tmp_path, change, words):
    with pytest.raises(InputError, match=words) as error:
        readers.read(write_x(tmp_path / "cell.axgx", **change))
    assert str(error.value).startswith("cell.axgx: ")


@pytest.mark.parametrize("length", [4, 40, 5000])
def test_axograph_x_that_is_cut_is_refused(tmp_path, length):
    path = write_x(tmp_path / "cell.axgx")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match=r"^cell\.axgx: .*; "):
        readers.read(path)
