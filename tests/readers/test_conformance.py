"""Every rule on every reader, and on every given recording."""

import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import find_peaks

from hhfit import plugins, readers
from hhfit.errors import InputError
from hhfit.protocol import CLAMPS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT.parent / "shared" / "recordings"
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*")) if FOLDER.is_dir() else []
SLOWEST = 5.0

USABLE = {
    "abf/171116sh_0016.abf",
    "abf/171116sh_0018.abf",
    "abf/180330_ts_0032-okUnits.abf",
    "abf/18425108.abf",
    "abf/18711001.abf",
    "abf/2019_07_24_0055_fsi.abf",
    "abf/File_axon_5.abf",
    "abf/PYR2.abf",
    "nwb/FergusonEtAl2015_PYR2.nwb",
    "nwb/LantyerEtAl2018_180817_ME_9_CC.nwb",
    "pkl/ephys_cell_509881736_sweep_number_39.pkl",
    "pkl/ephys_cell_518290966_sweep_number_57.pkl",
    "pkl/ephys_cell_569469018_sweep_number_44.pkl",
    "heka/test_singleFP.dat",
    "mat/experiment001trial001_current_steps.mat",
    *(f"ibw/B6_Ch3_IDRest_{number}.ibw" for number in range(181, 186)),
}
VOLTAGE_CLAMP = {
    "abf/171116sh_0013.abf",
    "abf/abf-v1.abf",
    "abf/abf-v2.abf",
    "nwb/LantyerEtAl2018_170328_AB_277_ST50_C.nwb",
    "nwb/LantyerEtAl2018_170328_AL_238_VC.nwb",
    "wcp/wcp-file.wcp",
}
REFUSED = {
    "abf/130618-1-12.abf": "describes no waveform",
    "abf/16d22006_kim_gapfree.abf": "describes no waveform in pA",
    "abf/180415_aaron_temp.abf": "describes no waveform in pA",
    "abf/18807005.abf": "--voltage-scale",
    "abf/2020_06_16_0000.abf": "3540 to 70040 samples",
    "abf/File_axon_3.abf": "describes no waveform in pA",
    "abf/pclamp11_4ch.abf": "4 channels are in pA",
    **{f"ibw/B6_Ch0_IDRest_{n}.ibw": f"give B6_Ch3_IDRest_{n}.ibw instead" for n in range(181, 186)},
    "mat/sine_wave_16704007_dofetilide_subtracted_leak_subtracted.mat": "--columns voltage=NAME",
    "txt/current.txt": "--columns",
    "txt/init_burst1.txt": "--columns",
}


@pytest.fixture(scope="session")
def expected(recordings):
    return json.loads((recordings / "expected.json").read_text())


@pytest.fixture(scope="session")
def read(recordings):
    """Reads a given recording once."""
    known = {}

    def one(name):
        if name not in known:
            known[name] = readers.read(recordings / name)
        return known[name]

    return one


def spikes(trace):
    """The count that the reference values were made with."""
    return len(find_peaks(trace, prominence=20.0, height=-20.0)[0])


def steps(command, dt, holding):
    """Start, end and level of every stretch that differs from holding."""
    edges = np.flatnonzero(np.r_[True, np.diff(command) != 0, True])
    found = []
    for a, b in pairwise(edges):
        if command[a] != holding:
            found.append((a * dt, b * dt, command[a]))
    return found


@pytest.mark.parametrize("name", sorted(USABLE | VOLTAGE_CLAMP))
def test_given_file_is_a_recording(read, recordings, name):
    began = time.perf_counter()
    recording = read(name)
    assert time.perf_counter() - began < SLOWEST
    protocol = recording.protocol
    assert protocol.clamp == ("voltage" if name in VOLTAGE_CLAMP else "current")
    assert recording.response.shape == protocol.command.shape == (len(recording.sweeps), protocol.n_times)
    assert np.isfinite(protocol.command).all()
    assert np.ptp(protocol.command) > 0
    assert recording.unit == CLAMPS[protocol.clamp][1]
    assert recording.provenance["stimulus"]
    assert recording.provenance["name"] == Path(name).name
    assert len(recording.provenance["sha256"]) == 64


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_given_file_is_refused_with_cause_and_remedy(recordings, name):
    with pytest.raises(InputError) as error:
        readers.read(recordings / name)
    text = str(error.value)
    assert text.startswith(Path(name).name)
    assert REFUSED[name] in text
    assert "\n" not in text
    assert any(word in text for word in ("pass --", "choose", "export", "copy", "give", "name it"))


@pytest.mark.skipif(not FILES, reason="no real recordings beside the checkout")
def test_every_given_file_of_these_formats_is_in_one_of_the_lists():
    suffixes = set(plugins.names("readers"))
    here = {name for name in FILES if name.rpartition(".")[2] in suffixes}
    assert here == USABLE | VOLTAGE_CLAMP | REFUSED.keys()


@pytest.mark.parametrize("name", sorted(name for name in USABLE | VOLTAGE_CLAMP if name.startswith("abf/")))
def test_abf_agrees_with_expected(read, expected, name):
    recording, known = read(name), expected[name]
    protocol = recording.protocol
    assert protocol.n_sweeps == known["n_sweeps"]
    assert protocol.n_times == known["n_samples"][0]
    assert protocol.dt == pytest.approx(1000.0 / known["rate_hz"], rel=1e-6)
    if "rest_mv" in known:
        early = np.median(recording.response[:, : round(15.0 / protocol.dt)], axis=1)
        np.testing.assert_allclose(early, known["rest_mv"], atol=0.01)
    wanted = known.get("command_pyabf", [])
    scale = {"nA": 1000.0, "pA": 1.0}.get(known.get("command_unit"))
    for row, rows in enumerate(wanted if scale else []):
        if rows == "not steps":
            assert len(np.unique(protocol.command[row])) > 1000
            continue
        found = steps(protocol.command[row], protocol.dt, protocol.command[row, 0])
        assert len(found) == len(rows)
        for (on, off, level), one in zip(found, rows, strict=True):
            assert on == pytest.approx(one["on_ms"], abs=protocol.dt)
            assert off == pytest.approx(one["off_ms"], abs=protocol.dt)
            assert level == pytest.approx(one["level"] * scale, rel=0.01)


@pytest.mark.parametrize("name", sorted(name for name in USABLE if name.startswith("abf/")))
def test_spikes_agree_with_expected(read, expected, name):
    recording, known = read(name), expected[name]
    counts = [spikes(trace) for trace in recording.response]
    for count, one, other in zip(counts, known["spikes_prominence20"], known["spikes_efel_thr-20"], strict=True):
        assert min(abs(count - one), abs(count - other)) <= 1


@pytest.mark.parametrize("name", sorted(name for name in USABLE if name.startswith("pkl/")))
def test_pickle_agrees_with_expected(read, expected, name):
    recording, known = read(name), expected[name]
    protocol = recording.protocol
    assert protocol.dt == pytest.approx(known["dt_ms"])
    assert protocol.n_times == known["n"]
    assert protocol.windows[0] == pytest.approx((known["t_on"], known["t_off"]), abs=protocol.dt)
    assert protocol.amplitude[0] == pytest.approx(known["step_pA"], rel=0.01)
    assert recording.rest[0] == pytest.approx(known["rest_mv"], abs=0.3)
    assert spikes(recording.response[0]) == known["spikes"]


@pytest.mark.parametrize("name", sorted(name for name in USABLE | VOLTAGE_CLAMP if name.startswith("nwb/")))
def test_nwb_agrees_with_expected(read, expected, name):
    recording, known = read(name), expected[name]["series"]
    rows = sorted((one for one in known.values() if "Stimulus" not in one["type"]), key=lambda one: one["sweep_number"])
    scale = {"mV": 1e3, "pA": 1e12}[recording.unit]
    assert recording.sweeps.tolist() == [one["sweep_number"] for one in rows]
    for trace, one in zip(recording.response, rows, strict=True):
        assert len(trace) == one["n"]
        assert (trace.min(), trace.max()) == pytest.approx((one["min"] * scale, one["max"] * scale), rel=1e-6)
        assert recording.protocol.dt == pytest.approx(1000.0 / one["rate_hz"], rel=1e-6)
        if "spikes_prominence20" in one:
            assert spikes(trace) == one["spikes_prominence20"]


def test_recorded_current_is_idealised_to_its_plateau(read, expected):
    recording = read("abf/PYR2.abf")
    wanted = np.array(expected["abf/PYR2.abf"]["step_from_Imemb"])
    protocol = recording.protocol
    np.testing.assert_allclose(protocol.amplitude, wanted[:, 1], rtol=0.01, atol=0.31)
    np.testing.assert_allclose(protocol.command[:, 0], wanted[:, 0], rtol=0.01, atol=0.31)
    assert all(len(np.unique(row)) <= 3 for row in protocol.command)
    assert protocol.windows[0] == pytest.approx((81.2, 1081.2), abs=0.4)
    assert "idealised" in recording.provenance["stimulus"]


def test_same_recording_in_two_formats_is_the_same(read):
    one, other = read("abf/PYR2.abf"), read("nwb/FergusonEtAl2015_PYR2.nwb")
    np.testing.assert_allclose(one.response, other.response, atol=0.01)
    np.testing.assert_allclose(one.protocol.command, other.protocol.command, atol=0.1)
    np.testing.assert_allclose(one.protocol.windows, other.protocol.windows)
    assert one.protocol.dt == other.protocol.dt


@pytest.mark.parametrize("suffix", plugins.names("readers"))
@pytest.mark.parametrize(
    "content", [b"", b"\x00", b"nonsense\n" * 200, bytes(range(256)) * 64], ids=["empty", "0", "text", "bytes"]
)
def test_nonsense_is_refused_in_one_sentence(tmp_path, suffix, content):
    path = tmp_path / f"cell.{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        readers.read(path)
    assert str(error.value).startswith(path.name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", [s for s in plugins.names("readers") if any(n.endswith("." + s) for n in USABLE)])
@pytest.mark.parametrize("share", [0.0005, 0.01, 0.3, 0.9])
def test_cut_file_is_refused(recordings, tmp_path, suffix, share):
    name = min((name for name in USABLE if name.endswith("." + suffix)), key=lambda n: (recordings / n).stat().st_size)
    content = (recordings / name).read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"^cut"):
        readers.read(path)


def test_missing_file_and_unknown_suffix_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        readers.read(tmp_path / "none.abf")
    (tmp_path / "cell.xyz").write_text("1 2 3")
    with pytest.raises(InputError, match=r"no reader for 'xyz'; available: abf"):
        readers.read(tmp_path / "cell.xyz")
