"""Which sweeps to fit, and which to keep back for validation."""

import re
from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.extractors.spikes import spike_counts
from hhfit.recording import Recording

MOST_FITTED = 6
"""Sweeps fitted at most."""

LEAST_KEPT = 8
"""A recording of fewer sweeps keeps none back."""


NEAR = 0.02
"""A step matches an amplitude that it is this share of, or 1 pA, away from."""

FORM = "numbers and ranges such as 0,3,5-8, steps such as 100pA,200pA or 50..200pA, or auto"
_NUMBER = r"[+-]?\d+(?:\.\d+)?"
_STEP = re.compile(rf"({_NUMBER})(?:pA)?\.\.({_NUMBER})pA|({_NUMBER})pA")


@dataclass(frozen=True)
class Selection:
    """Sweeps that a user names, by number or by the amplitude of their step.

    Args:
        text: What the user wrote.
        numbers: Numbers in the file.
        steps: Smallest and largest amplitude of each range [pA].
    """

    text: str = ""
    numbers: tuple[int, ...] = ()
    steps: tuple[tuple[float, float], ...] = ()

    def of(self, recording: Recording) -> tuple[int, ...]:
        """Numbers of these sweeps in a recording; empty when the choice is left to ``choose``.

        Raises:
            InputError: If no sweep has one of the steps.
        """
        amplitude = recording.protocol.amplitude
        found = list(self.numbers)
        for low, high in self.steps:
            margin = np.maximum(1.0, NEAR * np.maximum(abs(low), abs(high)))
            inside = recording.sweeps[(amplitude >= low - margin) & (amplitude <= high + margin)].tolist()
            if not inside:
                wanted = f"{low:g} pA" if low == high else f"{low:g} to {high:g} pA"
                known = ", ".join(f"{step:g}" for step in np.unique(amplitude.round(1)))
                raise InputError(f"{recording.name}: no sweep has a step of {wanted}; its steps are {known} pA")
            found.extend(number for number in inside if number not in found)
        return tuple(found)


def parse(text: str, option: str = "--sweeps") -> Selection:
    """A selection from text such as ``0,3,5-8``, ``100pA,200pA``, ``50..200pA`` or ``auto``.

    Args:
        text: What the user wrote; nothing is ``auto``.
        option: What to call it in a message.

    Raises:
        InputError: If it is not such a list.

    Example:
        >>> parse("0,3,5-7").numbers, parse("-50..100pA,300pA").steps
        ((0, 3, 5, 6, 7), ((-50.0, 100.0), (300.0, 300.0)))
    """
    numbers: list[int] = []
    steps = []
    for part in filter(None, text.replace(" ", "").split(",") if text != "auto" else []):
        step = _STEP.fullmatch(part)
        if step:
            low, high = (float(word) for word in (step[1] or step[3], step[2] or step[3]))
            steps.append((low, high))
            wrong = low > high
        else:
            first, _, last = part.partition("-")
            wrong = not (first.isdecimal() and (last or first).isdecimal()) or int(last or first) < int(first)
            numbers.extend([] if wrong else range(int(first), int(last or first) + 1))
        if wrong:
            raise InputError(f"{option} is {text!r}, must be {FORM}")
    if len(set(numbers)) < len(numbers):
        raise InputError(f"{option} is {text!r}, names a sweep twice")
    return Selection(text, tuple(numbers), tuple(steps))


@dataclass(frozen=True)
class Choice:
    """Sweeps by their number in the file.

    Args:
        fitted: To be fitted.
        validation: Kept back, to be compared with posterior prediction.
    """

    fitted: tuple[int, ...]
    validation: tuple[int, ...]


def choose(recording: Recording, most: int = MOST_FITTED) -> Choice:
    """Choose sweeps spread over the F-I curve, silent ones among them, and keep some between them back.

    A third of the places goes to silent sweeps, hyperpolarising ones first, the others are spread
    evenly over the spike counts. Validation takes sweeps that lie between fitted ones.

    Args:
        recording: Current-clamp recording.
        most: Sweeps fitted at most.
    """
    amplitude = recording.protocol.amplitude
    counts = spike_counts(recording.response[None], recording.protocol, {})[0]
    if len(amplitude) <= most:
        return Choice(tuple(recording.sweeps.tolist()), ())
    silent = np.flatnonzero(counts == 0)
    spiking = np.flatnonzero(counts > 0)
    n_silent = min(len(silent), max(most // 3, most - len(spiking)))
    fitted = _spread(silent, amplitude, n_silent) + _spread(spiking, counts + 1e-9 * amplitude, most - n_silent)
    left = [row for row in range(len(amplitude)) if row not in fitted]
    low, high = amplitude[fitted].min(), amplitude[fitted].max()
    between = np.array([row for row in left if low < amplitude[row] < high], int)
    kept = _spread(between, amplitude, min(len(between), max(most // 2, 1))) if len(amplitude) >= LEAST_KEPT else []
    return Choice(_numbers(recording, fitted), _numbers(recording, kept))


def _spread(rows: Array, values: Array, count: int) -> list[int]:
    """Rows whose values lie evenly over the order of their values, both ends among them."""
    if count <= 0 or not len(rows):
        return []
    order = rows[np.argsort(values[rows], kind="stable")]
    places = np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))
    return [int(row) for row in order[places]]


def _numbers(recording: Recording, rows: list[int]) -> tuple[int, ...]:
    return tuple(int(recording.sweeps[row]) for row in sorted(rows))
