"""NWB: pairing, conversion, both versions, and what is refused."""

from datetime import UTC, datetime

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO, NWBFile
from pynwb.icephys import (
    CurrentClampSeries,
    CurrentClampStimulusSeries,
    VoltageClampSeries,
    VoltageClampStimulusSeries,
)

from hhfit import readers
from hhfit.errors import InputError
from hhfit.protocol import step
from hhfit.recording import Recording
from hhfit.writing import write_nwb

PROTOCOL = step(np.array([-50.0, 0.0, 50.0, 100.0]), on=20.0, off=120.0, duration=200.0, dt=0.1)
RESPONSE = -70.0 + 0.1 * PROTOCOL.command


def write(path, *, numbered=True, names=("stim_{}", "resp_{}"), order=None, skip=(), table=False, **changed):
    """Sweeps of ``PROTOCOL`` in volts and amperes, in an order of our choice."""
    nwb = NWBFile("test", "id", datetime(2020, 1, 1, tzinfo=UTC))
    electrode = nwb.create_icephys_electrode(name="e", description="d", device=nwb.create_device(name="a"))
    for row in order or range(4):
        shared = {"electrode": electrode, "rate": 10_000.0, "gain": 2.0}
        shared |= {"sweep_number": np.uint64(row)} if numbered else {}
        response = {"data": RESPONSE[row] / 1000.0} | shared | changed.get("response", {})
        stimulus = {"data": PROTOCOL.command[row] * 1e-12} | shared | changed.get("stimulus", {})
        one = CurrentClampSeries(name=names[1].format(row), **response)
        other = CurrentClampStimulusSeries(name=names[0].format(row), **stimulus)
        if table:
            nwb.add_intracellular_recording(electrode=electrode, stimulus=other, response=one)
        else:
            nwb.add_acquisition(one)
            if row not in skip:
                nwb.add_stimulus(other)
    with NWBHDF5IO(str(path), "w") as file:
        file.write(nwb)
    return path


def same(recording):
    np.testing.assert_allclose(recording.response, RESPONSE, atol=1e-6)
    np.testing.assert_allclose(recording.protocol.command, PROTOCOL.command, atol=1e-6)
    np.testing.assert_allclose(recording.protocol.windows, PROTOCOL.windows)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize("order", [None, [3, 2, 1, 0]])
@pytest.mark.parametrize("numbered", [False, True])
def test_sweeps_are_paired_however_they_are_stored(tmp_path, numbered, order, table):
    same(readers.read(write(tmp_path / "cell.nwb", numbered=numbered, order=order, table=table)))


@pytest.mark.filterwarnings("ignore")
def test_sweep_10_comes_after_sweep_2_by_name(tmp_path):
    nwb = NWBFile("test", "id", datetime(2020, 1, 1, tzinfo=UTC))
    electrode = nwb.create_icephys_electrode(name="e", description="d", device=nwb.create_device(name="a"))
    for row in range(12):
        shared = {"electrode": electrode, "rate": 10_000.0, "gain": 1.0}
        nwb.add_acquisition(
            CurrentClampSeries(name=f"ic__Step__{row}", data=np.full(2000, -0.07 + row * 1e-4), **shared)
        )
        command = np.r_[np.zeros(500), np.full(1000, (row + 1) * 1e-11), np.zeros(500)]
        nwb.add_stimulus(CurrentClampStimulusSeries(name=f"st__Step__{row}", data=command, **shared))
    with NWBHDF5IO(str(tmp_path / "cell.nwb"), "w") as file:
        file.write(nwb)
    recording = readers.read(tmp_path / "cell.nwb")
    np.testing.assert_allclose(recording.response[:, 0], -70 + 0.1 * np.arange(12))
    np.testing.assert_allclose(recording.protocol.amplitude, 10.0 * np.arange(1, 13))


@pytest.mark.filterwarnings("ignore")
def test_conversion_and_offset_apply_and_gain_does_not(tmp_path):
    changed = {
        "response": {"data": np.round(RESPONSE[0] * 100) + 500, "conversion": 1e-5, "offset": -5e-3, "gain": 20.0},
        "stimulus": {"data": PROTOCOL.command[0] / 1000, "conversion": 1e-9, "gain": 400.0},
    }
    recording = readers.read(write(tmp_path / "cell.nwb", order=[0], **changed))
    np.testing.assert_allclose(recording.response[0], RESPONSE[0], atol=0.01)
    np.testing.assert_allclose(recording.protocol.command[0], PROTOCOL.command[0], atol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"skip": (0, 1, 2, 3)}, "resp_0 has no stimulus.*--stimulus"),
        ({"response": {"unit": "volts", "data": RESPONSE[0] * 1e-6}}, r"within 0.0[67]\d* mV of zero.*--voltage-scale"),
        ({"stimulus": {"rate": 20_000.0}}, "sampled every 0.1 ms and its stimulus every 0.05 ms"),
        ({"stimulus": {"starting_time": 0.5}}, "starts 500 ms after it"),
        ({"response": {"data": np.full(2000, np.nan)}}, "NaN"),
        ({"response": {"data": np.full(2000, -70.0)}}, r"reaches 7e\+04 mV"),
        ({"stimulus": {"data": np.zeros(2000)}}, "never changes"),
        ({"stimulus": {"data": np.zeros(1999)}}, "must be"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path, changed, words):
    with pytest.raises(InputError, match=rf"^cell.nwb.*{words}"):
        readers.read(write(tmp_path / "cell.nwb", **changed))


@pytest.mark.filterwarnings("ignore")
def test_what_is_written_is_read_back(tmp_path):
    written = Recording(RESPONSE, PROTOCOL, [3, 4, 7, 9], {"name": "cell"})
    write_nwb(written, tmp_path / "cell.nwb", description="test")
    recording = readers.read(tmp_path / "cell.nwb")
    np.testing.assert_allclose(recording.response, RESPONSE, atol=1e-5)
    np.testing.assert_allclose(recording.protocol.command, PROTOCOL.command, atol=1e-5)
    assert recording.sweeps.tolist() == [3, 4, 7, 9]


@pytest.mark.filterwarnings("ignore")
def test_sweep_without_stimulus_is_left_out_and_said_to_be(tmp_path):
    recording = readers.read(write(tmp_path / "cell.nwb", skip=(2,)))
    assert recording.sweeps.tolist() == [0, 1, 3]
    assert recording.provenance["left out"] == "sweeps 2, which have no stimulus"


def series(nwb, electrode, row, response, command, **shared):
    shared = {"electrode": electrode, "rate": 10_000.0, "gain": 1.0, "sweep_number": np.uint32(row), **shared}
    nwb.add_acquisition(CurrentClampSeries(name=f"r{row}", data=response / 1000.0, **shared))
    nwb.add_stimulus(CurrentClampStimulusSeries(name=f"s{row}", data=command * 1e-12, **shared))


def blank(path, fill):
    nwb = NWBFile("test", "id", datetime(2020, 1, 1, tzinfo=UTC))
    electrode = nwb.create_icephys_electrode(name="e", description="d", device=nwb.create_device(name="a"))
    fill(nwb, electrode)
    with NWBHDF5IO(str(path), "w") as file:
        file.write(nwb)
    return path


@pytest.mark.filterwarnings("ignore")
def test_sweeps_of_other_length_or_rate_or_with_nan_are_left_out(tmp_path):
    def fill(nwb, electrode):
        for row in range(4):
            series(nwb, electrode, row, RESPONSE[row], PROTOCOL.command[row])
        series(nwb, electrode, 4, RESPONSE[3][:900], PROTOCOL.command[3][:900])
        series(nwb, electrode, 5, RESPONSE[3], PROTOCOL.command[3], rate=20_000.0)
        series(nwb, electrode, 7, RESPONSE[2], np.where(np.arange(2000) > 1500, np.nan, PROTOCOL.command[2]))
        series(nwb, electrode, 6, np.where(np.arange(2000) > 1500, np.nan, RESPONSE[3]), PROTOCOL.command[3])

    recording = readers.read(blank(tmp_path / "cell.nwb", fill))
    same(recording)
    said = recording.provenance["left out"]
    assert said == "sweeps 4, 5, of another length or sampling rate; sweeps 6, 7, which hold NaN"


@pytest.mark.filterwarnings("ignore")
def test_sweeps_of_one_stimulus_can_be_chosen_by_its_description(tmp_path):
    def fill(nwb, electrode):
        for row in range(4):
            series(nwb, electrode, row, RESPONSE[row], PROTOCOL.command[row], stimulus_description="Long Square")
        for row in range(4, 10):
            response, command = np.tile(RESPONSE[1], 2), np.tile(PROTOCOL.command[2], 2)
            series(nwb, electrode, row, response, command, stimulus_description="Ramp")

    path = blank(tmp_path / "cell.nwb", fill)
    assert readers.read(path).sweeps.tolist() == [4, 5, 6, 7, 8, 9]
    same(readers.read(path, readers.Given(channel="Long Square")))
    with pytest.raises(InputError, match="of the stimuli Long Square, Ramp"):
        readers.read(path, readers.Given(channel="Short Square"))


@pytest.mark.filterwarnings("ignore")
def test_sweeps_of_one_long_series_are_cut_out_of_it(tmp_path):
    def fill(nwb, electrode):
        shared = {"electrode": electrode, "rate": 10_000.0, "gain": 1.0}
        gap = np.full(300, -0.07)
        long = np.concatenate([np.r_[gap, row / 1000.0] for row in RESPONSE])
        response = CurrentClampSeries(name="r", data=long, **shared)
        command = np.concatenate([np.r_[gap * 0, row * 1e-12] for row in PROTOCOL.command])
        stimulus = CurrentClampStimulusSeries(name="s", data=command, **shared)
        for row in range(4):
            place = {"start_index": 2300 * row + 300, "index_count": 2000}
            nwb.add_intracellular_recording(
                electrode=electrode,
                stimulus=stimulus,
                response=response,
                **{f"{who}_{key}": value for who in ("stimulus", "response") for key, value in place.items()},
            )

    same(readers.read(blank(tmp_path / "cell.nwb", fill)))


@pytest.mark.filterwarnings("ignore")
def test_voltage_clamp_of_the_same_sweep_numbers_is_no_candidate(tmp_path):
    def fill(nwb, electrode):
        for row in range(4):
            series(nwb, electrode, row, RESPONSE[row], PROTOCOL.command[row])
            shared = {"electrode": electrode, "rate": 10_000.0, "gain": 1.0, "sweep_number": np.uint32(row)}
            nwb.add_acquisition(VoltageClampSeries(name=f"vc{row}", data=PROTOCOL.command[row] * 1e-12, **shared))
            nwb.add_stimulus(VoltageClampStimulusSeries(name=f"vs{row}", data=RESPONSE[row] / 1000.0, **shared))

    same(readers.read(blank(tmp_path / "cell.nwb", fill)))


@pytest.mark.filterwarnings("ignore")
def test_unit_of_the_potential_can_be_overruled(tmp_path):
    path = write(tmp_path / "cell.nwb", response={"conversion": 1e-3})
    with pytest.raises(InputError, match="--voltage-scale"):
        readers.read(path)
    same(readers.read(path, readers.Given(voltage_scale=1000.0)))


def write_version_1(path, rows, unit="V"):
    with h5py.File(path, "w") as file:
        file["nwb_version"] = "NWB-1.0.5"
        for row, (response, command, rate) in enumerate(rows):
            for place, values, factor in (
                ("acquisition/timeseries", response, 1e-3),
                ("stimulus/presentation", command, 1e-12),
            ):
                group = file.create_group(f"{place}/Sweep_{row + 5}")
                group.attrs["ancestry"] = ["TimeSeries", "PatchClampSeries", "CurrentClampSeries"]
                group["data"] = values * 1000.0
                group["data"].attrs["conversion"] = factor / 1000.0
                group["data"].attrs["unit"] = unit if factor == 1e-3 else "A"
                group["starting_time"] = 0.0
                group["starting_time"].attrs["rate"] = rate


def test_version_1_of_the_allen_layout_is_read(tmp_path):
    rows = [(RESPONSE[k], PROTOCOL.command[k], 10_000.0) for k in range(4)]
    rows.insert(0, (RESPONSE[1][:500], PROTOCOL.command[2][:500], 10_000.0))
    write_version_1(tmp_path / "cell.nwb", rows)
    recording = readers.read(tmp_path / "cell.nwb")
    np.testing.assert_allclose(recording.response, RESPONSE[[0, 2, 3]])
    np.testing.assert_allclose(recording.protocol.command, PROTOCOL.command[[0, 2, 3]])
    assert recording.sweeps.tolist() == [6, 8, 9]
    assert recording.provenance["left out"] == "5"


def test_version_1_without_current_clamp_is_refused(tmp_path):
    write_version_1(tmp_path / "cell.nwb", [(RESPONSE[0], PROTOCOL.command[0], 10_000.0)], unit="A")
    with pytest.raises(InputError, match="no current-clamp sweep"):
        readers.read(tmp_path / "cell.nwb")


@pytest.mark.filterwarnings("ignore")
def test_file_without_patch_clamp_is_refused(tmp_path):
    with NWBHDF5IO(str(tmp_path / "cell.nwb"), "w") as file:
        file.write(NWBFile("test", "id", datetime(2020, 1, 1, tzinfo=UTC)))
    with pytest.raises(InputError, match="expected CurrentClampSeries"):
        readers.read(tmp_path / "cell.nwb")
