"""Which figures there are, and how one is made."""

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from hhfit.errors import InputError
from hhfit.plots import save as save_image
from hhfit.reproduce import _store
from hhfit.reproduce._store import Finished
from hhfit.reproduce._work import Progress, Work, ignore

PAPERS: dict[str, dict[str, str]] = {
    "papamakarios2016": {
        "mixture": "Mixture of two Gaussians: SNPE-A against ABC",
        "linear": "Bayesian linear regression: SNPE-A against ABC",
        "lotka_volterra": "Lotka-Volterra: SNPE-A against ABC",
        "queue": "M/G/1 queue: SNPE-A against ABC",
    },
}
"""Title of every figure of every paper; figure ``2a`` of ``lueckmann2017`` is module ``lueckmann2017_2a``."""


def figures(paper: str, chosen: Sequence[str]) -> list[str]:
    """Names of a paper's figures: those chosen, or all.

    Raises:
        InputError: If there is no such paper or figure.
    """
    if paper not in PAPERS:
        raise InputError(f"unknown paper {paper!r}; available: {', '.join(PAPERS)}")
    for name in chosen:
        if name not in PAPERS[paper]:
            raise InputError(f"{paper} has no figure {name!r} here; available: {', '.join(PAPERS[paper])}")
    return [name for name in PAPERS[paper] if name in chosen or not chosen]


def run(
    paper: str,
    chosen: Sequence[str] = (),
    *,
    out: str | Path,
    quick: bool = False,
    seed: int = 0,
    progress: Progress = ignore,
) -> Iterator[Finished]:
    """Reproduce figures one after the other; those that ``out`` holds with the same budget and seed are not run again.

    Args:
        paper: One of ``PAPERS``.
        chosen: Names of figures; empty for all.
        out: Folder for everything.
        quick: Use the small budget.
        seed: Same seed, same figures.
        progress: Called as ``progress(stage, done, total, note)``.

    Yields:
        Each figure as it is finished; ``REPRODUCTION.md`` in ``out`` is written anew before.

    Raises:
        InputError: If there is no such paper or figure.
    """
    names, folder = figures(paper, chosen), Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        known = _store.load(folder, paper, name)
        if known is None or (known.quick, known.seed) != (quick, seed):
            known = _make(folder, paper, name, quick=quick, seed=seed, progress=progress)
        order = [(each, figure) for each, titles in PAPERS.items() for figure in titles]
        (folder / _store.TABLE).write_text(_store.table(_store.stored(folder, order)), encoding="utf-8")
        yield known


def _make(folder: Path, paper: str, name: str, *, quick: bool, seed: int, progress: Progress) -> Finished:
    module = _module(paper, name)
    parts = folder / "parts" / f"{paper}-{name}-{'quick' if quick else 'full'}-{seed}"
    work = Work(parts, quick, seed, lambda stage, *rest: progress(f"{name}: {stage}", *rest))
    result = module.run(work)
    images = module.draw(result)
    for label, image in images.items():
        save_image(image, folder / f"{paper}-{label}")
    title, labels = PAPERS[paper][name], tuple(f"{paper}-{label}" for label in images)
    finished = Finished(
        paper, name, title, quick, seed, result.caption, result.rows, work.simulations, work.cpu_s, labels
    )
    _store.save(folder, finished, result)
    return finished


def _module(paper: str, name: str) -> ModuleType:
    return importlib.import_module(f"hhfit.reproduce.{paper}_{name}")
