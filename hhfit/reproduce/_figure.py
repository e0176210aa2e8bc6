"""What a reproduced figure is: rows of a table, a caption, and the arrays that it is drawn from."""

from collections.abc import Mapping
from dataclasses import dataclass

from hhfit.arrays import Array

HOLDS, MISSED, SHOWN = "holds", "missed", "no bar"
"""Verdicts: a bar that was reached, one that was not, a number that no source gives a bar for."""


@dataclass(frozen=True)
class Row:
    """One quantity of a figure beside what it should be.

    Args:
        quantity: What was measured.
        expected: What the paper, or an exact calculation, says; with where that is from when it is no paper.
        ours: What came out.
        verdict: ``HOLDS``, ``MISSED`` or ``SHOWN``.
    """

    quantity: str
    expected: str
    ours: str
    verdict: str = SHOWN


def judged(quantity: str, expected: str, ours: str, holds: bool) -> Row:
    """A row with a bar.

    Example:
        >>> judged("spikes", "5 +- 1", "5.2", True).verdict
        'holds'
    """
    return Row(quantity, expected, ours, HOLDS if holds else MISSED)


@dataclass(frozen=True, eq=False)
class Result:
    """What a figure's calculation returns.

    Args:
        caption: What is shown, and what was chosen where no source says it.
        rows: Rows of the table.
        arrays: Everything that it is drawn from.
    """

    caption: str
    rows: tuple[Row, ...]
    arrays: Mapping[str, Array]
