"""Passive properties from the response to current steps: input resistance, time constant, membrane area."""

from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.recording import Recording
from hhfit.units import MV_PER_PA_IN_MOHM, UM2_PER_MS_PER_MOHM

SMALL = 15.0
"""Deflections up to this [mV] are taken for passive."""

LONGEST = 150.0
"""The charging curve is fitted over at most this stretch of a step [ms]."""

WORST_MISFIT = 0.15
"""Largest rms misfit of a single-exponential charging curve, as a share of its amplitude."""

_SPIKE_RISE = 30.0


@dataclass(frozen=True)
class Passive:
    """Passive properties, with one standard deviation over the sweeps used (NaN for a single one).

    Args:
        rest: Resting potential [mV].
        resistance: Input resistance [MOhm]; NaN if it cannot be told.
        tau: Membrane time constant [ms]; NaN if it cannot be told.
        resistance_sd: Its standard deviation [MOhm].
        tau_sd: Its standard deviation [ms].
        sweeps: Numbers of the sweeps used.
        reason: Why something cannot be told; else empty.
    """

    rest: float
    resistance: float
    tau: float
    resistance_sd: float
    tau_sd: float
    sweeps: tuple[int, ...]
    reason: str

    @property
    def capacitance(self) -> float:
        """Membrane capacitance [pF]: time constant over input resistance."""
        return 1000.0 * self.tau / self.resistance

    def area(self, specific_capacitance: float) -> float:
        """Membrane area [um2] at a specific capacitance [uF/cm2]; NaN if it cannot be told."""
        return self.tau / self.resistance * UM2_PER_MS_PER_MOHM / specific_capacitance


def properties(recording: Recording) -> Passive:
    """Passive properties from the steps that leave the cell near rest.

    Hyperpolarising steps are used if there are any, else depolarising ones without spikes. Each
    onset is fitted by one exponential; sweeps where that does not describe it are left out.

    Args:
        recording: Current-clamp recording [mV].

    Source:
        Rall 1977; area = tau / (R C), as in Goncalves et al. 2020, eLife 9:e56261, methods.
    """
    rest = float(np.median(recording.rest))
    amplitude = recording.protocol.amplitude
    found = {row: _charging(recording, row) for row in np.flatnonzero(np.abs(amplitude) >= 1.0).tolist()}
    fits = {row: fit for row, fit in found.items() if fit is not None}
    hyperpolarising = {row: fit for row, fit in fits.items() if amplitude[row] < 0}
    used = hyperpolarising or fits
    if not used:
        reason = "no sweep shows a step that charges the membrane by one exponential without spikes"
        return Passive(rest, np.nan, np.nan, np.nan, np.nan, (), reason)
    values = np.array(list(used.values()))
    resistance, tau = np.median(values, axis=0)
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(2, np.nan)
    numbers = tuple(int(recording.sweeps[row]) for row in used)
    return Passive(rest, float(resistance), float(tau), float(spread[0]), float(spread[1]), numbers, "")


def _charging(recording: Recording, row: int) -> tuple[float, float] | None:
    """Input resistance [MOhm] and time constant [ms] of one onset, or nothing if it is not passive."""
    from scipy.optimize import curve_fit

    protocol = recording.protocol
    on, off = protocol.windows[row]
    stretch = protocol.samples(on + 2 * protocol.dt, min(off, on + LONGEST))
    response = recording.response[row, stretch] - recording.rest[row]
    time = protocol.time[stretch] - on
    if len(time) < 20 or response.max() > _SPIKE_RISE or np.abs(np.median(response[-len(response) // 5 :])) > SMALL:
        return None
    guess = (float(np.median(response[-len(response) // 5 :])), 20.0)
    try:
        (final, tau), _ = curve_fit(_exponential, time, response, p0=guess, bounds=([-100, 0.5], [100, 500]))
    except RuntimeError:
        return None
    misfit = float(np.sqrt(np.mean((response - _exponential(time, final, tau)) ** 2)))
    resistance = final / protocol.amplitude[row] * MV_PER_PA_IN_MOHM
    if misfit > WORST_MISFIT * abs(final) or resistance <= 0 or tau > 0.7 * (time[-1] - time[0]):
        return None
    return float(resistance), float(tau)


def _exponential(time: Array, final: float, tau: float) -> Array:
    return final * (1.0 - np.exp(-time / tau))
