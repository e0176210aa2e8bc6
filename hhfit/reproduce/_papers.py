"""Which figures there are, and how one is made."""

import importlib
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType

from hhfit.errors import InputError
from hhfit.plots import save as save_image
from hhfit.reproduce import _store, _together
from hhfit.reproduce._store import Finished
from hhfit.reproduce._work import Progress, Work, ignore

PAPERS: dict[str, dict[str, str]] = {
    "lueckmann2017": {
        "1b": "A toy regression",
        "2a": "Completed runs against rounds",
        "2b": "A bimodal posterior",
        "2c": "Bernoulli GLM against the exact posterior (C to F)",
        "3a": "Hodgkin-Huxley neuron, synthetic (A to D)",
        "3e": "Hodgkin-Huxley neuron, recording (E to G)",
        "4a": "Failed simulations of an autapse (A and B)",
        "4c": "Undefined features (C, D and the supplement)",
        "5": "A recurrent network on 60 and 240 ms",
        "supp_kl": "Divergence between the weights of successive rounds",
        "supp_smc": "SNPE-B and SMC ABC on the GLM",
    },
    "goncalves2020": {
        "4b": "Hodgkin-Huxley neuron, synthetic (B to E, appendices 8 and 10)",
        "4f": "Hodgkin-Huxley neuron, Allen recordings (F, appendix 9)",
    },
    "papamakarios2016": {
        "mixture": "Mixture of two Gaussians: SNPE-A against ABC",
        "linear": "Bayesian linear regression: SNPE-A against ABC",
        "lotka_volterra": "Lotka-Volterra: SNPE-A against ABC",
        "queue": "M/G/1 queue: SNPE-A against ABC",
    },
}
"""Title of every figure of every paper; figure ``2a`` of ``lueckmann2017`` is module ``lueckmann2017_2a``."""

RECORDINGS = {("lueckmann2017", "3e"), ("goncalves2020", "4f")}
"""Figures that need real recordings, which hhfit may not ship."""


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
    recordings: str | Path = "",
    workers: int = 1,
    progress: Progress = ignore,
) -> Iterator[Finished]:
    """Reproduce figures; those that ``out`` holds with the same budget and seed are not run again.

    Args:
        paper: One of ``PAPERS``.
        chosen: Names of figures; empty for all.
        out: Folder for everything.
        quick: Use the small budget.
        seed: Same seed, same figures.
        recordings: Folder of Allen recordings; when empty, figures that need them are left out.
        workers: Figures made at a time, each in a process of its own; with one, all are made in this process. 0 for one
            per core.
        progress: Called as ``progress(stage, done, total, note)``.

    Yields:
        Each figure as it is finished; ``REPRODUCTION.md`` in ``out`` is written anew before.

    Raises:
        InputError: If there is no such paper or figure.
    """
    names, folder = figures(paper, chosen), Path(out)
    needing = [name for name in names if (paper, name) in RECORDINGS]
    if needing and not recordings:
        if chosen:
            raise InputError(f"{paper} {needing[0]} needs recordings of the Allen Institute; pass --recordings")
        names = [name for name in names if name not in needing]
    folder.mkdir(parents=True, exist_ok=True)
    make = partial(_finished, folder=folder, paper=paper, quick=quick, seed=seed, recordings=Path(recordings))
    order = [(each, figure) for each, titles in PAPERS.items() for figure in titles]
    for finished in _together.each(make, names, workers or len(os.sched_getaffinity(0)), progress):
        (folder / _store.TABLE).write_text(_store.table(_store.stored(folder, order)), encoding="utf-8")
        yield finished


def _finished(
    name: str, progress: Progress, *, folder: Path, paper: str, quick: bool, seed: int, recordings: Path
) -> Finished:
    """A figure, made unless the folder holds it with this budget and seed."""
    known = _store.load(folder, paper, name)
    if known is not None and (known.quick, known.seed) == (quick, seed):
        return known
    parts = folder / "parts" / f"{paper}-{name}-{'quick' if quick else 'full'}-{seed}"
    work = Work(parts, quick, seed, lambda stage, *rest: progress(f"{name}: {stage}", *rest), recordings)
    return _make(folder, paper, name, work)


def _make(folder: Path, paper: str, name: str, work: Work) -> Finished:
    module = _module(paper, name)
    result = module.run(work)
    images = module.draw(result)
    for label, image in images.items():
        save_image(image, folder / f"{paper}-{label}")
    title, labels = PAPERS[paper][name], tuple(f"{paper}-{label}" for label in images)
    finished = Finished(
        paper, name, title, work.quick, work.seed, result.caption, result.rows, work.simulations, work.cpu_s, labels
    )
    _store.save(folder, finished, result)
    return finished


def _module(paper: str, name: str) -> ModuleType:
    return importlib.import_module(f"hhfit.reproduce.{paper}_{name}")
