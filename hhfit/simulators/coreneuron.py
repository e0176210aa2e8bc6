"""CoreNEURON: NEURON's cells, solved by a library compiled for the model; one model's mechanisms per process."""

import ctypes
import os
from pathlib import Path
from typing import Any, final

from hhfit.arrays import Array
from hhfit.errors import UnsupportedError
from hhfit.simulators import _nrnivmodl, _trees
from hhfit.simulators._base import Simulator as Base
from hhfit.simulators._cells import Solver, corners, interpreter, simulate

LIBRARY = "CORENEURONLIB"
"""Environment variable that CoreNEURON finds its library by."""


@final
class Simulator(Base):
    """Runs the cells of ``neuron``, to the same numbers, by CoreNEURON.

    It is not the default: it is 1.3 times faster than ``neuron`` (1.1 with noise), its library takes a quarter
    of a minute to build, a process can hold one library alone, and CoreNEURON never frees the currents it was given
    (16 bytes per corner: with noise, 100 cells and 10 000 steps, 16 MB a sweep), for which a worker is renewed.

    Raises:
        UnsupportedError: When called, if CoreNEURON cannot be built for the model, or this process has run others.
    """

    def _simulate(self, theta: Array, seed: int, index: Array) -> tuple[Array, Array]:
        texts = _trees.plan(self.model).mechanisms
        if not _has_begun():
            # First of all, since it names the line of a file that is wrong.
            interpreter(self)
            os.environ[LIBRARY] = str(_nrnivmodl.core(texts, self.model.name))
        elif _nrnivmodl.core_folder(texts) not in Path(os.environ.get(LIBRARY, "")).parents:
            raise UnsupportedError(
                f"{self.model.name}: CoreNEURON runs the mechanisms of one model per process, and this process has run "
                "others; start a new process, or take --simulator neuron"
            )
        return simulate(self, _CoreNeuron(), theta, seed=seed, index=index)


class _CoreNeuron(Solver):
    def play(self, h: Any, density: Array, target: Any, dt: float) -> list[Any]:  # noqa: ANN401 - hoc
        # CoreNEURON ends the process when a vector is played step by step.
        times, values = corners(density, dt)
        player, clock = h.Vector(values), h.Vector(times)
        player.play(target, clock, 1)
        return [player, clock]

    def solve(self, parallel: Any, until: float) -> None:  # noqa: ANN401 - hoc
        from neuron import coreneuron

        with coreneuron(enable=True, verbose=0):
            arguments = coreneuron.nrncore_arg(0.0)
        # It would write the end with six digits, which makes a long sweep a step too long.
        parallel.nrncore_run(arguments.replace(" --tstop 0 ", f" --tstop {until!r} "))


def _has_begun() -> bool:
    """Whether this process has loaded a library of CoreNEURON: it keeps the first for good."""
    return hasattr(ctypes.CDLL(None), "corenrn_embedded_run")
