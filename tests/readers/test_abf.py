"""ABF: where the command comes from, on files changed byte by byte."""

import struct

import numpy as np
import pytest

from hhfit import readers
from hhfit.errors import InputError
from hhfit.readers import Given
from hhfit.stimulus import parse

NAME = "abf/File_axon_5.abf"
DAC_SECTION, STRINGS_SECTION, USER_LIST_SECTION = 108, 220, 172
SOURCE, SCALE, OFFSET, PATH, HOLDING = 42, 46, 50, 118, 12


@pytest.fixture
def content(recordings):
    return bytearray((recordings / NAME).read_bytes())


def put(content, section, place, form, value):
    """Overwrite one value of the first entry of a section."""
    block = struct.unpack_from("<I", content, section)[0]
    struct.pack_into(form, content, 512 * block + place, value)


def append(content, section, data, count):
    """Add a section at the end of the file."""
    content.extend(bytes(-len(content) % 512))
    struct.pack_into("<IIq", content, section, len(content) // 512, len(data) // count, count)
    content.extend(data)


def save(tmp_path, content):
    (tmp_path / "cell.abf").write_bytes(content)
    return tmp_path / "cell.abf"


def with_user_list(content, text, parameter, repeat=0):
    block, width, count = struct.unpack_from("<IIq", content, STRINGS_SECTION)
    strings = bytes(content[512 * block : 512 * block + width]) + text.encode() + b"\0"
    rest = b"".join(
        bytes(content[512 * block + k * width :][:width]).ljust(len(strings), b"\0") for k in range(1, count)
    )
    append(content, STRINGS_SECTION, strings + rest, count)
    append(content, USER_LIST_SECTION, struct.pack("<4hi", 0, 1, parameter, repeat, 14).ljust(64, b"\0"), 1)
    return content


def test_user_list_of_levels_replaces_the_increment(content, tmp_path):
    recording = readers.read(save(tmp_path, with_user_list(content, "10,-20,35", 21 + 1)))
    assert recording.protocol.amplitude == pytest.approx([10, -20, 35, 35, 35, 35, 35, 35, 35])
    assert recording.protocol.windows[0] == pytest.approx((215.6, 715.6))


def test_user_list_that_repeats_begins_again(content, tmp_path):
    recording = readers.read(save(tmp_path, with_user_list(content, "10,-20,35", 21 + 1, repeat=1)))
    assert recording.protocol.amplitude == pytest.approx([10, -20, 35] * 3)


def test_user_list_of_durations_moves_the_end(content, tmp_path):
    recording = readers.read(save(tmp_path, with_user_list(content, "4000,6000,10000", 31 + 1)))
    lengths = [np.count_nonzero(row) for row in recording.protocol.command]
    assert lengths == [4000, 6000, 0, 10000, 10000, 10000, 10000, 10000, 10000]


def test_user_list_that_is_no_list_is_refused(content, tmp_path):
    with pytest.raises(InputError, match=r"^cell.abf: the user list of output Cmd 0.*--stimulus"):
        readers.read(save(tmp_path, with_user_list(content, "a,b", 21 + 1)))


def with_waveform_file(content):
    content[:] = content.replace(b"step cclamp.pro", b"step cclamp.atf")
    put(content, DAC_SECTION, SOURCE, "<h", 2)
    put(content, DAC_SECTION, PATH, "<i", 2)
    put(content, DAC_SECTION, SCALE, "<f", 0.5)
    put(content, DAC_SECTION, OFFSET, "<f", -7.0)
    return content


def write_atf(path, rows):
    time = np.arange(len(rows[0])) * 0.05
    titles = "\t".join(['"Time (ms)"', *(f'"Trace #{k + 1} (pA)"' for k in range(len(rows)))])
    lines = ["ATF\t1.0", f"1\t{len(rows) + 1}", '"Comment=test"', titles]
    lines += ["\t".join(f"{value:.6g}" for value in row) for row in zip(time, *rows, strict=True)]
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("n_rows", [1, 9])
def test_waveform_file_beside_is_scaled(content, tmp_path, n_rows):
    rows = np.zeros((n_rows, 20_000))
    rows[:, 5000:12_000] = 100.0 * np.arange(1, n_rows + 1)[:, None]
    write_atf(tmp_path / "step cclamp.atf", rows)
    recording = readers.read(save(tmp_path, with_waveform_file(content)))
    assert recording.protocol.command[:, 0] == pytest.approx([-7.0] * 9)
    assert recording.protocol.amplitude == pytest.approx(50.0 * (np.arange(1, 10) if n_rows == 9 else np.ones(9)))
    assert recording.protocol.windows[0] == pytest.approx((250.0, 600.0))


def test_waveform_file_that_is_missing_is_named(content, tmp_path, monkeypatch):
    write_atf(tmp_path / "step cclamp.atf", np.ones((1, 20_000)))
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"another file, 'step cclamp.atf'; put that ATF file beside it"):
        readers.read(save(folder, with_waveform_file(content)))


def test_waveform_file_of_another_length_is_refused(content, tmp_path):
    write_atf(tmp_path / "step cclamp.atf", np.ones((1, 500)))
    with pytest.raises(InputError, match=r"its stimulus file step cclamp.atf"):
        readers.read(save(tmp_path, with_waveform_file(content)))


def test_holding_is_part_of_the_command(content, tmp_path):
    put(content, DAC_SECTION, HOLDING, "<f", -30.0)
    recording = readers.read(save(tmp_path, content))
    assert recording.protocol.command[:, 0] == pytest.approx([-30.0] * 9)
    assert recording.protocol.command[:, -1] == pytest.approx([-30.0] * 9)
    assert recording.protocol.command[0, 5000] == pytest.approx(-100.0)
    assert recording.protocol.command[0, 1000] == pytest.approx(0.0)  # epoch A is at 0 pA, absolute


def test_recording_format_atf_reads_as_its_abf(recordings, tmp_path):
    wanted = readers.read(recordings / NAME)
    write_atf(tmp_path / "cell.atf", wanted.response[:3])
    text = (tmp_path / "cell.atf").read_text().replace("(pA)", "(mV)")
    (tmp_path / "cell.atf").write_text(text)
    with pytest.raises(InputError, match=r"no signal is in pA.*--stimulus"):
        readers.read(tmp_path / "cell.atf")
    given = Given(stimulus=parse("on=215.6 off=715.6 first=-100 by=50"))
    recording = readers.read(tmp_path / "cell.atf", given)
    np.testing.assert_allclose(recording.response, wanted.response[:3], atol=1e-3)
    np.testing.assert_allclose(recording.protocol.command, wanted.protocol.command[:3])


def test_wrong_unit_can_be_overruled(recordings):
    given = Given(voltage_scale=0.05)
    recording = readers.read(recordings / "abf/18807005.abf", given)
    assert recording.protocol.clamp == "current"
    assert -80 < np.median(recording.response) < -30


def test_one_of_several_channels_can_be_named(recordings):
    recording = readers.read(recordings / "abf/pclamp11_4ch.abf", Given(channel="IN 2"))
    assert recording.provenance["channel"] == "IN 2"
    with pytest.raises(InputError, match=r"--channel is 'IN 9', must be one of IN 0"):
        readers.read(recordings / "abf/pclamp11_4ch.abf", Given(channel="IN 9"))


def test_recording_without_stimulus_takes_that_of_the_user(recordings):
    given = Given(stimulus=parse("on=100 off=600 first=-100 by=25"))
    recording = readers.read(recordings / "abf/File_axon_3.abf", given)
    assert recording.protocol.amplitude == pytest.approx(-100.0 + 25.0 * np.arange(5))
    assert recording.provenance["stimulus"] == "given by the user"
