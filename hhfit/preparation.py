"""From a recording as it was read to the sweeps and the model as they are fitted.

Everything that is assumed on the way is said in a sentence; the report repeats them all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hhfit import passive, plausibility, sweeps
from hhfit.errors import InputError
from hhfit.model import Model
from hhfit.morphology import Morphology
from hhfit.prior import KINDS, Marginal
from hhfit.protocol import Protocol
from hhfit.recording import Recording
from hhfit.units import UM2_PER_MS_PER_MOHM

TAIL = 100.0
"""Time kept after the stimulus [ms]."""

AREA_PRIOR = Marginal("log-uniform", 1000.0, 200_000.0)
"""Prior of the membrane area [um2] when nothing passive tells it: from a granule cell to a large pyramidal cell."""

AREA_SIGMA = 0.3
"""Least sd of the logarithm of the area's prior around the passive estimate: dendrites do not charge as one sphere."""

LEAK_REACH = 3.0
"""The prior of a leak reaches to this many times the measured input conductance, which open channels share at rest."""


@dataclass(frozen=True)
class Corrections:
    """What the experimenter knows and the file does not.

    Args:
        ljp: Liquid junction potential [mV], added to the recorded potential; NaN if unknown.
        temperature: Temperature of the recording [degC]; NaN if unknown.
        area: Membrane area [um2]; NaN to estimate it from the passive response.
        fit_area: Fit the area as a parameter.
        sweeps: Numbers of the sweeps to fit; empty to spread them over the F-I curve and keep some back.
        validation: Numbers of sweeps to keep back for posterior prediction, beside ``sweeps``; those that are
            kept back automatically when both are empty.
        window: Start and end of the stretch to fit [ms]; empty for the whole sweep up to
            ``TAIL`` after the stimulus.
        bridge: Resistance of the electrode that was not compensated [MOhm]: its ``R * I`` is taken off the
            recorded potential; NaN if unknown.

    Raises:
        InputError: If a number cannot be.
    """

    ljp: float = float("nan")
    temperature: float = float("nan")
    area: float = float("nan")
    fit_area: bool = False
    sweeps: tuple[int, ...] = ()
    validation: tuple[int, ...] = ()
    window: tuple[float, ...] = ()
    bridge: float = float("nan")

    def __post_init__(self) -> None:
        for option, value, least, most, unit in (
            ("--ljp", self.ljp, -100.0, 100.0, "mV"),
            ("--bridge", self.bridge, 0.0, 500.0, "MOhm"),
            ("--temperature", self.temperature, 0.0, 50.0, "degC"),
        ):
            if not np.isnan(value) and not least <= value <= most:
                raise InputError(f"{option} is {value:g} {unit}, must be from {least:g} to {most:g} {unit}")
        if self.area <= 0 or np.isinf(self.area):
            raise InputError(f"--area is {self.area:g} um2, must be positive and finite")

    @property
    def unknown(self) -> list[str]:
        """What the experimenter has not said either."""
        said = {"liquid junction potential": self.ljp, "temperature": self.temperature, "bridge balance": self.bridge}
        return [name for name, value in said.items() if np.isnan(value)]

    def of(self, recording: Recording) -> Recording:
        """The recording with its potential corrected."""
        shifted = recording if np.isnan(self.ljp) else recording.shift(self.ljp)
        return shifted if np.isnan(self.bridge) else shifted.balance(self.bridge)


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is fitted.

    Args:
        recording: The chosen sweeps, corrected, cut and decimated.
        model: The model, with initial potential and area set or freed.
        assumptions: One sentence for everything that was assumed.
        validation: Sweeps that are not fitted but predicted, corrected, cut and decimated alike; none when all
            are fitted.
    """

    recording: Recording
    model: Model
    assumptions: tuple[str, ...]
    validation: Recording | None


def prepare(recording: Recording, model: Model, corrections: Corrections, like: Model | None = None) -> Prepared:
    """Choose, correct, cut and decimate the sweeps, and set the model's area and initial potential.

    Args:
        recording: Recording as it was read.
        model: The neuron.
        corrections: What the experimenter knows.
        like: Model that a trained network holds for, which the initial potential, the prior of the area and the upper
            ends of the leaks' priors are taken from instead of from this recording; none when a network is trained.

    Raises:
        InputError: If it is a voltage-clamp recording, a sweep does not exist, or a number
            cannot be.
    """
    if recording.protocol.clamp != "current":
        raise InputError(
            f"{recording.name}: this is a voltage-clamp recording; hhfit fits current-clamp recordings only"
        )
    corrected = corrections.of(recording)
    choice = _choice(corrected, corrections)
    chosen = corrected.select([*choice.fitted, *choice.validation])
    window = corrections.window or default_window(chosen.protocol)
    cut = chosen.cut(window[0], window[1]).decimate()
    fitted = cut.select(list(choice.fitted))
    validation = cut.select(list(choice.validation)) if choice.validation else None
    rest = float(np.median(fitted.response[:, 0]))
    estimate = passive.properties(corrected)
    model, area = _with_area(model, estimate, corrections)
    model, leak = _with_leak(model, estimate)
    model, warmth = _with_temperature(model, corrections.temperature)
    start, initial = rest, _initial(rest)
    if like is not None:
        start, initial = _learned_start(like, rest)
        model, area, leak = _learned_priors(model, like, area, leak)
    known = area, _junction(corrections), _bridge(corrections), warmth
    doubt = _doubt(corrected)
    sentences = (*known, *leak, *doubt, initial, _stretch(fitted, window), _kept(validation))
    return Prepared(fitted, model.with_values({"v_init": start}), sentences, validation)


def _choice(recording: Recording, corrections: Corrections) -> sweeps.Choice:
    kept = corrections.validation
    if corrections.sweeps:
        both = set(corrections.sweeps) & set(kept)
        if both:
            raise InputError(
                f"{recording.name}: sweep {min(both)} cannot be fitted and kept back for validation as well"
            )
        return sweeps.Choice(corrections.sweeps, kept)
    others = [number for number in recording.sweeps.tolist() if number not in kept]
    if not others:
        raise InputError(f"{recording.name}: every sweep is kept back for validation; leave one to be fitted")
    found = sweeps.choose(recording.select(others))
    return replace(found, validation=kept) if kept else found


def default_window(protocol: Protocol) -> tuple[float, float]:
    """From the start of the sweep to ``TAIL`` after the stimulus [ms]."""
    return 0.0, float(min(protocol.off.max() + TAIL, protocol.duration))


def _with_area(model: Model, estimate: passive.Passive, corrections: Corrections) -> tuple[Model, str]:
    capacitance = model.quantities["capacitance"].value
    if model.morphology is not None:
        return model, _drawn_area(model, model.morphology, corrections)
    area = estimate.area(capacitance)
    if not np.isnan(corrections.area):
        return model.with_values({"area": corrections.area}), f"Membrane area {corrections.area:.0f} um2 was given."
    if not np.isfinite(area):
        reason = "as asked" if corrections.fit_area else f"since {estimate.reason}"
        return model.with_priors({"area": AREA_PRIOR}), f"Membrane area is fitted as a parameter, {reason}."
    share = _share(estimate.capacitance_sd, estimate.capacitance)
    source = (
        f"the passive response (time constant {estimate.tau:.1f} ms, "
        f"input resistance {estimate.resistance:.0f} MOhm, {capacitance:g} uF/cm2)"
    )
    if corrections.fit_area:
        sigma = max(AREA_SIGMA, 3.0 * share)
        sentence = (
            f"Membrane area is fitted as a parameter; its prior lies around {area:.0f} um2, sd {sigma:.2f} of the "
            f"logarithm, from {source}."
        )
        return model.with_priors({"area": Marginal("log-normal", area, sigma)}), sentence
    sentence = f"Membrane area {area:.0f} um2 (sd {100 * share:.2g} %) was estimated from {source}."
    return model.with_values({"area": area}), sentence


def _share(sd: float, value: float) -> float:
    """Standard uncertainty as a share of the value; a tenth where it is unknown."""
    return sd / value if np.isfinite(sd) else 0.1


def _with_leak(model: Model, estimate: passive.Passive) -> tuple[Model, tuple[str, ...]]:
    """Cut the priors of leaks above what the measured input conductance allows, when the area is known."""
    if model.morphology is not None or "area" in model.free or "steps" not in estimate.method:
        return model, ()
    # 1 mS/cm2 over 1 um2 is the conductance of 1e5 MOhm: the factor that turns tau and R into an area
    conductance = UM2_PER_MS_PER_MOHM / (estimate.resistance * model.quantities["area"].value)
    high = LEAK_REACH * conductance * (1.0 + 2.0 * _share(estimate.resistance_sd, estimate.resistance))
    sentences = []
    for name in [channel.conductance.text for channel in model.channels if not channel.gates]:
        prior = model.quantities[name].prior if name in model.quantities else None
        if prior is not None and KINDS[prior.kind][1] == "high" and prior.a < high < prior.b:
            model = model.with_priors({name: Marginal(prior.kind, prior.a, high)})
            sentences.append(
                f"The prior of {name} ends at {high:.3g} instead of {prior.b:.3g} mS/cm2: {LEAK_REACH:g} times the "
                f"measured input conductance, {conductance:.3g} mS/cm2, and twice its uncertainty."
            )
    return model, tuple(sentences)


def _learned_start(like: Model, rest: float) -> tuple[float, str]:
    start = like.quantities["v_init"].value
    words = f"Simulations start at {start:.1f} mV, as those that the network learned from, with gates at steady state"
    return start, f"{words}; this recording starts at {rest:.1f} mV."


def _learned_priors(model: Model, like: Model, area: str, leak: tuple[str, ...]) -> tuple[Model, str, tuple[str, ...]]:
    """The model with the priors that recordings narrow as a network has them, and what is said of area and leaks."""
    if _differ(model, like, "area"):
        model = model.with_priors({"area": like.quantities["area"].prior})
        area = "Membrane area is fitted as a parameter, with the prior that the network was trained under."
    for name in [channel.conductance.text for channel in model.channels if not channel.gates]:
        if not _differ(model, like, name):
            continue
        here, there = model.quantities[name].prior, like.quantities[name].prior
        if here is not None and there is not None and (here.kind, here.a) == (there.kind, there.a):
            model = model.with_priors({name: there})
            own = [sentence for sentence in leak if not sentence.startswith(f"The prior of {name} ends")]
            words = f"The prior of {name} ends at {there.b:.3g} mS/cm2, as when the network was trained"
            leak = (*own, f"{words}; this recording would have it end at {here.b:.3g} mS/cm2.")
    return model, area, leak


def _differ(model: Model, like: Model, name: str) -> bool:
    """Whether a quantity is free in both models, with priors that differ."""
    priors = [each.quantities[name].prior if name in each.quantities else None for each in (model, like)]
    return None not in priors and priors[0] != priors[1]


def _doubt(recording: Recording) -> tuple[str, ...]:
    reason = plausibility.answer(recording).reason
    return (f"The stimulus is doubtful: {reason}; nothing of this fit holds if it is wrong.",) if reason else ()


def _drawn_area(model: Model, shape: Morphology, corrections: Corrections) -> str:
    if corrections.fit_area or not np.isnan(corrections.area):
        raise InputError(
            f"{model.name}: the membrane area follows from the morphology; leave --area and --fit-area out"
        )
    values = {name: quantity.value for name, quantity in model.quantities.items()}
    return f"Membrane area {shape.area(values):.0f} um2 follows from the morphology of {model.name}."


def _junction(corrections: Corrections) -> str:
    if np.isnan(corrections.ljp):
        return "The liquid junction potential is unknown and was not corrected; potentials are as recorded."
    return f"A liquid junction potential of {corrections.ljp:g} mV was added to the recorded potential."


def _bridge(corrections: Corrections) -> str:
    if np.isnan(corrections.bridge):
        return "Whether the bridge was balanced is unknown; no voltage drop over the electrode was taken off."
    return f"The voltage drop over {corrections.bridge:g} MOhm of electrode resistance was taken off the potential."


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
    return (
        f"{_named(fitted)} fitted, {window[0]:g}-{window[1]:g} ms of each, at a sampling step of "
        f"{fitted.protocol.dt:g} ms."
    )


def _kept(validation: Recording | None) -> str:
    if validation is None:
        return "No sweep was kept back, so the fit is not tried on sweeps that it has not seen."
    return f"{_named(validation)} kept back to be predicted, not fitted."


def _named(recording: Recording) -> str:
    numbers = ", ".join(map(str, recording.sweeps))
    return f"Sweep {numbers} was" if len(recording.sweeps) == 1 else f"Sweeps {numbers} were"
