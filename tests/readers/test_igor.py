"""Igor waves alone, in pairs and in packed experiments."""

import shutil
import struct

import numpy as np
import pytest

from hhfit import readers
from hhfit.errors import InputError
from hhfit.readers import Given
from hhfit.stimulus import parse

PAIR = "ibw/B6_Ch3_IDRest_181.ibw", "ibw/B6_Ch0_IDRest_181.ibw"


def packed(waves):
    """A packed experiment of wave records, as Igor writes them: type, version, size, content."""
    return b"".join(struct.pack(">HHi", 3, 0, len(wave)) + wave for wave in waves)


def renamed(wave, name):
    """The same wave under another name; names of version 5 stand at byte 88, and the sum of the header is mended."""
    head = bytearray(wave[:384])
    head[88:120] = name.encode().ljust(32, b"\0")
    head[2:4] = b"\0\0"
    order = ">" if wave[0] == 0 else "<"
    total = sum(struct.unpack(f"{order}192h", head)) & 0xFFFF
    head[2:4] = struct.pack(f"{order}H", -total & 0xFFFF)
    return bytes(head) + wave[384:]


def test_packed_experiment_holds_the_same_sweep(recordings, tmp_path):
    names = ["potential_7", "current_7"]
    waves = [renamed((recordings / file).read_bytes(), name) for file, name in zip(PAIR, names, strict=True)]
    (tmp_path / "cell.pxp").write_bytes(packed(waves))
    one, other = readers.read(tmp_path / "cell.pxp"), readers.read(recordings / PAIR[0])
    np.testing.assert_allclose(one.response, other.response)
    np.testing.assert_allclose(one.protocol.command, other.protocol.command)
    assert one.sweeps.tolist() == [7]


def test_wave_without_its_current_needs_a_stimulus(recordings, tmp_path):
    path = shutil.copy(recordings / PAIR[0], tmp_path / "B6_Ch3_IDRest_181.ibw")
    with pytest.raises(InputError, match=r"no wave of the current lies beside it.*--stimulus"):
        readers.read(path)
    recording = readers.read(path, Given(stimulus=parse("on=700 off=2700 amplitudes=118.7 holding=-12.5")))
    assert recording.protocol.amplitude[0] == pytest.approx(118.7)


def test_two_currents_beside_a_wave_are_refused(recordings, tmp_path):
    path = shutil.copy(recordings / PAIR[0], tmp_path / "B6_Ch3_IDRest_181.ibw")
    for channel in (0, 1):
        shutil.copy(recordings / PAIR[1], tmp_path / f"B6_Ch{channel}_IDRest_181.ibw")
    with pytest.raises(InputError, match="2 waves of a current"):
        readers.read(path)


def test_damaged_wave_beside_is_named(recordings, tmp_path):
    path = shutil.copy(recordings / PAIR[0], tmp_path / "B6_Ch3_IDRest_181.ibw")
    (tmp_path / "B6_Ch0_IDRest_181.ibw").write_bytes((recordings / PAIR[1]).read_bytes()[:1000])
    with pytest.raises(InputError, match=r"B6_Ch0_IDRest_181.ibw"):
        readers.read(path)


TIME = np.arange(4000) * 0.1
CURRENT = -50.0 * ((TIME >= 100) & (TIME < 300))
POTENTIAL = -70.0 + 0.1 * CURRENT


def version_2(values, unit, order):
    """A wave of version 2, sampled every 1e-4 s, in the layout of Igor's Technical Note 3."""
    kind, letter = (4, "f8") if values.dtype == np.float64 else (2, "f4")
    head = struct.pack(f"{order}hi", kind, 0) + b"wave".ljust(20, b"\0") + struct.pack(f"{order}hhi", 0, 0, 0)
    head += unit.encode().ljust(4, b"\0") + b"s\0\0\0"
    head += struct.pack(f"{order}ihddhhhdd", len(values), 0, 1e-4, 0.0, 0, 0, 0, 0.0, 0.0) + b"\0\0"
    head += struct.pack(f"{order}iiI", 0, 0, 0) + b"\0\0" + struct.pack(f"{order}Ii", 0, 0)
    first = struct.pack(f"{order}hiii", 2, len(head) + values.nbytes + 16, 0, 0)
    total = sum(struct.unpack(f"{order}{(len(first) + len(head)) // 2}h", first + head)) & 0xFFFF
    return (
        first + struct.pack(f"{order}H", -total & 0xFFFF) + head + values.astype(order + letter).tobytes() + bytes(16)
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "names", [("a_Ch0_7", "a_Ch1_7"), ("AD0_7", "AD1_7"), ("Vm_7", "Im_7"), ("cell voltage", "cell current")]
)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_waves_are_paired_by_name_in_either_byte_order(tmp_path, order, names, kind):
    (tmp_path / f"{names[0]}.ibw").write_bytes(version_2((POTENTIAL / 1000).astype(kind), "V", order))
    (tmp_path / f"{names[1]}.ibw").write_bytes(version_2((CURRENT * 1e-12).astype(kind), "A", order))
    (tmp_path / "other_Im_9.ibw").write_bytes(version_2((CURRENT * 2e-12).astype(kind), "A", order))
    recording = readers.read(tmp_path / f"{names[0]}.ibw")
    np.testing.assert_allclose(recording.response[0], POTENTIAL, atol=1e-4)
    np.testing.assert_allclose(recording.protocol.command[0], CURRENT, atol=1e-4)
    assert recording.protocol.dt == pytest.approx(0.1)
