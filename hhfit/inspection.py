"""What is in a recording, sweep by sweep, and what to be wary of."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hhfit import passive, plausibility, sweeps
from hhfit.arrays import Array
from hhfit.extractors.spikes import spike_counts, spike_times
from hhfit.preparation import Corrections
from hhfit.protocol import CLAMPS
from hhfit.recording import Recording

SHALLOW_REST, OFFSET_REST = -45.0, -30.0
"""A resting potential above the first [mV] is a warning, above the second it is an offset rather than a cell."""

UNSTABLE_REST = 5.0
"""Resting potentials that differ by more than this between sweeps [mV] are a warning."""

COARSE_SAMPLING = 0.1
"""A sampling step above this [ms] is too coarse for the shape of a spike."""

NOISY = 1.0
"""Noise of the potential above this [mV] is a warning."""

BRIDGE = 0.3
"""A jump at the onset above this share of the deflection is an uncompensated electrode resistance."""

LOW_PEAK = 0.0
"""Spikes whose median peak stays below this [mV] are truncated, or offset."""


def describe(recording: Recording, corrections: Corrections = Corrections()) -> dict[str, Any]:  # noqa: B008 - frozen
    """What is in a recording, fit for JSON.

    Args:
        recording: Recording as it was read.
        corrections: What the experimenter knows; the potential is corrected first.

    Returns:
        ``name``, ``clamp``, ``stimulus`` (where it comes from), ``dt_ms``, ``duration_ms``, ``unknown`` (what the
        file does not say, nor the experimenter), ``sweeps`` (a row each), ``passive`` properties, ``chosen``
        sweeps and ``warnings``.
    """
    recording = corrections.of(recording) if recording.protocol.clamp == "current" else recording
    protocol = recording.protocol
    summary: dict[str, Any] = {
        "name": recording.name,
        "clamp": protocol.clamp,
        "stimulus": recording.provenance.get("stimulus", ""),
        "dt_ms": protocol.dt,
        "duration_ms": protocol.duration,
        "unknown": corrections.unknown,
        "sweeps": _rows(recording),
    }
    if protocol.clamp == "current":
        summary["passive"] = _passive(passive.properties(recording))
        choice = sweeps.choose(recording)
        summary["chosen"] = {"fitted": list(choice.fitted), "validation": list(choice.validation)}
    summary["warnings"] = _warnings(recording, summary["sweeps"])
    return summary


def fit_command(path: str, chosen: Mapping[str, Sequence[int]], options: Mapping[str, str]) -> str:
    """The command that fits a recording, as it can be typed.

    Args:
        path: The file.
        chosen: Sweeps that ``describe`` chose: ``fitted`` and ``validation``.
        options: Options that reading it took, with their values.

    Example:
        >>> fit_command("my cell.abf", {"fitted": [0, 4], "validation": [2]}, {"--ljp": "-14"})
        "hhfit fit 'my cell.abf' --sweeps 0,4 --validate 2 --ljp=-14"
    """
    words = ["hhfit", "fit", path, "--sweeps", ",".join(map(str, chosen["fitted"]))]
    if chosen["validation"]:
        words += ["--validate", ",".join(map(str, chosen["validation"]))]
    return shlex.join(words + [f"{option}={value}" for option, value in options.items()])


def overview(recording: Recording, path: str | Path) -> None:
    """Draw response and command of all sweeps, and spikes against current, as PNG.

    Args:
        recording: Recording as it was read.
        path: File to write.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    protocol = recording.protocol
    command_unit, unit = CLAMPS[protocol.clamp]
    figure = Figure(figsize=(9, 7), layout="constrained")
    upper, lower, curve = figure.subplots(3, 1, height_ratios=[3, 1, 1.4])
    lower.sharex(upper)
    amplitude = protocol.amplitude
    colours = colormaps["viridis"](0.9 * (amplitude - amplitude.min()) / (np.ptp(amplitude) or 1.0))
    width = max(protocol.n_times // 2500, 1)
    time = _envelope(protocol.time, width)
    for response, command, colour in zip(recording.response, protocol.command, colours, strict=True):
        upper.plot(time, _envelope(response, width), linewidth=0.5, color=colour)
        lower.plot(time, _envelope(command, width), linewidth=0.8, color=colour)
    upper.set_ylabel(f"response [{unit}]")
    upper.set_title(f"{recording.name}: {protocol.n_sweeps} sweep{'s' * (protocol.n_sweeps > 1)}", loc="left")
    upper.tick_params(labelbottom=False)
    lower.set_ylabel(f"command [{command_unit}]")
    lower.set_xlabel("time [ms]")
    curve.set_xlabel(f"step [{command_unit}]")
    if protocol.clamp == "current":
        _draw_counts(recording, curve)
        curve.yaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        ends = [protocol.samples(on + 0.8 * (off - on), off) for on, off in protocol.windows]
        steady = [float(np.mean(row[end])) for row, end in zip(recording.response, ends, strict=True)]
        curve.plot(amplitude, steady, "o")
        curve.set_ylabel(f"end of step [{unit}]")
    figure.align_ylabels()
    figure.savefig(path, dpi=120)


def _draw_counts(recording: Recording, axes: "Axes") -> None:  # noqa: F821 - matplotlib
    choice = sweeps.choose(recording)
    counts, amplitude = _counts(recording), recording.protocol.amplitude
    fitted, kept = (np.isin(recording.sweeps, numbers) for numbers in (choice.fitted, choice.validation))
    for label, rows, style in (
        ("fitted by default", fitted, {"marker": "o", "color": "tab:blue"}),
        ("kept back", kept, {"marker": "s", "color": "tab:orange"}),
        ("neither", ~fitted & ~kept, {"marker": "o", "color": "grey", "fillstyle": "none"}),
    ):
        if rows.any():
            axes.plot(amplitude[rows], counts[rows], linestyle="none", label=label, **style)
    axes.set_ylabel("spikes in stimulus")
    axes.legend(frameon=False, loc="upper left", ncols=3, fontsize="small")
    axes.set_ylim(-0.5 - 0.03 * counts.max(), 1.4 * counts.max() + 1.0)


def _envelope(values: Array, width: int) -> Array:
    """Smallest and largest value of every ``width`` samples in turn, so that no spike is lost from sight."""
    groups = values[: len(values) // width * width].reshape(-1, width)
    return np.stack([groups.min(axis=1), groups.max(axis=1)], axis=1).ravel()


def _counts(recording: Recording) -> Array:
    if recording.protocol.clamp != "current":
        return np.full(recording.protocol.n_sweeps, np.nan)
    return np.asarray(spike_counts(recording.response[None], recording.protocol, {})[0])


def _rows(recording: Recording) -> list[dict[str, Any]]:
    protocol = recording.protocol
    counts, amplitude, rest = _counts(recording), protocol.amplitude, recording.rest
    rows = []
    for row, (on, off) in enumerate(protocol.windows):
        trace = recording.response[row]
        before = trace[protocol.samples(max(on - 100.0, 0.0), on)]
        rows.append(
            {
                "sweep": int(recording.sweeps[row]),
                "duration_ms": protocol.duration,
                "on_ms": on,
                "off_ms": off,
                "step": float(amplitude[row]),
                "holding": float(protocol.command[row, 0]),
                "rest": float(rest[row]),
                "spikes": None if np.isnan(counts[row]) else int(counts[row]),
                "drift": float(np.median(trace[-len(trace) // 20 :]) - rest[row]),
                "noise": _noise(before),
            }
        )
    return rows


def _noise(trace: Array) -> float | None:
    """Standard deviation of what changes from sample to sample, as white noise would give it."""
    if len(trace) < 20:
        return None
    return float(np.median(np.abs(np.diff(trace))) / (0.6745 * np.sqrt(2.0)))


def _passive(found: passive.Passive) -> dict[str, Any]:
    names = ("rest", "resistance", "tau", "capacitance", "sag")
    units = ("mv", "mohm", "ms", "pf", "share")
    values: dict[str, Any] = {}
    for name, unit in zip(names, units, strict=True):
        values[f"{name}_{unit}"] = _or_none(getattr(found, name))
        values[f"{name}_sd"] = _or_none(getattr(found, f"{name}_sd"))
    return values | {
        "area_um2": _or_none(found.area(1.0)),
        "sweeps": list(found.sweeps),
        "method": found.method,
        "reason": found.reason,
    }


def _warnings(recording: Recording, rows: list[dict[str, Any]]) -> list[str]:
    protocol, rest = recording.protocol, recording.rest
    if protocol.clamp != "current":
        return ["this is a voltage-clamp recording; hhfit fits current-clamp recordings only"]
    warnings = []
    middle = float(np.median(rest))
    if middle > OFFSET_REST:
        warnings.append(f"the cell rests at {middle:.0f} mV: an offset of the electrode, so correct it with --ljp")
    elif middle > SHALLOW_REST:
        warnings.append(f"the cell rests at {middle:.0f} mV: an offset, or an unhealthy cell")
    if np.ptp(rest) > UNSTABLE_REST:
        warnings.append(f"the resting potential differs by {np.ptp(rest):.0f} mV between sweeps")
    if protocol.dt > COARSE_SAMPLING:
        warnings.append(f"a sampling step of {protocol.dt:g} ms is too coarse for the shape of a spike")
    noise = [row["noise"] for row in rows if row["noise"] is not None]
    if noise and np.median(noise) > NOISY:
        warnings.append(f"the potential is noisy: {np.median(noise):.1f} mV from sample to sample")
    doubt = plausibility.answer(recording).reason
    if doubt:
        warnings.append(f"the stimulus is doubtful: {doubt}; pass --stimulus if it is wrong")
    warnings.extend(_of_spikes(recording))
    warnings.extend(_of_access(recording))
    if recording.provenance.get("left out", "none") != "none":
        warnings.append(f"left out: {recording.provenance['left out']}")
    if "contradicts" in recording.provenance.get("stimulus", ""):
        warnings.append(recording.provenance["stimulus"])
    return warnings


def _of_spikes(recording: Recording) -> list[str]:
    peaks = []
    for trace in recording.response:
        times = spike_times(trace, recording.protocol.dt, {})
        peaks.extend(trace[np.clip(np.round(times / recording.protocol.dt).astype(int), 0, len(trace) - 1)])
    if not peaks:
        return ["no sweep has a spike, so only passive properties can be fitted"]
    if np.median(peaks) < LOW_PEAK:
        return [f"spikes peak at {np.median(peaks):.0f} mV: truncated, filtered, or offset"]
    return []


def _of_access(recording: Recording) -> list[str]:
    """Jumps at the onset of steps that the membrane cannot make, in MOhm."""
    protocol = recording.protocol
    jumps, deflections = [], []
    for row, (on, off) in enumerate(protocol.windows):
        amplitude = protocol.amplitude[row]
        early = recording.response[row, protocol.samples(on + 0.3, on + 0.6)]
        late = recording.response[row, protocol.samples(on + 0.8 * (off - on), off)]
        if abs(amplitude) >= 10.0 and early.size and late.size and np.ptp(late) < 10.0 and on > 1.0:
            jumps.append((np.median(early) - recording.rest[row]) / amplitude * 1000.0)
            deflections.append((np.median(late) - recording.rest[row]) / amplitude * 1000.0)
    if len(jumps) < 2 or np.median(deflections) <= 0 or np.median(jumps) < BRIDGE * np.median(deflections):
        return []
    return [
        f"the bridge was not balanced: at the onset of steps the potential jumps by {np.median(jumps):.0f} MOhm "
        f"of {np.median(deflections):.0f} MOhm"
    ]


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
