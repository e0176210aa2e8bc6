"""The bounded density: a mixture of spline flows on a box within the prior's unit cube."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field

import numpy as np
import torch

from hhfit.arrays import Array
from hhfit.inference import _recurrent
from hhfit.inference._flows import Flows, Shape
from hhfit.inference._scaling import Scaling
from hhfit.inference._training import one_thread

_CHUNK = 2000
_WEIGHTS = ("flow.", "embed.", _recurrent.SUMMARY, "rank", "missing")


@dataclass(frozen=True, eq=False)
class Density:
    """Conditional density of cube points given features; its mass inside the box is exactly 1.

    Args:
        flows: The members of the mixture, on the unit cube.
        scaling: Maps features to network inputs.
        low: Lower corner of the box, shape ``(P,)``.
        high: Upper corner, shape ``(P,)``.
        held_out: Index of the simulations kept for validation, whose parameters are spread like the prior in the box.
    """

    flows: Flows
    scaling: Scaling
    low: Array
    high: Array
    held_out: Array = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def arrays(self) -> dict[str, Array]:
        """All that defines it, by name."""
        shape = np.array(astuple(self.flows.shape), dtype=np.int64)
        return (
            self.flows.weights()
            | self.scaling.arrays()
            | {
                "shape": shape,
                "low": self.low,
                "high": self.high,
                "held_out": self.held_out,
            }
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> "Density":
        """The density whose ``arrays`` were recorded."""
        weights = {k: v for k, v in arrays.items() if k.startswith(_WEIGHTS)}
        shape, scaling = Shape(*(int(value) for value in arrays["shape"])), Scaling.from_arrays(arrays)
        flows = Flows(shape, weights, scaling.sampled.inputs)
        return cls(flows, scaling, arrays["low"], arrays["high"], arrays["held_out"])

    @property
    def members(self) -> int:
        """Networks in the mixture."""
        return self.flows.shape.members

    def to_box(self, u: Array) -> Array:
        """Coordinates within the box of cube points ``(N, P)``, 0 to 1 inside."""
        return (u - self.low) / (self.high - self.low)

    def _context(self, x: Array) -> torch.Tensor:
        return self.flows.context(torch.tensor(self.scaling(x)).expand(self.members, -1, -1))

    def summary(self, x: Array) -> Array:
        """What the first member condenses features ``(N, F)`` to, shape ``(N, K)``."""
        with torch.no_grad(), one_thread():
            context = self.flows.context(torch.tensor(self.scaling(x))[None], slice(0, 1))[0]
        return context[:, self.flows.shape.inputs :].double().numpy()

    def log_prob(self, u: Array, x: Array) -> Array:
        """Log density of cube points ``(N, P)`` given features ``(1, F)`` or ``(N, F)``; -inf outside the box."""
        inside = self.to_box(u)
        value = np.full(len(u), -np.inf)
        rows = np.flatnonzero(((inside >= 0) & (inside <= 1)).all(axis=1))
        with torch.no_grad(), one_thread():
            shared = self._context(x) if len(x) == 1 else None
            for start in range(0, len(rows), _CHUNK):
                part = rows[start : start + _CHUNK]
                context = self._context(x[part]) if shared is None else shared.expand(-1, len(part), -1)
                points = torch.tensor(inside[part], dtype=torch.float32).expand(self.members, -1, -1)
                each = self.flows.log_prob(points, context).double()
                value[part] = torch.logsumexp(each, dim=0).numpy() - np.log(self.members)
        return value - np.log(self.high - self.low).sum()

    def sample(self, x: Array, rng: np.random.Generator) -> Array:
        """One cube point for every row of features ``(N, F)``, shape ``(N, P)``."""
        return self._draw(x, len(x), rng)

    def _draw(self, x: Array, n: int, rng: np.random.Generator) -> Array:
        """``n`` points for as many rows of features, or for the only one, whose context is computed once."""
        size = len(self.low)
        member = rng.permutation(np.arange(n) % self.members)
        z = torch.tensor(rng.random((n, size)), dtype=torch.float32)
        inside = np.empty((n, size))
        with torch.no_grad(), one_thread():
            for k in range(self.members):
                rows, own = np.flatnonzero(member == k), slice(k, k + 1)
                shared = self.flows.context(torch.tensor(self.scaling(x))[None], own)[0] if len(x) == 1 else None
                for start in range(0, len(rows), _CHUNK):
                    part = rows[start : start + _CHUNK]
                    if shared is None:
                        context = self.flows.context(torch.tensor(self.scaling(x[part]))[None], own)[0]
                    else:
                        context = shared.expand(len(part), -1)
                    inside[part] = self.flows.invert(z[part], context, k).double().numpy()
        return self.low + (self.high - self.low) * inside.clip(0.0, 1.0)

    def sample_one(self, n: int, x_o: Array, rng: np.random.Generator) -> Array:
        """``n`` cube points for one observation ``(F,)``, shape ``(n, P)``."""
        return self._draw(x_o[None], n, rng)
