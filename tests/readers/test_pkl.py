"""Pickles: nothing but arrays and numbers is built."""

import pickle

import numpy as np
import pytest

from hhfit import readers
from hhfit.errors import InputError

VOLTAGE = np.full(100, -70.0)
CURRENT = np.r_[np.zeros(20), np.full(60, 1e-4), np.zeros(20)]
SWEEP = (VOLTAGE, CURRENT, 0.5, 10.0, 40.0)


def write(tmp_path, content, protocol=2):
    path = tmp_path / "cell.pkl"
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    return path


class Harmful:
    """Calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_sweep_is_read_from_any_pickle_protocol(tmp_path, protocol):
    recording = readers.read(write(tmp_path, SWEEP, protocol))
    np.testing.assert_allclose(recording.protocol.command[0], CURRENT * 1e6)
    assert recording.protocol.windows == [(10.0, 40.0)]


def test_no_code_of_a_pickle_is_executed(tmp_path):
    import os

    mark = tmp_path / "executed"
    for function, arguments in [
        (os.system, (f"touch {mark}",)),
        (eval, (f"open({str(mark)!r}, 'w')",)),
        (open, (str(mark), "w")),
        (np.load, (str(mark),)),
        (np.ndarray, ((10,),)),
    ]:
        with pytest.raises(InputError, match=r"^cell.pkl"):
            readers.read(write(tmp_path, (Harmful(function, *arguments), *SWEEP[1:])))
        assert not mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02]r\xff\xff\xff\x7f.",  # memo index of 2**31
        b"\x80\x05\x96\xff\xff\xff\xff\xff\x00\x00\x00.",  # bytearray of 2**40 bytes
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\x00\x00\x00.",  # bytes of 2**40 bytes
        b"cnumpy\nndarray\n((I1000000000000\nttR.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I1000000000000\ntS'b'\ntR.",
    ],
)
def test_absurd_sizes_ask_for_no_memory(tmp_path, content):
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=r"^cell.pkl"):
        readers.read(write(tmp_path, content))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"voltage": VOLTAGE}, "pickle operation|EMPTY_DICT|cannot be read"),
        (SWEEP[:4], "holds tuple"),
        ((VOLTAGE, CURRENT[:90], *SWEEP[2:]), "shape"),
        ((VOLTAGE * np.nan, *SWEEP[1:]), "NaN"),
        ((VOLTAGE, 0 * CURRENT, *SWEEP[2:]), "0 pA throughout"),
        ((VOLTAGE * 1000, *SWEEP[1:]), "7e\\+04 mV"),
        ((VOLTAGE, CURRENT, -0.5, 10.0, 40.0), "dt is -0.5"),
        ((VOLTAGE, CURRENT, 0.5, 10.0, 400.0), "stimulus window"),
        (np.array(["a", "b"]), "expected numbers|operation"),
    ],
)
def test_other_content_is_refused(tmp_path, content, words):
    with pytest.raises(InputError, match=rf"^cell.pkl.*({words})"):
        readers.read(write(tmp_path, content))
