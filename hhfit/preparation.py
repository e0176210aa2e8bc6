"""From a recording as it was read to the sweeps and the model as they are fitted.

Everything that is assumed on the way is said in a sentence; the report repeats them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hhfit import passive, sweeps
from hhfit.errors import InputError
from hhfit.model import Model
from hhfit.morphology import Morphology
from hhfit.prior import Marginal
from hhfit.protocol import Protocol
from hhfit.recording import Recording

TAIL = 100.0
"""Time kept after the stimulus [ms]."""

AREA_PRIOR = Marginal("log-uniform", 1000.0, 200_000.0)
"""Prior of the membrane area [um2] when it is fitted: from a granule cell to a large pyramidal cell."""


@dataclass(frozen=True)
class Corrections:
    """What the experimenter knows and the file does not.

    Args:
        ljp: Liquid junction potential [mV], added to the recorded potential; NaN if unknown.
        temperature: Temperature of the recording [degC]; NaN if unknown.
        area: Membrane area [um2]; NaN to estimate it from the passive response.
        fit_area: Fit the area as a parameter.
        sweeps: Numbers of the sweeps to fit; empty to spread them over the F-I curve.
        window: Start and end of the stretch to fit [ms]; empty for the whole sweep up to
            ``TAIL`` after the stimulus.
    """

    ljp: float = float("nan")
    temperature: float = float("nan")
    area: float = float("nan")
    fit_area: bool = False
    sweeps: tuple[int, ...] = ()
    window: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is fitted.

    Args:
        recording: The chosen sweeps, corrected, cut and decimated.
        model: The model, with initial potential and area set or freed.
        assumptions: One sentence for everything that was assumed.
    """

    recording: Recording
    model: Model
    assumptions: tuple[str, ...]


def prepare(recording: Recording, model: Model, corrections: Corrections) -> Prepared:
    """Choose, correct, cut and decimate the sweeps, and set the model's area and initial potential.

    Args:
        recording: Recording as it was read.
        model: The neuron.
        corrections: What the experimenter knows.

    Raises:
        InputError: If it is a voltage-clamp recording, a sweep does not exist, or a number
            cannot be.
    """
    if recording.protocol.clamp != "current":
        raise InputError(
            f"{recording.name}: this is a voltage-clamp recording; hhfit fits current-clamp recordings only"
        )
    if corrections.area <= 0:
        raise InputError(f"--area is {corrections.area:g} um2, must be positive")
    shifted = recording if np.isnan(corrections.ljp) else recording.shift(corrections.ljp)
    chosen = shifted.select(list(corrections.sweeps) or sorted(sweeps.choose(recording).fitted))
    window = corrections.window or default_window(chosen.protocol)
    fitted = chosen.cut(window[0], window[1]).decimate()
    rest = float(np.median(fitted.response[:, 0]))
    model, area = _with_area(model, shifted, corrections)
    model, warmth = _with_temperature(model, corrections.temperature)
    sentences = (area, _junction(corrections), warmth, _initial(rest), _stretch(fitted, window))
    return Prepared(fitted, model.with_values({"v_init": rest}), sentences)


def default_window(protocol: Protocol) -> tuple[float, float]:
    """From the start of the sweep to ``TAIL`` after the stimulus [ms]."""
    return 0.0, float(min(protocol.off.max() + TAIL, protocol.duration))


def _with_area(model: Model, recording: Recording, corrections: Corrections) -> tuple[Model, str]:
    capacitance = model.quantities["capacitance"].value
    if model.morphology is not None:
        return model, _drawn_area(model, model.morphology, corrections)
    if corrections.fit_area:
        return _freed(model), "Membrane area is fitted as a parameter, at 1 uF/cm2."
    if not np.isnan(corrections.area):
        return model.with_values({"area": corrections.area}), f"Membrane area {corrections.area:.0f} um2 was given."
    estimate = passive.properties(recording)
    area = estimate.area(capacitance)
    if not np.isfinite(area):
        return _freed(model), f"Membrane area is fitted as a parameter, since {estimate.reason}."
    sentence = (
        f"Membrane area {area:.0f} um2 was estimated from the passive response (time constant {estimate.tau:.1f} ms, "
        f"input resistance {estimate.resistance:.0f} MOhm, {capacitance:g} uF/cm2)."
    )
    return model.with_values({"area": area}), sentence


def _drawn_area(model: Model, shape: Morphology, corrections: Corrections) -> str:
    if corrections.fit_area or not np.isnan(corrections.area):
        raise InputError(
            f"{model.name}: the membrane area follows from the morphology; leave --area and --fit-area out"
        )
    values = {name: quantity.value for name, quantity in model.quantities.items()}
    return f"Membrane area {shape.area(values):.0f} um2 follows from the morphology of {model.name}."


def _freed(model: Model) -> Model:
    return replace(model).with_priors({"area": AREA_PRIOR})


def _junction(corrections: Corrections) -> str:
    if np.isnan(corrections.ljp):
        return "The liquid junction potential is unknown and was not corrected; potentials are as recorded."
    return f"A liquid junction potential of {corrections.ljp:g} mV was added to the recorded potential."


def _with_temperature(model: Model, celsius: float) -> tuple[Model, str]:
    if "temperature" in model.quantities:
        if np.isnan(celsius):
            assumed = model.quantities["temperature"].value
            return (
                model,
                f"The temperature of the recording is unknown; the model's own, {assumed:g} degC, was assumed.",
            )
        scaled = model.with_values({"temperature": celsius})
        return scaled, f"The model's rates were scaled to the recording's temperature, {celsius:g} degC."
    if np.isnan(celsius):
        return model, "The temperature of the recording is unknown; the model's rates are used as published."
    return (
        model,
        f"Temperature {celsius:g} degC is noted; this model's rates do not depend on it and are used as published.",
    )


def _initial(rest: float) -> str:
    start = f"Simulations start at {rest:.1f} mV, the first recorded sample (median over sweeps)"
    return f"{start}, with gates at steady state."


def _stretch(fitted: Recording, window: Sequence[float]) -> str:
    numbers = ", ".join(map(str, fitted.sweeps))
    return (
        f"Sweeps {numbers} were fitted, {window[0]:g}-{window[1]:g} ms of each, at a sampling step of "
        f"{fitted.protocol.dt:g} ms."
    )
