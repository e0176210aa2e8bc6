"""NEURON: the reference; many cells per run, mechanisms generated from the model."""

from typing import Any, final

from hhfit.arrays import Array
from hhfit.simulators._base import Simulator as Base
from hhfit.simulators._cells import Solver, corners, simulate

DENSE = 0.5
"""A current with more corners per step than this is dearer to play as a line than step by step."""


@final
class Simulator(Base):
    """Runs the model in NEURON, many rows of a sweep at a time.

    Crank-Nicolson (``secondorder=2``) with staggered ``cnexp`` gates; command and noise are played
    into every cell as a current density at every integration step.
    """

    def _simulate(self, theta: Array, seed: int, index: Array) -> tuple[Array, Array]:
        return simulate(self, _Neuron(), theta, seed=seed, index=index)


class _Neuron(Solver):
    def play(self, h: Any, density: Array, target: Any, dt: float) -> list[Any]:  # noqa: ANN401 - hoc
        times, values = corners(density, dt)
        if len(times) > DENSE * len(density):
            player = h.Vector(density)
            player.play(target, dt)
            return [player]
        player, clock = h.Vector(values), h.Vector(times)
        player.play(target, clock, 1)
        return [player, clock]

    def solve(self, parallel: Any, until: float) -> None:  # noqa: ANN401 - hoc
        parallel.psolve(until)
