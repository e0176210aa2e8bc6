"""A recorded current channel turned into the step that was injected."""

from itertools import pairwise

import numpy as np

from hhfit.arrays import Array

QUIET = 0.2
"""A command whose noise is below this [pA or mV] needs no idealising."""

GROUPS = 20
"""Medians are taken over this many groups of samples, so that fast sampling costs no more."""

MOST_EDGES = 200
"""More edges than this are no steps."""

HALF = 4.0
"""Plateaus are compared over this much time before and after an edge [ms]."""

SMALLEST_JUMP = 0.04
"""An edge is at least this share of the command's whole range."""

WORST_MISFIT = 0.08
"""What smoothing leaves beside the plateaus is at most this share of the range, or it is no step."""


def idealise(command: Array, dt: float) -> Array | None:
    """Plateaus of a recorded command, without its noise and without artefacts of spikes.

    An edge is where the running median before and after differ; its place is where two levels
    fit all sweeps best. Each plateau becomes its median. A noise that was injected on purpose is
    not touched: it is absent before the stimulus, the noise of a measurement is not.

    Args:
        command: Recorded command [pA or mV], shape ``(S, T)``.
        dt: Sampling step [ms].

    Returns:
        The plateaus, shape ``(S, T)``; nothing if the channel is noiseless or holds no plateaus.
    """
    half = max(round(HALF / dt), 3)
    if command.shape[1] < 8 * half:
        return None
    noise = _noise(command)
    if noise < QUIET:
        return None
    group = max(half // GROUPS, 1)
    smooth = _smoothed(command, half, group)
    spread = np.percentile(smooth, [0.5, 99.5])
    extent = max(float(spread[1] - spread[0]), 1e-9)
    least = max(SMALLEST_JUMP * extent, 4.0 * noise / np.sqrt(half))
    places = _edges(smooth, half // group, least)
    edges = sorted({_place(command, group * place, half) for place in places})
    edges = _needed(command, edges, half, least)
    bounds = [0, *edges, command.shape[1]]
    levels = _with_holding(command, _levels(command, bounds, half), bounds, least)
    plateaus = np.repeat(levels, np.diff(bounds), axis=1)
    centres = np.arange(smooth.shape[1]) * group + group // 2
    inside = np.ones(len(centres), bool)
    for edge in edges:
        inside &= np.abs(centres - edge) > half
    left = np.abs(smooth - plateaus[:, centres])[:, inside]
    is_step = left.size > 0 and np.percentile(left, 98) <= max(WORST_MISFIT * extent, 3.0 * noise / np.sqrt(half))
    return plateaus if edges and is_step and _is_measured(command, bounds, noise) else None


def _noise(command: Array) -> float:
    """Standard deviation of what changes from sample to sample, whatever the steps and artefacts."""
    return float(np.median(np.abs(np.diff(command, axis=1)))) / (0.6745 * np.sqrt(2.0))


def _smoothed(command: Array, half: int, group: int) -> Array:
    """Running median over ``half`` before and after, of medians over ``group`` samples."""
    from scipy.ndimage import median_filter

    length = command.shape[1] // group
    coarse = np.median(command[:, : length * group].reshape(len(command), length, group), axis=2)
    return median_filter(coarse, size=(1, 2 * (half // group) + 1), mode="nearest")


def _edges(smooth: Array, half: int, least: float) -> list[int]:
    """About where a new plateau begins in at least one sweep."""
    n_times = smooth.shape[1]
    lag = 2 * half
    jump = np.zeros(n_times)
    jump[half : n_times - half] = np.abs(smooth[:, lag:] - smooth[:, :-lag]).max(axis=0)
    jump[:lag] = jump[n_times - lag :] = 0.0
    edges: list[int] = []
    jump[jump < least] = 0.0
    while jump.any() and len(edges) < MOST_EDGES:
        top = int(np.argmax(jump))
        run = np.flatnonzero(jump[max(top - half, 0) : top + half] > 0.98 * jump[top]) + max(top - half, 0)
        edges.append(int(np.median(run)))
        jump[max(top - lag, 0) : top + lag] = 0.0
    return edges


def _levels(command: Array, bounds: list[int], half: int) -> Array:
    """Level of each plateau, away from its edges and from artefacts, shape ``(S, plateaus)``."""
    levels = []
    for first, last in pairwise(bounds):
        margin = min(half // 2, (last - first) // 4)
        levels.append(_centre(command[:, first + margin : last - margin]))
    return np.stack(levels, axis=1)


def _centre(values: Array) -> Array:
    """Mean of what lies within three deviations of the median: finer than the median of whole counts."""
    median = np.median(values, axis=1, keepdims=True)
    deviation = np.abs(values - median)
    inside = deviation <= 3.0 * 1.4826 * np.median(deviation, axis=1, keepdims=True) + 1e-12
    return (values * inside).sum(axis=1) / inside.sum(axis=1)


def _with_holding(command: Array, levels: Array, bounds: list[int], least: float) -> Array:
    """Levels with one holding current before and after the stimulus, where the two are alike."""
    if len(bounds) < 4:
        return levels
    pooled = _centre(np.concatenate([command[:, : bounds[1]], command[:, bounds[-2] :]], axis=1))
    alike = np.abs(levels[:, -1] - levels[:, 0]) < 0.5 * least
    levels = levels.copy()
    for place in (0, -1):
        levels[alike, place] = pooled[alike]
    return levels


def _needed(command: Array, edges: list[int], half: int, least: float) -> list[int]:
    """The edges without those that artefacts of spikes gave: the plateaus beside them are alike."""
    edges = list(edges)
    while edges:
        changes = np.abs(np.diff(_levels(command, [0, *edges, command.shape[1]], half), axis=1)).max(axis=0)
        weakest = int(np.argmin(changes))
        if changes[weakest] >= least:
            break
        del edges[weakest]
    return edges


def _place(command: Array, around: int, half: int) -> int:
    """Sample at which splitting into two levels leaves the least absolute deviation."""
    first, last = max(around - 2 * half, 0), min(around + 2 * half, command.shape[1])
    part = command[:, first:last]
    before = np.median(part[:, : half // 2 + 1], axis=1)[:, None]
    after = np.median(part[:, -half // 2 :], axis=1)[:, None]
    cost = np.abs(part - before).sum(axis=0), np.abs(part - after).sum(axis=0)
    total = np.r_[0.0, np.cumsum(cost[0])] + np.r_[np.cumsum(cost[1][::-1])[::-1], 0.0]
    return first + int(np.argmin(total))


def _is_measured(command: Array, bounds: list[int], noise: float) -> bool:
    """Whether the noise is there before the first edge too."""
    before = command[:, : bounds[1]]
    return before.shape[1] >= 20 and _noise(before) > 0.4 * noise
