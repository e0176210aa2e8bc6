"""Allen Cell Types sweeps as pickled for Goncalves et al. 2020: voltage, current, step and stimulus times."""

import pickle
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.protocol import Protocol
from hhfit.readers._assemble import LARGEST
from hhfit.readers._given import NOTHING, Given
from hhfit.readers._guard import need_room, reads
from hhfit.recording import Recording
from hhfit.units import factor

_CONTENT = "(voltage [mV], current [uA], step [ms], start [ms], end [ms])"


class _Arrays:
    """Stands for ``numpy.ndarray`` while a pickle is read; it cannot be called."""


def _empty(kind: object, shape: object, code: object) -> Array:
    """What ``numpy.core.multiarray._reconstruct`` makes before the data are filled in, whatever its arguments."""
    if kind is not _Arrays:
        raise InputError("reconstructs something else than an array")
    return np.empty((0,), "i1")


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise InputError(f"encodes text as {encoding!r}")
    return text.encode("latin1")


def _plain(kind: str, *rest: bool) -> np.dtype:
    if not isinstance(kind, str) or np.dtype(kind).kind not in "fiub":
        raise InputError(f"holds values of type {kind!r}, expected numbers")
    return np.dtype(kind, *rest)


def _scalar(kind: np.dtype, data: bytes) -> np.generic:
    return np.frombuffer(data if isinstance(data, bytes) else data.encode("latin1"), kind, 1)[0]


_ALLOWED = {
    ("numpy", "dtype"): _plain,
    ("numpy", "ndarray"): _Arrays,
    ("numpy.core.multiarray", "_reconstruct"): _empty,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("_codecs", "encode"): _encoded,
}
_STRUCTURE = ("MARK", "STOP", "POP", "POP_MARK", "DUP", "PROTO", "FRAME", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD")
_NUMBERS = ("NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT")
_STRINGS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8")
_TEXTS = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE")
_TUPLES = ("TUPLE", "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "LIST", "EMPTY_LIST", "APPEND", "APPENDS")
_MEMO = ("GET", "BINGET", "LONG_BINGET", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")
_OPERATIONS = (*_STRUCTURE, *_NUMBERS, *_STRINGS, *_TEXTS, *_TUPLES, *_MEMO)
_CODES = [getattr(pickle, name)[0] for name in _OPERATIONS]


class _Unpickler(pickle._Unpickler):
    """Builds NumPy arrays and nothing else: a pickle can name any function, and plain loading calls it.

    The interpreter written in Python is used since its memory does not grow with a number in the file.
    """

    dispatch: ClassVar = {code: pickle._Unpickler.dispatch[code] for code in _CODES}

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - fixed by pickle
        try:
            return _ALLOWED[module.replace("numpy._core", "numpy.core"), name]
        except KeyError:
            raise InputError(f"names {module}.{name}, which hhfit does not load from a pickle") from None


def read(path: Path, given: Given = NOTHING) -> Recording:
    """Read one pickled sweep: ``(voltage [mV], current [uA], step [ms], start [ms], end [ms])``.

    Raises:
        InputError: If it holds anything else, or asks for anything but arrays and numbers.
    """
    with reads(path, "a pickled sweep"):
        content = _Unpickler(BytesIO(path.read_bytes()), encoding="latin1").load()
        if not isinstance(content, tuple | list) or len(content) != 5:
            raise InputError(f"holds {type(content).__name__}, expected {_CONTENT}")
        voltage, current = (_row(path, values) for values in content[:2])
        dt, on, off = (float(np.asarray(value).reshape(())) for value in content[2:])
        if given.stimulus:
            command = given.stimulus.command(1, voltage.shape[1], dt)
            on, off = given.stimulus.on, given.stimulus.off
        else:
            command = current * factor("uA", to="pA")
        if np.abs(voltage).max() > LARGEST["mV"]:
            raise InputError(
                f"the voltage reaches {np.abs(voltage).max():.4g} mV, expected at most {LARGEST['mV']:g} mV"
            )
        if np.ptp(command) == 0:
            raise InputError(f"the current is {command[0, 0]:g} pA throughout; pass --stimulus")
        source = "given by the user" if given.stimulus else "stored in the file"
        protocol = Protocol(command, dt, np.array([on]), np.array([off]))
        return Recording(voltage, protocol, [0], {"name": path.name, "stimulus": source})


def _row(path: Path, values: Any) -> Array:  # noqa: ANN401 - whatever was pickled
    array = np.asarray(values)
    need_room(path, 8.0 * array.size)
    if array.dtype.kind not in "fiu" or array.size < 2:
        raise InputError(f"holds an array of {array.size} values of type {array.dtype}, expected {_CONTENT}")
    return array.astype(float).reshape(1, -1)
