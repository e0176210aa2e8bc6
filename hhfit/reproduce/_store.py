"""Finished figures on disk: JSON, arrays, PDF and PNG, and the table made of them all."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from hhfit.arrays import Array
from hhfit.reproduce._figure import HOLDS, MISSED, Result, Row
from hhfit.reproduce._work import write_json

TABLE = "REPRODUCTION.md"
NUMBERS = "numbers"
"""Folder of what the table is made of, a small file per figure: with these alone it can be renewed figure by figure."""


@dataclass(frozen=True)
class Finished:
    """One figure that was reproduced.

    Args:
        paper: Name of the paper.
        figure: Name of the figure.
        title: What it shows.
        quick: Whether it was made with the small budget.
        seed: Its seed.
        caption: What is shown, and what was chosen.
        rows: Rows of the table.
        simulations: Simulations used.
        cpu_s: CPU seconds used.
        images: Names of the images, without suffix.
    """

    paper: str
    figure: str
    title: str
    quick: bool
    seed: int
    caption: str
    rows: tuple[Row, ...]
    simulations: int
    cpu_s: float
    images: tuple[str, ...]


def path_of(out: Path, paper: str, figure: str) -> Path:
    """Path of a figure's files, without suffix."""
    return out / f"{paper}-{figure}"


def numbers_of(out: Path, paper: str, figure: str) -> Path:
    """Path of a figure's rows."""
    return out / NUMBERS / f"{paper}-{figure}.json"


def save(out: Path, finished: Finished, result: Result) -> None:
    """Write what a figure is made of; the JSON comes last, so that it means that the rest is there."""
    path = path_of(out, finished.paper, finished.figure)
    np.savez_compressed(path.with_suffix(".npz"), **{name: np.asarray(a) for name, a in result.arrays.items()})
    numbers = numbers_of(out, finished.paper, finished.figure)
    numbers.parent.mkdir(exist_ok=True)
    write_json(numbers, asdict(finished))


def load(out: Path, paper: str, figure: str) -> Finished | None:
    """A figure that was finished before, or ``None``."""
    path = numbers_of(out, paper, figure)
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    content["rows"] = tuple(Row(**row) for row in content["rows"])
    content["images"] = tuple(content["images"])
    return Finished(**content)


def arrays_of(out: Path, paper: str, figure: str) -> dict[str, Array]:
    """The arrays of a finished figure."""
    with np.load(path_of(out, paper, figure).with_suffix(".npz"), allow_pickle=False) as content:
        return {name: content[name] for name in content.files}


def stored(out: Path, order: Sequence[tuple[str, str]]) -> list[Finished]:
    """All finished figures in a folder, in the order of ``(paper, figure)`` names given."""
    found = (load(out, paper, figure) for paper, figure in order)
    return [finished for finished in found if finished is not None]


def table(finished: Sequence[Finished]) -> str:
    """The table of all finished figures, as Markdown."""
    lines = ["# The papers' figures, reproduced", "", *_summary(finished)]
    for one in finished:
        budget = "quick budget" if one.quick else "full budget"
        lines += ["", f"## {one.paper}, {one.figure}: {one.title}", "", one.caption, ""]
        lines += [f"{budget}, seed {one.seed}, {one.simulations:,} simulations, {one.cpu_s:,.0f} s of CPU", ""]
        lines += ["| quantity | expected | ours | verdict |", "|---|---|---|---|"]
        lines += [f"| {row.quantity} | {row.expected} | {row.ours} | {row.verdict} |" for row in one.rows]
    return "\n".join(lines) + "\n"


def _summary(finished: Sequence[Finished]) -> list[str]:
    lines = ["Written by `hhfit reproduce`. 'no bar' means that no source gives a value to compare with.", ""]
    lines += ["| paper | figure | budget | holds | missed | simulations | CPU [s] |", "|---|---|---|--:|--:|--:|--:|"]
    for one in finished:
        counts = [sum(row.verdict == word for row in one.rows) for word in (HOLDS, MISSED)]
        budget = "quick" if one.quick else "full"
        numbers = f"{counts[0]} | {counts[1]} | {one.simulations:,} | {one.cpu_s:,.0f}"
        lines.append(f"| {one.paper} | {one.figure} | {budget} | {numbers} |")
    return lines
