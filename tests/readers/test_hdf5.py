"""A library that loops or crashes on a file costs a sentence, not the program."""

import os
import time

import h5py
import numpy as np
import pytest

from hhfit.errors import InputError
from hhfit.readers import _hdf5


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "cell.nwb"
    with h5py.File(path, "w") as opened:
        opened["group/data"] = range(10)
        opened["group"].attrs["unit"] = "V"
    return path


def loop():
    while True:
        pass


def fill():
    return len(np.ones((2**30,)))


def test_what_is_read_comes_back(file):
    found = _hdf5.apart(file, lambda: h5py.File(file)["group/data"][()])
    assert found.tolist() == list(range(10))


@pytest.mark.parametrize("read", [loop, os.abort, lambda: time.sleep(60)], ids=["loops", "dies", "sleeps"])
def test_file_that_holds_the_library_is_refused(file, monkeypatch, read):
    monkeypatch.setattr(_hdf5, "PATIENCE", 1)
    monkeypatch.setattr(_hdf5, "SLOWEST", 3.0)
    with pytest.raises(
        InputError, match=r"^cell\.nwb: the HDF5 library does not come to an end on it; .*copy it again"
    ):
        _hdf5.apart(file, read)


def test_a_file_that_asks_for_all_memory_is_refused(file):
    with pytest.raises(MemoryError):
        _hdf5.apart(file, fill)


@pytest.mark.parametrize("error", [InputError("mine"), KeyError("mine"), RuntimeError("mine")])
def test_what_is_raised_comes_back(file, error):
    def read():
        raise error

    with pytest.raises((type(error), OSError), match="mine"):
        _hdf5.apart(file, read)


def test_a_large_recording_comes_through_the_pipe(file):
    assert _hdf5.apart(file, lambda: np.arange(3_000_000)).sum() == 3_000_000 * 2_999_999 // 2
