"""Inference: a prior, a simulator and an observation in, a posterior out. No neuron in sight."""

from typing import Any

from hhfit import plugins
from hhfit.inference._base import Budget, Inference
from hhfit.inference._correction import Corrected, correct

__all__ = ["Budget", "Corrected", "Inference", "correct", "get"]


def get(name: str, budget: Budget, **settings: Any) -> Inference:  # noqa: ANN401 - each method has its own
    """The inference method of that name.

    Args:
        name: Such as ``"tsnpe"``.
        budget: Rounds and simulations.
        settings: Further settings of that method.

    Raises:
        InputError: If there is no such method.
    """
    return plugins.get("inference", name).Inference(budget, **settings)
