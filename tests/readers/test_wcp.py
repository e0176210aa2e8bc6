"""WinWCP: a small file of our own making, in current clamp, and what neo would misread in silence."""

import struct

import numpy as np
import pytest

from hhfit import readers
from hhfit.errors import InputError

SECTORS, LARGEST, RANGE = 16, 32_767, 10.0
TIMES = SECTORS * 512 // 4
TIME = np.arange(TIMES) * 0.1
GAINS = {"Vm": 0.01, "Im": 0.001}
"""Volts per mV and per pA."""


def write(path, *, ranges=(RANGE, RANGE), intervals=(1e-4, 1e-4), header="", names=("Vm", "Im"), units=("mV", "pA")):
    lines = ["VER=9", "RTIME=21/11/2014 14:18:28", "NBH=1024", f"ADCMAX={LARGEST}", "NC=2", "NBA=2", f"NBD={SECTORS}"]
    lines += ["AD=10", "NR=2", "DT=0,0001", "NZ=20"]
    for k, (name, unit) in enumerate(zip(names, units, strict=True)):
        lines += [f"YO{k}={k}", f"YU{k}={unit}", f"YN{k}={name}", f"YG{k}={GAINS[name]}", f"YZ{k}=0", f"YR{k}=0"]
    content = ("\r\n".join([*lines, header]) + "\r\n").encode().ljust(1024, b" ")
    for record in range(2):
        current = -50.0 * (record + 1) * ((TIME >= 50) & (TIME < 150))
        values = {"Vm": -70.0 + 0.1 * current, "Im": current}
        columns = [values[name] * GAINS[name] / ranges[record] * LARGEST for name in names]
        analysis = struct.pack(
            "<8s4sfff8f", b"ACCEPTED", b"TEST", record, record, intervals[record], *[ranges[record]] * 8
        )
        content += analysis.ljust(1024, b"\0") + np.round(np.stack(columns, axis=1)).astype("<i2").tobytes()
    path.write_bytes(content)
    return path


def test_records_are_sweeps(tmp_path):
    recording = readers.read(write(tmp_path / "cell.wcp"))
    assert recording.protocol.dt == pytest.approx(0.1)
    assert recording.protocol.amplitude == pytest.approx([-50.0, -100.0], abs=0.4)
    assert recording.protocol.windows[0] == pytest.approx((50.0, 150.0))
    assert recording.response[:, 0] == pytest.approx([-70.0, -70.0], abs=0.04)
    assert recording.response[:, 1000] == pytest.approx([-75.0, -80.0], abs=0.04)


def test_order_of_channels_does_not_matter(tmp_path):
    recording = readers.read(write(tmp_path / "cell.wcp", names=("Im", "Vm"), units=("pA", "mV")))
    assert recording.protocol.amplitude == pytest.approx([-50.0, -100.0], abs=0.4)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ranges": (10.0, 5.0)}, "in ranges of 5 to 10 V; export it"),
        ({"intervals": (1e-4, 2e-4)}, "records every 0.0001 to 0.0002 s"),
        ({"header": "NBA=4"}, "headers of another size"),
        ({"header": "NR=5"}, "ends before record 5"),
        ({"header": "NR=500"}, "claims 500 records"),
        ({"units": ("mV", "mV")}, "choose one with --channel"),
    ],
)
def test_what_neo_would_misread_is_refused(tmp_path, changed, words):
    with pytest.raises(InputError, match=rf"^cell\.wcp: .*{words}"):
        readers.read(write(tmp_path / "cell.wcp", **changed))
