"""The same fit under another assumption: what changes in the recording and in the model."""

from dataclasses import replace

from hhfit import expression
from hhfit.channel import Channel, Gate
from hhfit.diagnostics import Assumption
from hhfit.expression import Expression
from hhfit.model import Model
from hhfit.recording import Recording

Q10 = 3.0
"""Factor on gating rates per 10 degC where a model does not bring its own; Hodgkin & Huxley 1952."""

JUNCTION, WARMTH = "ljp", "temperature"


def changed(recording: Recording, model: Model, assumption: Assumption) -> tuple[Recording, Model]:
    """Recording and model as they are fitted when one assumption is another.

    Args:
        recording: Recording as it was fitted.
        model: Model as it was fitted.
        assumption: One that ``applies``.
    """
    if assumption.name == JUNCTION:
        start = model.quantities["v_init"].value + assumption.change
        return recording.shift(assumption.change), model.with_values({"v_init": start})
    if assumption.name == WARMTH and WARMTH not in model.quantities:
        return recording, scaled(model, Q10 ** (assumption.change / 10.0))
    old = model.quantities[assumption.name].value
    value = old * assumption.change if assumption.relative else old + assumption.change
    return recording, model.with_values({assumption.name: value})


def obstacle(model: Model, assumption: Assumption) -> str:
    """Why an assumption cannot be changed; empty when it can.

    Example:
        >>> from hhfit import model as models
        >>> obstacle(models.load("pospischil"), Assumption("v_t", 10.0, "mV"))
        'v_t is fitted'
    """
    if assumption.name in (JUNCTION, WARMTH) and assumption.name not in model.quantities:
        return ""
    if assumption.name not in model.quantities:
        return f"the model has no {assumption.name}"
    quantity = model.quantities[assumption.name]
    if quantity.prior is not None:
        return f"{assumption.name} is fitted"
    return f"{assumption.name} follows from others" if quantity.equals else ""


def scaled(model: Model, factor: float) -> Model:
    """The model with all gating rates multiplied by a factor."""
    return replace(model, channels=tuple(_channel(channel, factor) for channel in model.channels))


def _channel(channel: Channel, factor: float) -> Channel:
    return replace(channel, gates=tuple(_gate(gate, factor) for gate in channel.gates))


def _gate(gate: Gate, factor: float) -> Gate:
    return replace(
        gate,
        tau=_times(gate.tau, 1.0 / factor, "tau"),
        alpha=_times(gate.alpha, factor, "alpha"),
        beta=_times(gate.beta, factor, "beta"),
    )


def _times(rate: Expression | None, factor: float, where: str) -> Expression | None:
    return None if rate is None else expression.parse(f"{factor!r} * ({rate.text})", where)
