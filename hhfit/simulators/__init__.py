"""Simulators: parameters in, membrane potential out."""

from hhfit import plugins
from hhfit.model import Model
from hhfit.protocol import Protocol
from hhfit.simulators._base import DEFAULT_STEP, Simulator

__all__ = ["DEFAULT_STEP", "Simulator", "get"]


def get(name: str, model: Model, protocol: Protocol, *, step: float = DEFAULT_STEP) -> Simulator:
    """The simulator of that name, made for one model and one protocol.

    Args:
        name: Such as ``"neuron"``.
        model: The neuron.
        protocol: The command of every sweep; the response comes at its sampling step.
        step: Largest integration step [ms].

    Raises:
        InputError: If there is no such simulator.
        UnsupportedError: If it cannot run this model or protocol.
    """
    return plugins.get("simulators", name).Simulator(model, protocol, step)
