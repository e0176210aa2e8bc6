"""A stimulus that the user gives because the recording does not hold it."""

import re
from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError

FORM = (
    "on=MS off=MS with amplitudes=PA,PA,... or first=PA by=PA, and optionally holding=PA, "
    "such as 'on=100 off=600 first=-100 by=25'"
)
_KEYS = {"on", "off", "amplitudes", "first", "by", "holding"}


@dataclass(frozen=True)
class Stimulus:
    """One current step per sweep.

    Args:
        on: Start of the step [ms from the first sample].
        off: End of the step [ms].
        amplitudes: Step of every sweep, relative to holding [pA]; empty if ``first`` and ``by`` say it.
        first: Step of the first sweep [pA].
        by: Increase from sweep to sweep [pA].
        holding: Holding current [pA].

    Raises:
        InputError: If the step is empty or a number is not finite.
    """

    on: float
    off: float
    amplitudes: tuple[float, ...] = ()
    first: float = 0.0
    by: float = 0.0
    holding: float = 0.0

    def __post_init__(self) -> None:
        if not np.isfinite([self.on, self.off, self.first, self.by, self.holding, *self.amplitudes]).all():
            raise InputError("stimulus: every number must be finite; give " + FORM)
        if self and not 0 <= self.on < self.off:
            raise InputError(f"stimulus: on = {self.on:g} ms and off = {self.off:g} ms, must be 0 <= on < off")

    def __bool__(self) -> bool:
        return self.off != 0.0

    def command(self, n_sweeps: int, n_times: int, dt: float) -> Array:
        """Injected current of every sweep [pA], shape ``(S, T)``.

        Args:
            n_sweeps: Number of sweeps S.
            n_times: Number of time points T.
            dt: Sampling step [ms].

        Raises:
            InputError: If the number of amplitudes is not that of the sweeps, or the step leaves the sweep.

        Example:
            >>> Stimulus(on=1.0, off=2.0, first=-50.0, by=25.0).command(2, 4, 0.5)[:, 2]
            array([-50., -25.])
        """
        amplitudes = np.array(self.amplitudes or self.first + self.by * np.arange(n_sweeps))
        if len(amplitudes) != n_sweeps:
            raise InputError(
                f"stimulus: {len(amplitudes)} amplitudes were given for {n_sweeps} sweeps; give one for each"
            )
        if self.off > n_times * dt * (1 + 1e-9):
            raise InputError(f"stimulus: off = {self.off:g} ms lies outside the sweep of {n_times * dt:g} ms")
        first, last = round(self.on / dt), round(self.off / dt)
        command = np.full((n_sweeps, n_times), self.holding)
        command[:, first:last] += amplitudes[:, None]
        return command


FROM_FILE = Stimulus(0.0, 0.0)
"""No stimulus was given: the file has it."""


def parse(text: str) -> Stimulus:
    """A stimulus from text such as ``on=100 off=600 first=-100 by=25 holding=0``.

    Times are in ms from the first sample of a sweep, currents in pA.

    Raises:
        InputError: If it is not of that form.

    Example:
        >>> parse("on=100 off=600 amplitudes=-50,50")
        Stimulus(on=100.0, off=600.0, amplitudes=(-50.0, 50.0), first=0.0, by=0.0, holding=0.0)
    """
    words = dict(re.findall(r"(\w+)=(\S+)", text))
    left = re.sub(r"\w+=\S+", "", text).replace(";", "").strip()
    if left or not {"on", "off"} <= words.keys() <= _KEYS or ("amplitudes" in words) == ("first" in words):
        raise InputError(f"stimulus is {text!r}, must be {FORM}")
    try:
        amplitudes = tuple(float(word) for word in words.pop("amplitudes", "").split(",") if word)
        return Stimulus(amplitudes=amplitudes, **{key: float(word) for key, word in words.items()})
    except InputError:
        raise
    except ValueError:
        raise InputError(f"stimulus is {text!r}, must be {FORM}") from None
