"""Passive properties from the response to current steps: input resistance, time constant, area, sag."""

from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.protocol import Protocol
from hhfit.recording import Recording
from hhfit.units import MV_PER_PA_IN_MOHM, UM2_PER_MS_PER_MOHM

SMALL, FAINT = 15.0, 1.0
"""Steady deflections between the second and the first [mV] are taken for passive."""

SHORTEST, LONGEST = 30.0, 150.0
"""Steps lasting less than the first are not used; the charging curve is fitted over at most the second [ms]."""

WORST_MISFIT = 0.15
"""Largest rms misfit of a single-exponential charging curve, as a share of its amplitude."""

ONSET_HEIGHTS = (10.0, 15.0, 20.0)
"""A spiking step is fitted from its onset until it has risen by each of these [mV]."""

SHORTEST_ONSET = 4.0
"""A rise to threshold faster than this [ms] says nothing."""

_BEFORE, _SPIKE, _SKIPPED, _FOOT, _FAST = 50.0, 10.0, 1.0, 2.0, 10.0


@dataclass(frozen=True)
class Passive:
    """Passive properties, each with its standard uncertainty; NaN where it cannot be told.

    Args:
        rest: Resting potential, or potential at the holding current [mV].
        resistance: Input resistance [MOhm].
        tau: Membrane time constant [ms].
        sag: Share of the largest deflection that is gone by the end of a hyperpolarising step.
        rest_sd: Standard deviation of rest over the sweeps [mV].
        resistance_sd: Standard uncertainty of the resistance [MOhm].
        tau_sd: Standard uncertainty of the time constant [ms].
        capacitance_sd: Standard uncertainty of the capacitance [pF].
        sag_sd: Standard uncertainty of the sag.
        sweeps: Numbers of the sweeps used.
        method: ``"hyperpolarising steps"``, ``"depolarising steps"``, ``"onset before the first spike"``
            or empty.
        reason: Why something cannot be told; else empty.
    """

    rest: float
    resistance: float
    tau: float
    sag: float
    rest_sd: float
    resistance_sd: float
    tau_sd: float
    capacitance_sd: float
    sag_sd: float
    sweeps: tuple[int, ...]
    method: str
    reason: str

    @property
    def capacitance(self) -> float:
        """Membrane capacitance [pF]: time constant over input resistance."""
        return 1000.0 * self.tau / self.resistance

    def area(self, specific_capacitance: float) -> float:
        """Membrane area [um2] at a specific capacitance [uF/cm2]; NaN if it cannot be told."""
        return self.tau / self.resistance * UM2_PER_MS_PER_MOHM / specific_capacitance


@dataclass(frozen=True)
class _Step:
    """A change of the command from one level to another, with its place in samples."""

    row: int
    on: int
    off: int
    before: int
    change: float


@dataclass(frozen=True)
class _Charging:
    """What one onset says."""

    row: int
    change: float
    resistance: float
    tau: float
    resistance_sd: float
    tau_sd: float
    sag: float


def properties(recording: Recording) -> Passive:
    """Passive properties from the steps that leave the cell near rest.

    Every step of the command is looked at, test pulses and prepulses too. Hyperpolarising steps
    are used if there are any, else small depolarising ones without spikes, else the onset of
    spiking steps up to their first spike. A single exponential is fitted after each onset,
    beside a jump that the electrode's resistance gives; steps that it does not describe are left out.

    Args:
        recording: Current-clamp recording [mV].

    Source:
        Rall 1977; area = tau / (R C), as in Goncalves et al. 2020, eLife 9:e56261, methods.
    """
    rests = recording.rest
    rest, rest_sd = float(np.median(rests)), float(rests.std(ddof=1)) if len(rests) > 1 else float("nan")
    steps = _steps(recording.protocol)
    silent = [fit for step in steps if (fit := _charging(recording, step)) is not None]
    below = [fit for fit in silent if fit.change < 0]
    above = [fit for fit in silent if fit.change > 0]
    onsets = [] if silent else [fit for step in steps if (fit := _onset(recording, step)) is not None]
    methods = ("hyperpolarising steps", below), ("depolarising steps", above), ("onset before the first spike", onsets)
    for method, used in methods:
        if used:
            return _combined(recording, used, method, rest, rest_sd)
    nan = float("nan")
    reason = "no sweep shows a step that charges the membrane by one exponential without spikes"
    return Passive(rest, nan, nan, nan, rest_sd, nan, nan, nan, nan, (), "", reason)


def _combined(recording: Recording, used: list[_Charging], method: str, rest: float, rest_sd: float) -> Passive:
    """Median over the steps used; the uncertainty is that of the mean, and not below that of a fit by number."""
    values = np.array([(fit.resistance, fit.tau, 1000.0 * fit.tau / fit.resistance, fit.sag) for fit in used])
    single = np.array([(fit.resistance_sd, fit.tau_sd) for fit in used])
    height = method == "onset before the first spike"
    relative = np.abs(np.subtract(*(single / values[:, :2]).T)) if height else np.hypot(*(single / values[:, :2]).T)
    errors = np.median(np.c_[single, relative * values[:, 2], np.full(len(used), np.nan)], axis=0)
    if not height:
        errors = errors / np.sqrt(len(used))
    if len(used) > 2:
        errors = np.fmax(errors, values.std(axis=0, ddof=1) / np.sqrt(len(used)))
    resistance, tau, _, sag = (float(value) for value in np.median(values, axis=0))
    if method != "hyperpolarising steps":
        sag = errors[3] = float("nan")
    numbers = tuple(sorted({int(recording.sweeps[fit.row]) for fit in used}))
    resistance_sd, tau_sd, capacitance_sd, sag_sd = (float(error) for error in errors)
    return Passive(
        rest, resistance, tau, sag, rest_sd, resistance_sd, tau_sd, capacitance_sd, sag_sd, numbers, method, ""
    )


def _steps(protocol: Protocol) -> list[_Step]:
    """Every stretch of constant command that follows the holding current."""
    dt = protocol.dt
    tolerance = max(0.01 * float(np.ptp(protocol.command)), 1e-6)
    found = []
    for row, command in enumerate(protocol.command):
        edges = [0, *_edges(command, tolerance, dt), protocol.n_times]
        for previous, on, off in zip(edges[:-2], edges[1:-1], edges[2:], strict=True):
            level = float(np.median(command[previous:on]))
            from_rest = abs(level - command[0]) <= 2.0 * tolerance
            if (off - on) * dt < SHORTEST or (on - previous) * dt < 5.0 or not from_rest:
                continue
            change = float(np.median(command[on:off])) - level
            before = max(previous, on - round(_BEFORE / dt))
            found.append(_Step(row, on, off, before, change))
    return [step for step in found if abs(step.change) >= 1.0]


def _edges(command: Array, tolerance: float, dt: float) -> list[int]:
    """First sample of every new level; a ramp has an edge at each sample and so no level that lasts."""
    places = np.flatnonzero(np.abs(np.diff(command)) > tolerance) + 1
    if not len(places):
        return []
    new = np.r_[True, np.diff(places) * dt > _SKIPPED]
    return [int(place) for place in places[new]]


def _charging(recording: Recording, step: _Step) -> _Charging | None:
    """The charging curve of a step without spikes, or nothing if it is not passive."""
    dt = recording.protocol.dt
    trace = recording.response[step.row]
    base = float(np.mean(trace[step.before : step.on]))
    response = trace[step.on : step.off] - base
    tail = response[-max(len(response) // 5, 1) :]
    steady = float(np.median(tail))
    silent = np.ptp(trace[step.before : step.on]) < _SPIKE and np.ptp(tail) < _SPIKE
    silent = silent and response.max() < max(steady, 0.0) + _SPIKE
    if not silent or not FAINT <= abs(steady) <= SMALL or steady * step.change < 0:
        return None
    sign = np.sign(step.change)
    smooth = _smoothed(response, dt)
    peak = int(np.argmax(sign * smooth))
    last = min(len(response), round(LONGEST / dt))
    if abs(smooth[peak]) > 1.15 * abs(steady):
        last = min(last, max(peak, round(10.0 / dt)))
    sag = 1.0 - steady / float(smooth[peak]) if smooth[peak] else float("nan")
    return _fit(step, response[:last], dt, sag)


def _onset(recording: Recording, step: _Step) -> _Charging | None:
    """The charging curve of a spiking step before its first spike.

    It is fitted up to each of ``ONSET_HEIGHTS``; the differences are the uncertainty, since what
    opens on the way to threshold makes resistance and time constant grow with the height. Their
    quotient, the capacitance, hardly does.
    """
    dt = recording.protocol.dt
    trace = recording.response[step.row]
    base = float(np.mean(trace[step.before : step.on]))
    response = trace[step.on : step.off] - base
    if step.change <= 0 or np.ptp(trace[step.before : step.on]) > _SPIKE:
        return None
    smooth = _smoothed(response, dt)
    rise = np.gradient(smooth, dt)
    fast = np.flatnonzero((rise > _FAST) & (np.arange(len(rise)) * dt > 2.0 * _SKIPPED))
    foot = max(int(fast[0]) - round(_FOOT / dt), 0) if len(fast) else len(rise)
    fits = []
    for height in ONSET_HEIGHTS:
        above = np.flatnonzero(smooth[:foot] > height)
        last = int(above[0]) if len(above) else foot
        if len(fast) and last * dt >= SHORTEST_ONSET:
            fits.append(_fit(step, response[:last], dt, float("nan"), complete=False))
    known = [fit for fit in fits if fit is not None]
    if len(known) < len(ONSET_HEIGHTS):
        return None
    spread = [float(np.ptp([getattr(fit, name) for fit in known])) for name in ("resistance", "tau")]
    best = known[-1]
    return _Charging(step.row, step.change, best.resistance, best.tau, spread[0], spread[1], float("nan"))


def _smoothed(values: Array, dt: float) -> Array:
    width = max(round(1.0 / dt), 1)
    padded = np.pad(values, (width // 2, width - 1 - width // 2), mode="edge")
    return np.convolve(padded, np.ones(width) / width, mode="valid")


def _fit(step: _Step, response: Array, dt: float, sag: float, *, complete: bool = True) -> _Charging | None:
    """One exponential beside a jump; nothing if it does not describe the response, or is not ``complete``."""
    from scipy.optimize import curve_fit

    skipped = round(_SKIPPED / dt)
    group = max(round(0.1 / dt), 1)
    length = (len(response) - skipped) // group
    if length < 20:
        return None
    values = response[skipped : skipped + length * group].reshape(length, group).mean(axis=1)
    time = (skipped + (np.arange(length) + 0.5) * group - 0.5) * dt
    final = float(np.median(values[-max(length // 5, 1) :]))
    guess = (0.02 * final, final, 0.3 * float(np.clip(time[-1], 5.0, 100.0)))
    bounds = ([-30.0, -100.0, 0.5], [30.0, 100.0, 500.0])
    try:
        found, covariance = curve_fit(_exponential, time, values, p0=guess, bounds=bounds, max_nfev=400)
    except RuntimeError:
        return None
    jump, deflection, tau = (float(value) for value in found)
    misfit = values - _exponential(time, *found)
    resistance = deflection / step.change * MV_PER_PA_IN_MOHM
    if (
        float(np.sqrt(np.mean(misfit**2))) > WORST_MISFIT * abs(deflection)
        or resistance <= 0
        or (complete and tau > 0.7 * (time[-1] - time[0]))
        or abs(jump) > 0.5 * abs(deflection)
    ):
        return None
    errors = np.sqrt(np.diag(covariance) * _effective(misfit))
    resistance_sd = float(errors[1]) / abs(step.change) * MV_PER_PA_IN_MOHM
    return _Charging(step.row, step.change, resistance, tau, resistance_sd, float(errors[2]), sag)


def _effective(misfit: Array) -> float:
    """How many samples count as one, since noise of neighbouring samples is alike."""
    lagged = float(np.corrcoef(misfit[:-1], misfit[1:])[0, 1]) if misfit.std() > 0 else 0.0
    lagged = min(max(lagged, 0.0), 0.99)
    return (1.0 + lagged) / (1.0 - lagged)


def _exponential(time: Array, jump: float, deflection: float, tau: float) -> Array:
    return jump + deflection * (1.0 - np.exp(-time / tau))
