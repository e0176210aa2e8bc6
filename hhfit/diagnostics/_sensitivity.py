"""How far the parameters move when what was assumed is wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError

Refit = Callable[["Assumption"], Array]
"""``refit(assumption)``: draws from the posterior ``(n, P)`` of the same fit under another assumption."""


@dataclass(frozen=True)
class Assumption:
    """One thing that a fit took for granted, changed.

    Args:
        name: ``"ljp"`` for the junction potential, ``"temperature"``, or a quantity of the model such as ``"e_na"``.
        change: What is added to it, in ``unit``; with ``relative`` what it is multiplied by.
        unit: Unit of the change; ``"1"`` for a factor.
        relative: Whether ``change`` is a factor.
    """

    name: str
    change: float
    unit: str
    relative: bool = False

    @property
    def words(self) -> str:
        """Such as ``"ljp +10 mV"`` or ``"capacitance x 1.5"``.

        Example:
            >>> Assumption("ljp", 10.0, "mV").words
            'ljp +10 mV'
        """
        return f"{self.name} x {self.change:g}" if self.relative else f"{self.name} {self.change:+g} {self.unit}"


DESIGN = (
    Assumption("ljp", 10.0, "mV"),
    Assumption("ljp", -10.0, "mV"),
    Assumption("e_na", -10.0, "mV"),
    Assumption("e_na", 10.0, "mV"),
    Assumption("e_k", 10.0, "mV"),
    Assumption("e_k", -10.0, "mV"),
    Assumption("capacitance", 1.25, "1", relative=True),
    Assumption("capacitance", 0.8, "1", relative=True),
    Assumption("area", 1.25, "1", relative=True),
    Assumption("area", 0.8, "1", relative=True),
    Assumption("temperature", 5.0, "degC"),
    Assumption("temperature", -5.0, "degC"),
)
"""What is worth changing: each by about as much as it is commonly uncertain."""


def sensitivity(
    samples: Array,
    names: Sequence[str],
    refit: Refit,
    design: Sequence[Assumption] = DESIGN,
    *,
    reference: Array | None = None,
) -> list[dict[str, Any]]:
    """Shift of every parameter, in posterior sds, under each changed assumption.

    Only this shows what no check of a single fit can see: a wrong constant is absorbed by the free
    parameters, and the predictions look as good as before.

    Args:
        samples: Draws from the posterior of the fit as it is, shape ``(n, P)``.
        names: Names of the parameters.
        refit: Makes the same fit under one changed assumption; it decides how much to simulate.
        design: The changes.
        reference: Draws from a refit without any change, which the shifts are counted from, shape ``(m, P)``; by
            default from ``samples``.

    Returns:
        A row per change: ``assumption`` in words, ``shift`` of each parameter's mean in its own
        unit, the same in posterior sds as ``shift_sd``, and as ``largest`` the parameter whose shift stands out
        most: in sds of the two posteriors that it lies between, which are wide where few simulations say little.

    Raises:
        InputError: If a refit has other parameters than the fit.
    """
    base = samples if reference is None else reference
    centre, spread = base.mean(axis=0), samples.std(axis=0)
    spread = np.where(spread > 0, spread, np.nan)
    rows = []
    for assumption in design:
        moved = refit(assumption)
        if moved.ndim != 2 or moved.shape[1] != samples.shape[1]:
            raise InputError(
                f"refit under {assumption.words!r} gave draws of shape {moved.shape}, "
                f"expected (any, {samples.shape[1]}) as in the fit itself"
            )
        shift = moved.mean(axis=0) - centre
        in_sd = shift / spread
        apart = np.abs(shift) / np.maximum(np.hypot(base.std(axis=0), moved.std(axis=0)), np.finfo(float).tiny)
        rows.append(
            {
                "assumption": assumption.words,
                "shift": dict(zip(names, shift.tolist(), strict=True)),
                "shift_sd": dict(zip(names, in_sd.tolist(), strict=True)),
                "largest": names[int(apart.argmax())],
            }
        )
    return rows


def sentences(rows: Sequence[Mapping[str, Any]], units: Mapping[str, str]) -> list[str]:
    """What a sensitivity table says, largest shift first: one sentence per change.

    Args:
        rows: As of ``sensitivity``.
        units: Unit of every parameter, by name.

    Example:
        >>> rows = [{"assumption": "ljp +10 mV", "largest": "v_t", "shift": {"v_t": 9.9}, "shift_sd": {"v_t": 4.2}}]
        >>> sentences(rows, {"v_t": "mV"})
        ['ljp +10 mV moves v_t by +9.9 mV (+4.2 posterior sd).']
    """
    ordered = sorted(rows, key=lambda row: -abs(row["shift_sd"][row["largest"]]))
    return [
        f"{row['assumption']} moves {row['largest']} by {row['shift'][row['largest']]:+.3g} "
        f"{units[row['largest']]} ({row['shift_sd'][row['largest']]:+.1f} posterior sd)."
        for row in ordered
    ]
