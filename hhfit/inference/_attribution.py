"""Which feature informs which parameter: what a density says when features are hidden from it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from hhfit.arrays import Array
from hhfit.inference._flows import Flows, Shape, initial
from hhfit.inference._scaling import Scaling
from hhfit.inference._training import Objective, Training, inputs_shape, one_thread, split, train
from hhfit.journal import Journal
from hhfit.prior import Prior
from hhfit.sampled import Sampled
from hhfit.simulations import Simulations

LEAST = 200
"""Fewest simulations that it is measured with."""

_DRAWS = 1000
_HOW = Training(rate=3e-3, batch=100, epochs=200, steps=3000, patience=40)
_SIZE = {"transforms": 1, "bins": 8, "hidden": 48, "embedding": 16}
_CHANCES = np.array([0.15, 0.1, 0.4, 0.35])
"""Chances that a row is learned from with all features, none, one alone, and all but one."""


def attribute(
    simulations: Simulations,
    prior: Prior,
    x_o: Array,
    groups: Mapping[str, Array],
    *,
    sampled: Sampled,
    seed: int,
    journal: Journal,
) -> dict[str, Any]:
    """Information on every parameter in every feature of an observation [bit].

    A density of its own, smaller than the one that gave the posterior, is trained while features are hidden at random:
    all, all but one, or one. Hidden features are replaced by learned values, as undefined ones are. It then tells at
    ``x_o`` how the entropy of every parameter changes when features are hidden.

    Args:
        simulations: Simulations whose parameters come from the prior.
        prior: The prior.
        x_o: Observed features, shape ``(F,)``.
        groups: Columns that are hidden together, by name: one feature in all sweeps.
        sampled: Which columns are samples.
        seed: Source of all randomness.
        journal: Hears of progress.

    Returns:
        ``parameters``, ``features``, ``alone``: bits that each feature gives by itself, ``(G, P)``; ``lost``: bits that
        are lost without it; ``all``: bits that all give together, ``(P,)``; ``simulations`` used. With too few
        simulations only ``reason`` says so.
    """
    usable = simulations.usable
    if usable.sum() < LEAST:
        return {
            "features": [],
            "reason": f"{int(usable.sum())} simulations of the prior are usable, fewer than {LEAST}",
        }
    u, x = prior.to_cube(simulations.theta[usable]), simulations.x[usable]
    start_seed, split_seed, train_seed, draw_seed = np.random.SeedSequence((seed, 0xA771)).spawn(4)
    scaling = Scaling.of(x, sampled)
    shape = inputs_shape(scaling, prior.n_parameters, 1, _SIZE)
    hides = hidden_inputs(scaling, list(groups.values()), x.shape[1])
    flows, _ = train(
        _partial(u, scaling(x), hides, shape),
        Flows(shape, initial(shape, start_seed), sampled.inputs),
        rows=split(len(u), 0.1, split_seed),
        how=_HOW,
        seed=train_seed,
        progress=lambda done, total, note: journal.progress("which feature informs what", done, total, note),
    )
    bits = _entropies(flows, scaling(x_o[None])[0], _patterns(hides), np.random.default_rng(draw_seed))
    size, (whole, none) = len(groups), bits[:2]
    return {
        "reason": "",
        "parameters": list(prior.names),
        "features": list(groups),
        "alone": (none - bits[2 : 2 + size]).tolist(),
        "lost": (bits[2 + size :] - whole).tolist(),
        "all": (none - whole).tolist(),
        "simulations": len(u),
    }


def hidden_inputs(scaling: Scaling, groups: list[Array], n_columns: int) -> Array:
    """Network inputs that belong to each group of columns, shape ``(G, inputs)``; a rest belongs to its samples."""
    samples = scaling.sampled.columns.ravel()
    features = np.concatenate([scaling.sampled.others(n_columns), scaling.sampled.columns[:, :1].ravel()])
    table = []
    for columns in groups:
        own = np.isin(features, columns)
        table.append(np.concatenate([own, own, own, np.isin(samples, columns)]))
    return np.array(table)


def _patterns(hides: Array) -> Array:
    """Inputs hidden in every case: with all features, with none, each alone, all but each; ``(2 G + 2, inputs)``."""
    none = hides.any(axis=0)
    return np.concatenate([np.zeros_like(none)[None], none[None], none & ~hides, hides])


def hide(inputs: torch.Tensor, hidden: torch.Tensor, shape: Shape) -> torch.Tensor:
    """Network inputs ``(..., inputs)`` with some undefined, as if the features had been."""
    inputs = inputs.masked_fill(hidden, torch.nan)
    marks = slice(shape.features, shape.inputs)
    inputs[..., marks] = inputs[..., marks].nan_to_num(1.0)
    return inputs


def _partial(u: Array, x: Array, hides: Array, shape: Shape) -> Objective:
    """Likelihood with features hidden at random."""
    points, inputs = torch.tensor(u, dtype=torch.float32), torch.tensor(x, dtype=torch.float32)
    patterns, size = torch.tensor(_patterns(hides)), len(hides)

    def objective(flows: Flows, rows: Array, rng: np.random.Generator) -> torch.Tensor:
        kind, group = rng.choice(4, rows.shape, p=_CHANCES), rng.integers(size, size=rows.shape)
        pattern = np.where(kind < 2, kind, 2 + (kind - 2) * size + group)
        seen = hide(inputs[rows], patterns[torch.tensor(pattern)], shape)
        return -flows.log_prob(points[rows], flows.context(seen)).mean(dim=1)

    return objective


def _entropies(flows: Flows, inputs: Array, patterns: Array, rng: np.random.Generator) -> Array:
    """Entropy [bit] of every parameter on the cube with some inputs hidden, shape ``(len(patterns), P)``."""
    from scipy.stats import differential_entropy

    z, found = torch.tensor(rng.random((_DRAWS, flows.shape.parameters)), dtype=torch.float32), []
    with torch.no_grad(), one_thread():
        for pattern in patterns:
            seen = hide(torch.tensor(inputs)[None, None], torch.tensor(pattern), flows.shape)
            drawn = flows.invert(z, flows.context(seen)[0].expand(len(z), -1), 0).double().numpy()
            found.append(differential_entropy(drawn, base=2, axis=0))
    return np.array(found)
