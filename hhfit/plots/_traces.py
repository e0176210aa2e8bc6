"""Recorded and predicted membrane potential, and spike counts."""

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hhfit.arrays import Array
from hhfit.plots._style import CARD, DPI, DRAW, PREDICTED, RECORDED, styled
from hhfit.protocol import CLAMPS
from hhfit.result import FitResult

DRAWS = 6
"""Predicted traces shown beside the most probable one."""

SPIKE_HEIGHT = 15.0
"""Least height [mV] above the median of a deflection that is aligned as a spike."""


def shown_rows(result: FitResult) -> list[int]:
    """The most probable predictive row first, then a few others that did not fail."""
    best = result.most_probable
    others = [int(row) for row in np.flatnonzero(result.predictive.simulations.usable) if row != best]
    return [best, *others[:DRAWS]]


@styled
def sweep(result: FitResult, s: int) -> Figure:
    """One sweep: recorded and predicted membrane potential, the command below."""
    crowded = _is_crowded(result, s)
    figure = Figure(figsize=(CARD[0], CARD[1] + 0.9 * crowded), dpi=DPI)
    heights = [3, 3, 1] if crowded else [4, 1]
    *voltages, command = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    _draw(voltages, command, result, s)
    figure.suptitle(_title(result, s), x=0.01, ha="left", fontsize=8.5)
    voltages[0].set_ylabel("recorded [mV]" if crowded else "potential [mV]")
    voltages[-1].set_ylabel("predicted [mV]" if crowded else "potential [mV]")
    figure.align_ylabels()
    _legend(figure, voltages)
    return figure


def kept_sweeps(result: FitResult) -> list[Figure]:
    """Every sweep that was kept back from the fit, drawn alike; none without such sweeps."""
    kept = result.validation
    if kept is None:
        return []
    checks = {**result.checks, "spikes": result.checks["validation"]["spikes"]}
    shown = replace(result, recording=kept.recording, predictive=kept.predictive, checks=checks)
    return [sweep(shown, s) for s in range(len(kept.recording.sweeps))]


@styled
def traces(result: FitResult) -> Figure:
    """Every sweep in one figure, with common axes, for a paper."""
    n_sweeps = result.recording.protocol.n_sweeps
    columns = min(n_sweeps, 3)
    rows = -(-n_sweeps // columns)
    figure = Figure(figsize=(max(2.5 * columns, 4.4), 2.5 * rows + 0.3), dpi=DPI)
    grid = figure.subfigures(rows, columns, squeeze=False)
    low, high = _voltage_range(result)
    for s in range(n_sweeps):
        cell = grid[s // columns, s % columns]
        *voltages, command = cell.subplots(3, 1, sharex=True, height_ratios=[3, 3, 1])
        _draw(voltages, command, result, s)
        for axes in voltages:
            axes.set_ylim(low, high)
        protocol = result.recording.protocol
        command.set_ylim(*_padded(float(protocol.command.min()), float(protocol.command.max())))
        cell.suptitle(_title(result, s).replace("; ", "\n"), x=0.02, ha="left", fontsize=7.5)
        voltages[0].set_ylabel("rec. [mV]")
        voltages[1].set_ylabel("pred. [mV]")
        cell.align_ylabels()
    return figure


def _is_crowded(result: FitResult, s: int) -> bool:
    """Whether recorded and predicted traces need a panel each, to be told apart."""
    counts = np.r_[result.predictive.spikes_recorded[s], result.predictive.spikes[:, s]]
    return bool((counts[np.isfinite(counts)] > 2).any())


def _draw(voltages: list[Axes], command: Axes, result: FitResult, s: int) -> None:
    """Draw one sweep: the recording in the first panel, the prediction in the last."""
    time = result.recording.protocol.time
    best, *others = shown_rows(result)
    recorded, predicted = voltages[0], voltages[-1]
    for k, row in enumerate(others):
        label = f"{len(others)} posterior draws" if k == 0 else None
        predicted.plot(*_thin(time, result.predictive.response[row, s]), color=DRAW, lw=0.6, alpha=0.6, label=label)
    recorded.plot(*_thin(time, result.recording.response[s]), color=RECORDED, lw=0.8, label="recorded")
    line = predicted.plot(*_thin(time, result.predictive.response[best, s]), color=PREDICTED, lw=0.9)
    line[0].set_label("most probable draw")
    command.plot(*_thin(time, result.recording.protocol.command[s]), color=RECORDED, lw=0.9)
    limits = [axes.get_ylim() for axes in voltages]
    for axes in voltages:
        axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
        axes.tick_params(labelbottom=False)
        axes.margins(x=0)
    command.set_ylabel(f"[{CLAMPS[result.recording.protocol.clamp][0]}]")
    command.set_xlabel("time [ms]")


def _legend(figure: Figure, voltages: list[Axes]) -> None:
    pairs = [pair for axes in dict.fromkeys(voltages) for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    pairs.sort(key=lambda pair: (pair[1] != "recorded", "most" not in pair[1]))
    handles, labels = zip(*pairs, strict=True)
    figure.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=1.2, columnspacing=1.2)


def _title(result: FitResult, s: int) -> str:
    row = result.checks["spikes"]["sweeps"][s]
    predicted = "all draws failed" if row["median"] is None else f"predicted {row['median']:g}"
    unit = CLAMPS[result.recording.protocol.clamp][0]
    spikes = "1 spike" if row["recorded"] == 1 else f"{row['recorded']:.0f} spikes"
    return f"sweep {row['sweep']}, {row['current']:+.0f} {unit}; {spikes}, {predicted}"


def _voltage_range(result: FitResult) -> tuple[float, float]:
    predicted = result.predictive.response[shown_rows(result)]
    shown = [result.recording.response.ravel(), predicted[np.isfinite(predicted)]]
    return _padded(min(v.min(initial=np.inf) for v in shown), max(v.max(initial=-np.inf) for v in shown))


def _padded(low: float, high: float) -> tuple[float, float]:
    room = 0.06 * max(high - low, 1.0)
    return low - room, high + room


def _thin(time: Array, values: Array, most: int = 3000) -> tuple[Array, Array]:
    """Smallest and largest sample of each of ``most / 2`` stretches: the curve looks the same."""
    stretch = -(-len(time) // (most // 2))
    if stretch < 3:
        return time, values
    length = len(time) // stretch * stretch
    blocks = values[:length].reshape(-1, stretch)
    rows = np.arange(len(blocks))[:, None] * stretch
    with np.errstate(invalid="ignore"):
        ends = np.sort(np.stack([blocks.argmin(axis=1), blocks.argmax(axis=1)], axis=1), axis=1)
    keep = np.r_[(rows + ends).ravel(), np.arange(length, len(time))]
    return time[keep], values[keep]


@styled
def spike_counts(result: FitResult) -> Figure:
    """Spike count against current: recorded, and predicted median with 90 % range."""
    clamp = result.recording.protocol.clamp
    rows = sorted(result.checks["spikes"]["sweeps"], key=lambda row: row["current"])
    by_current = len({round(row["current"], 3) for row in rows}) == len(rows)
    table = {key: np.array([row[key] for row in rows], float) for key in ("low", "median", "high", "recorded")}
    x = np.array([row["current" if by_current else "sweep"] for row in rows], float)
    figure = Figure(figsize=CARD, dpi=DPI)
    axes = figure.subplots()
    bars = np.stack([table["median"] - table["low"], table["high"] - table["median"]])
    predicted, recorded = "predicted: median, 90 % range", "recorded"
    axes.errorbar(x, table["median"], bars, color=PREDICTED, marker="s", ms=4, capsize=2.5, label=predicted)
    axes.plot(x, table["recorded"], "o", color=RECORDED, ms=6.5, mfc="none", mew=1.3, zorder=5, label=recorded)
    axes.set_xlabel(f"current step [{CLAMPS[clamp][0]}]" if by_current else "sweep")
    axes.set_ylabel("spikes during the stimulus")
    axes.set_ylim(bottom=-0.5)
    axes.legend(loc="upper left")
    return figure


@styled
def first_spikes(result: FitResult) -> Figure:
    """First spike of one sweep, recorded and predicted, aligned at the upstroke."""
    s = _spiking_sweep(result)
    figure = Figure(figsize=CARD, dpi=DPI)
    axes = figure.subplots()
    best, *others = shown_rows(result)
    lines = [(row, DRAW, 0.6, None) for row in others] + [(best, PREDICTED, 1.1, "most probable draw")]
    for row, colour, width, label in lines:
        _draw_spike(axes, result, result.predictive.response[row, s], s, color=colour, lw=width, label=label)
    _draw_spike(axes, result, result.recording.response[s], s, color=RECORDED, lw=1.1, label="recorded")
    axes.set_title(f"first spike of sweep {result.recording.sweeps[s]}", loc="left")
    axes.set_xlabel("time from the upstroke [ms]")
    axes.set_ylabel("membrane\npotential [mV]")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper right", handlelength=1.2)
    if not (result.predictive.spikes[shown_rows(result), s] > 0).any():
        axes.text(0.98, 0.7, "no spike predicted\nin this sweep", transform=axes.transAxes, ha="right", color=PREDICTED)
    return figure


def _spiking_sweep(result: FitResult) -> int:
    """The sweep with the fewest recorded spikes, of those where most of the shown draws fire, too, if there are any."""
    recorded = result.predictive.spikes_recorded
    alike = (recorded > 0) & ((result.predictive.spikes[shown_rows(result)] > 0).mean(axis=0) > 0.5)
    return int(np.argmin(np.where(alike if alike.any() else recorded > 0, recorded, np.inf)))


def _draw_spike(axes: Axes, result: FitResult, response: Array, s: int, **style: str | float | None) -> None:
    protocol = result.recording.protocol
    window = protocol.samples(*protocol.windows[s])
    inside = response[window]
    if not np.isfinite(inside).all() or inside.max() - np.median(inside) < SPIKE_HEIGHT:
        return
    level = 0.5 * (inside.max() + np.median(inside))
    up = np.flatnonzero((inside[:-1] < level) & (inside[1:] >= level))
    if not len(up):
        return
    at = window.start + int(up[0])
    part = slice(max(at - round(6 / protocol.dt), 0), at + round(14 / protocol.dt))
    axes.plot(protocol.time[part] - protocol.time[at], response[part], **style)
