"""MATLAB: versions 5 and 7.3, orientation, units, rates, and what is refused."""

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from hhfit import readers
from hhfit.errors import InputError
from hhfit.readers import Given

TIME = np.arange(2000) * 0.1
CURRENT = np.array([-50.0, 100.0])[:, None] * ((TIME >= 50) & (TIME < 150))
VOLTAGE = -70.0 + 0.1 * CURRENT


def write_5(path, variables, **_):
    savemat(path, variables)
    return path


def write_73(path, variables, prefix="MATLAB 7.3 MAT-file"):
    """As MATLAB does: HDF5 behind a user block, arrays transposed, structures as groups."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            inside = value if isinstance(value, dict) else {name: value}
            place = file.create_group(name) if isinstance(value, dict) else file
            for key, one in inside.items():
                place[key] = np.atleast_2d(np.asarray(one, float)).T
    with open(path, "r+b") as file:
        file.write(prefix.encode().ljust(128))
    return path


WRITERS = pytest.mark.parametrize("write", [write_5, write_73])


def same(recording):
    np.testing.assert_allclose(recording.response, VOLTAGE)
    np.testing.assert_allclose(recording.protocol.command, CURRENT)
    assert recording.protocol.dt == pytest.approx(0.1)


@WRITERS
@pytest.mark.parametrize("turned", [False, True])
def test_arrays_are_read_whichever_way_they_lie(tmp_path, write, turned):
    v, i = (VOLTAGE.T, CURRENT.T) if turned else (VOLTAGE, CURRENT)
    same(readers.read(write(tmp_path / "cell.mat", {"voltage": v, "current": i, "sampleRate": 10_000.0})))


@WRITERS
def test_rate_is_found_in_a_structure(tmp_path, write):
    same(readers.read(write(tmp_path / "cell.mat", {"v": VOLTAGE, "i": CURRENT, "Pars": {"sampleRate": 10_000.0}})))


@WRITERS
def test_arrays_are_found_in_a_structure(tmp_path, write):
    same(readers.read(write(tmp_path / "cell.mat", {"data": {"Vm": VOLTAGE.T, "Im": CURRENT.T, "fs": 10_000.0}})))


@WRITERS
@pytest.mark.parametrize("per_ms", [1.0, 1e-3])
def test_vector_of_times_in_s_or_ms_gives_the_step(tmp_path, write, per_ms):
    same(readers.read(write(tmp_path / "cell.mat", {"v": VOLTAGE, "i": CURRENT, "t": TIME * per_ms})))


@WRITERS
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"current": CURRENT / 1000}, "command changes by 0.15 pA in all.*another unit; "),
        ({"fs": 10.0}, "sampling step is 100 ms, expected 0.002 to 2 ms; "),
    ],
)
def test_wrong_units_are_refused(tmp_path, write, changed, words):
    variables = {"voltage": VOLTAGE, "current": CURRENT, "fs": 10_000.0} | changed
    with pytest.raises(InputError, match=words):
        readers.read(write(tmp_path / "cell.mat", variables))


@WRITERS
def test_other_names_and_units_are_given(tmp_path, write):
    path = write(tmp_path / "cell.mat", {"Trace": VOLTAGE / 1000, "Inj": CURRENT / 1000, "dt_ms": 0.1})
    with pytest.raises(InputError, match="--columns voltage=NAME"):
        readers.read(path)
    same(readers.read(path, Given(columns="voltage=Trace[V],current=Inj[nA]")))


@WRITERS
def test_volts_taken_for_millivolts_are_refused(tmp_path, write):
    path = write(tmp_path / "cell.mat", {"voltage": VOLTAGE / 1000, "current": CURRENT, "fs": 10_000.0})
    with pytest.raises(InputError, match=r"within 0.0\d+ mV of zero.*--voltage-scale"):
        readers.read(path)
    same(readers.read(path, Given(voltage_scale=1000.0)))


@WRITERS
def test_missing_rate_is_asked_for(tmp_path, write):
    path = write(tmp_path / "cell.mat", {"voltage": VOLTAGE, "current": CURRENT})
    with pytest.raises(InputError, match="--interval"):
        readers.read(path)
    same(readers.read(path, Given(interval=0.1)))


@pytest.mark.parametrize("length", [100, 700, 5000])
@WRITERS
def test_cut_file_is_refused(tmp_path, write, length):
    path = write(tmp_path / "cell.mat", {"voltage": VOLTAGE, "current": CURRENT, "fs": 10_000.0})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match=r"^cell\.mat: .*; "):
        readers.read(path)
