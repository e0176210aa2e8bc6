"""A library that loops or crashes on a file costs a sentence, not the program."""

import os
import time

import h5py
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


def loop(_):
    while True:
        pass


def test_whole_file_passes(file):
    _hdf5.check(file)


@pytest.mark.parametrize(
    "walk", [loop, lambda _: os.abort(), lambda _: time.sleep(60)], ids=["loops", "dies", "sleeps"]
)
def test_file_that_holds_the_library_is_refused(file, monkeypatch, walk):
    monkeypatch.setattr(_hdf5, "walk", walk)
    monkeypatch.setattr(_hdf5, "PATIENCE", 1)
    monkeypatch.setattr(_hdf5, "SLOWEST", 3.0)
    with pytest.raises(
        InputError, match=r"^cell\.nwb: the HDF5 library does not come to an end on it; .*copy it again"
    ):
        _hdf5.check(file)


def test_what_the_reader_will_refuse_itself_passes(file):
    file.write_bytes(file.read_bytes()[:300])
    _hdf5.check(file)


def test_walk_looks_at_everything(file, monkeypatch):
    seen = []
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda self, key: seen.append((self.name, key)))
    _hdf5.walk(file)
    assert seen == [("/group/data", ())]
