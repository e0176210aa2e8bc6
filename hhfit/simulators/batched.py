"""The native simulator: a numba kernel generated from the model, vectorised over parameter sets."""

import hashlib
import importlib.util
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from types import ModuleType
from typing import final

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError, UnsupportedError
from hhfit.simulators import _branches, _kernel
from hhfit.simulators._base import Simulator as Base
from hhfit.simulators._base import need_rates
from hhfit.simulators._cache import folder
from hhfit.simulators._compartments import possible


@final
@dataclass(frozen=True, eq=False)
class Simulator(Base):
    """Runs the model in blocks of simulations, one per vector lane.

    Args:
        scheme: One of ``SCHEMES``, or ``"auto"``: the model's own, else sequential exponential Euler with
            noise or a morphology and RK4 without.
        precision: ``"float64"`` or ``"float32"``.

    Raises:
        InputError: If the scheme or the precision is unknown.
        UnsupportedError: If the model has channels in NMODL or too many compartments.
    """

    scheme: str = "auto"
    precision: str = "float64"

    def __post_init__(self) -> None:
        super().__post_init__()
        need_rates(self.model, "batched")
        if self.scheme not in ("auto", *_kernel.SCHEMES):
            raise InputError(f"unknown scheme {self.scheme!r}; available: auto, {', '.join(_kernel.SCHEMES)}")
        if self.precision not in _kernel.LANES:
            raise InputError(f"precision is {self.precision!r}, must be one of {', '.join(_kernel.LANES)}")
        if self.model.morphology is not None:
            _branches.need_few(self.model)
            if self._scheme != _branches.SCHEME:
                raise UnsupportedError(
                    f"{self.model.name}: scheme {self._scheme!r} is for cells of one compartment; with a morphology "
                    f"take {_branches.SCHEME!r}, whose cable equation is implicit"
                )

    def __getstate__(self) -> dict[str, object]:
        """Everything but what is generated: that is made again where it is needed."""
        return {name: value for name, value in self.__dict__.items() if name != "kernel"}

    @property
    def _scheme(self) -> str:
        if self.scheme != "auto":
            return self.scheme
        sequential = self.is_noisy or self.model.morphology is not None
        return self.model.integrator or ("exponential-euler" if sequential else "rk4")

    @cached_property
    def kernel(self) -> _kernel.Kernel | _branches.Kernel:
        """The generated kernel."""
        if self.model.morphology is not None:
            return _branches.generate(self.model, self.precision, self.is_noisy)
        return _kernel.generate(self.model, self._scheme, self.precision, self.is_noisy)

    def _simulate(self, theta: Array, seed: int, index: Array) -> tuple[Array, Array]:
        lanes = _kernel.LANES[self.precision]
        run = _load(self.kernel.source).run
        command = np.ascontiguousarray(self.protocol.command, dtype=self.precision)
        response = np.empty((len(theta), *command.shape), self.precision)
        padded = np.minimum(np.arange(-(-len(theta) // lanes) * lanes), len(theta) - 1)
        with np.errstate(over="ignore"):  # what single precision cannot hold is infinite, and the row says so
            inputs = [part.astype(self.precision) for part in self.kernel.inputs(self.model, theta[padded], self.dt)]
        shared = self.kernel.shared
        number = index[padded].astype(np.uint64)

        def block(start: int) -> None:
            rows = slice(start, start + lanes)
            whole = start + lanes <= len(theta)
            out = response[rows] if whole else np.empty((lanes, *command.shape), self.precision)
            own = (np.ascontiguousarray(part[..., rows]) for part in inputs)
            run(*own, *shared, command, self.substeps, np.uint64(seed), number[rows], out)
            if not whole:
                response[start:] = out[: len(theta) - start]

        starts = range(0, len(theta), lanes)
        if self.threads == 1:
            for start in starts:
                block(start)
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(block, starts))
        return response, possible(self.model, self.model.values(theta))


@cache
def _load(source: str) -> ModuleType:
    """The module of a generated text, from the user's cache; numba keeps its machine code beside it."""
    name = "kernel_" + hashlib.sha256(source.encode()).hexdigest()[:16]
    path = folder("batched") / f"{name}.py"
    if not path.is_file() or path.read_text() != source:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False) as file:
            file.write(source)
        os.replace(file.name, path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise AssertionError(f"no loader for {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
