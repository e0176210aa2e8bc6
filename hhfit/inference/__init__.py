"""Inference: a prior, a simulator and an observation in, a posterior out. No neuron in sight."""

from typing import Any

from hhfit import plugins
from hhfit.errors import UnsupportedError
from hhfit.inference._attribution import attribute
from hhfit.inference._base import Budget, Inference
from hhfit.inference._correction import Corrected, correct

__all__ = ["Budget", "Corrected", "Inference", "attribute", "correct", "get"]


def get(name: str, budget: Budget, **settings: Any) -> Inference:  # noqa: ANN401 - each method has its own
    """The inference method of that name.

    Args:
        name: Such as ``"tsnpe"``.
        budget: Rounds and simulations.
        settings: Further settings of that method.

    Raises:
        InputError: If there is no such method.
        UnsupportedError: If it is to learn from samples of sweeps and cannot.
    """
    method = plugins.get("inference", name).Inference
    if "sampled" in settings and not method.embeds:
        able = [other for other in plugins.names("inference") if plugins.get("inference", other).Inference.embeds]
        raise UnsupportedError(
            f"method {name!r} trains no network on samples of sweeps; use {' or '.join(able)}, or other --features"
        )
    return method(budget, **settings)
