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
