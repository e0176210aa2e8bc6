"""Whether the membrane potential answers the command that a recording claims."""

from dataclasses import dataclass

import numpy as np

from hhfit.recording import Recording

_SPIKE = 15.0
_LEAST_STEPS = 3
_FAR = 0.3
_RESISTANCES = (1.0, 20_000.0)


@dataclass(frozen=True)
class Answer:
    """How silent sweeps answer their steps: ``deflection = resistance * (step - neutral)``.

    Args:
        sweeps: Number of silent sweeps.
        resistance: Slope [MOhm]; NaN if too few sweeps are silent.
        neutral: Step that leaves the potential where it was [pA]; zero if the command is right.
        correlation: Between step and deflection.
        reason: What is implausible; empty if nothing is.
    """

    sweeps: int
    resistance: float
    neutral: float
    correlation: float
    reason: str


def answer(recording: Recording) -> Answer:
    """Compare steps and deflections of the silent sweeps of a current-clamp recording.

    Args:
        recording: Current-clamp recording.
    """
    protocol = recording.protocol
    steps, deflections = [], []
    for row, (on, off) in enumerate(protocol.windows):
        during = recording.response[row, protocol.samples(on, off)]
        late = recording.response[row, protocol.samples(on + 0.5 * (off - on), off)]
        before = recording.response[row, protocol.samples(max(on - 100.0, 0.0), on)]
        if late.size and before.size and np.ptp(late) < _SPIKE and np.ptp(before) < _SPIKE:
            level = float(np.median(late))
            if during.max() < max(level, float(before.max())) + _SPIKE:
                steps.append(protocol.amplitude[row])
                deflections.append(level - float(np.median(before)))
    nan = float("nan")
    if len(steps) < _LEAST_STEPS or np.ptp(steps) < 1.0:
        return Answer(len(steps), nan, nan, nan, "")
    slope, offset = (float(value) for value in np.polyfit(steps, deflections, 1))
    correlation = float(np.corrcoef(steps, deflections)[0, 1]) if np.ptp(deflections) > 0 else 0.0
    neutral = -offset / slope if slope else nan
    return Answer(
        len(steps), 1000.0 * slope, neutral, correlation, _reason(steps, deflections, slope, neutral, correlation)
    )


def _reason(steps: list[float], deflections: list[float], slope: float, neutral: float, correlation: float) -> str:
    if np.ptp(deflections) < 1.0 and np.ptp(steps) > 20.0:
        return f"the potential stays within {np.ptp(deflections):.1f} mV while steps differ by {np.ptp(steps):.0f} pA"
    if slope <= 0 or correlation < 0.5:
        return f"the potential does not follow the current (correlation {correlation:.2f})"
    if not _RESISTANCES[0] <= 1000.0 * slope <= _RESISTANCES[1]:
        return f"the input resistance would be {1000.0 * slope:.3g} MOhm, so the current is in another unit"
    if abs(neutral) > max(20.0, _FAR * float(np.ptp(steps))) and abs(neutral * slope) > 3.0:
        return (
            f"a step of {neutral:.0f} pA leaves the potential unchanged, so the holding current is wrong by that much"
        )
    return ""
