"""NEURON: the reference; many cells per run, mechanisms generated from the model."""

from typing import Any, final

from hhfit.arrays import Array
from hhfit.simulators import _cells
from hhfit.simulators._base import Simulator as Base


@final
class Simulator(Base):
    """Runs the model in NEURON, many rows of a sweep at a time.

    Crank-Nicolson (``secondorder=2``) with staggered ``cnexp`` gates; command and noise are played
    into every cell as a current density at every integration step.
    """

    def _simulate(self, theta: Array, seed: int, index: Array) -> tuple[Array, Array]:
        return _cells.simulate(self, _Neuron(), theta, seed=seed, index=index)


class _Neuron(_cells.Solver):
    def play(self, h: Any, density: Array, target: Any, dt: float) -> list[Any]:  # noqa: ANN401 - hoc
        player = h.Vector(density)
        player.play(target, dt)
        return [player]

    def solve(self, parallel: Any, until: float) -> None:  # noqa: ANN401 - hoc
        parallel.psolve(until)
