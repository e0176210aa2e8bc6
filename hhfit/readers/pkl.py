"""Allen Cell Types sweeps as pickled for Goncalves et al. 2020: voltage, current, step and stimulus times."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from hhfit.errors import InputError
from hhfit.protocol import Protocol
from hhfit.recording import Recording
from hhfit.units import factor

_ALLOWED = {
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("_codecs", "encode"),
}


class _Unpickler(pickle.Unpickler):
    """Builds NumPy arrays and nothing else: a pickle can name any function, and plain loading calls it."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - fixed by pickle
        if (module.replace("numpy._core", "numpy.core"), name) not in _ALLOWED:
            raise InputError(f"names {module}.{name}, which hhfit does not load from a pickle")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def read(path: Path) -> Recording:
    """Read one pickled sweep: ``(voltage [mV], current [uA], dt [ms], t_on [ms], t_off [ms])``.

    Raises:
        InputError: If it holds anything else.
    """
    try:
        with path.open("rb") as file:
            voltage, current, dt, on, off = _Unpickler(file, encoding="latin1").load()
        response = np.asarray(voltage, float).reshape(1, -1)
        command = np.asarray(current, float).reshape(1, -1) * factor("uA", to="pA")
        protocol = Protocol(command, float(dt), np.array([float(on)]), np.array([float(off)]))
        return Recording(response, protocol, [0], {"name": path.name})
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from None
    except Exception as error:
        raise InputError(f"{path.name}: is not a pickled sweep of voltage, current and times: {error}") from None
