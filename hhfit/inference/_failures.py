"""What becomes of a simulation, foretold from its parameters, so that hopeless ones are not simulated.

A classifier is trained on all rows so far. By default proposals are drawn only where it finds usable simulations
possible. That confines the prior and changes no density inside, so that every loss stays right up to the usable mass
that is cut off. The share of that mass is chosen, and what it came to is measured on rows that no network has seen.
Or proposals are accepted with the chance that is foretold for them, which cuts off nothing; every row then weighs one
over that chance.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.inference._training import one_thread
from hhfit.simulations import Simulations
from hhfit.traces import MACHINE, Status

LEAST_ROWS, LEAST_EACH = 200, 20
"""Fewest rows, and fewest rows of either kind, that the classifier is trained on."""

LEAST_GAIN = 0.02
"""Least share of proposals that must be cut off for it to be worth it."""

LEAST_ACCEPTED = 0.05
"""Least chance at which soft thinning accepts a proposal; one over it is the largest weight."""

_FOLDS, _HIDDEN, _STEPS, _BATCH = 5, 50, 1500, 256
_RATE, _DECAY, _EVERY = 5e-3, 1e-3, 100
_TRIES = 50
_PREFIX = "classifier."


@dataclass(frozen=True, eq=False)
class Classifier:
    """Chances of every outcome given a point of the prior's cube: the mean of small networks, calibrated.

    Args:
        classes: ``Status`` values that it tells apart, shape ``(C,)``.
        usable: Which of them are usable, shape ``(C,)``.
        weights: Weights of the networks by name, the networks along their first axis.
        temperature: What the networks' logits are divided by.
        threshold: Least chance of a usable simulation at which it is worth simulating.
        soft: Whether points are accepted with their chance of a usable simulation instead.
    """

    classes: Array
    usable: Array
    weights: Mapping[str, Array]
    temperature: float = 1.0
    threshold: float = 0.0
    soft: bool = False

    def arrays(self) -> dict[str, Array]:
        """All that defines it, by name."""
        own = {"classes": self.classes, "usable": self.usable}
        own |= {"temperature": np.array(self.temperature), "threshold": np.array(self.threshold)}
        own |= {"soft": np.array(self.soft)}
        return {_PREFIX + name: value for name, value in (own | dict(self.weights)).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> "Classifier | None":
        """The classifier whose ``arrays`` are among these; ``None`` if none are."""
        own = {name[len(_PREFIX) :]: value for name, value in arrays.items() if name.startswith(_PREFIX)}
        if not own:
            return None
        numbers = {name: float(own.pop(name)) for name in ("temperature", "threshold")}
        soft = bool(own.pop("soft", False))
        return cls(own.pop("classes"), own.pop("usable").astype(bool), own, **numbers, soft=soft)

    def chances(self, u: Array) -> Array:
        """Chance of every outcome at cube points ``(N, P)``, shape ``(N, C)``."""
        weights = {name: torch.tensor(value) for name, value in self.weights.items()}
        folds = len(self.weights["2.bias"])
        with torch.no_grad(), one_thread():
            logits = _forward(weights, _inputs(u).expand(folds, -1, -1)) / self.temperature
            return torch.softmax(logits, dim=2).mean(dim=0).double().numpy()

    def chance_usable(self, u: Array) -> Array:
        """Chance of a usable simulation at cube points ``(N, P)``, shape ``(N,)``."""
        return self.chances(u)[:, self.usable].sum(axis=1)

    def keeps(self, u: Array) -> Array:
        """Whether cube points ``(N, P)`` are worth simulating at all, shape ``(N,)``."""
        return np.ones(len(u), bool) if self.soft else self.chance_usable(u) >= self.threshold

    def acceptance(self, u: Array) -> Array:
        """Chance with which cube points ``(N, P)`` are simulated, shape ``(N,)``."""
        return self.chance_usable(u).clip(LEAST_ACCEPTED, 1.0) if self.soft else self.keeps(u).astype(float)


def kept(classifier: Classifier | None, u: Array) -> Array:
    """Whether cube points ``(N, P)`` are worth simulating at all; all are where there is no classifier."""
    return np.ones(len(u), bool) if classifier is None else classifier.keeps(u)


def accepted(classifier: Classifier | None, u: Array, rng: np.random.Generator) -> Array:
    """Which of cube points ``(N, P)`` are to be simulated, drawn anew where thinning is soft."""
    if classifier is None or not classifier.soft:
        return kept(classifier, u)
    return rng.random(len(u)) < classifier.acceptance(u)


def thinning_weights(classifier: Classifier | None, u: Array) -> Array:
    """Weights that undo soft thinning at accepted cube points ``(N, P)``, of mean 1; else all are 1."""
    if classifier is None or not classifier.soft:
        return np.ones(len(u))
    weight = 1 / classifier.acceptance(u)
    return weight / weight.mean()


def train(
    u: Array,
    rows: Simulations,
    lost_mass: float,
    seed: np.random.SeedSequence,
    *,
    ahead: Array,
    within: Array | None = None,
    soft: bool = False,
) -> tuple[Classifier | None, dict[str, Any]]:
    """A classifier trained on all rows so far, and what there is to log.

    Rows that the machine lost (timeouts, crashes) are left out and counted: they depend on more than the parameters.

    Args:
        u: Cube points of all rows, shape ``(N, P)``.
        rows: The rows.
        lost_mass: Share of usable rows that may be cut off.
        seed: Source of all randomness.
        ahead: Cube points that the density of this round draws at the observation, shape ``(M, P)``: of their usable
            mass, too, no larger share is cut off, as a narrow posterior may lie where few rows do.
        within: Rows that the share is meant of, shape ``(N,)``; all by default.
        soft: Whether proposals are to be accepted with their chance, at the loss of nothing.

    Returns:
        The classifier, ``None`` where it cannot be trained or would cut off nothing worth it, and the log.

    Raises:
        InputError: If ``lost_mass`` is not a share below one half.
    """
    if not 0 <= lost_mass < 0.5:
        raise InputError(f"lost_mass is {lost_mass}, must be from 0 to below 0.5")
    machine = np.isin(rows.status, [int(status) for status in MACHINE])
    log: dict[str, Any] = {"lost_by_machine": int(machine.sum())}
    u, status, usable = u[~machine], rows.status[~machine], rows.usable[~machine]
    within = (np.ones(len(machine), bool) if within is None else within)[~machine]
    reason = _too_few(usable) or _too_few(usable[within])
    if reason:
        return None, log | {"classifier": reason}
    labels, classes, valid = _classes(status, usable)
    trained, outside = _fit(u, labels, len(classes), seed)
    temperature = _temperature(outside, labels)
    chances = _softmax(outside / temperature)
    chance = chances[:, valid].sum(axis=1)
    found = Classifier(classes, valid, trained, temperature)
    if soft:
        found, lost = replace(found, soft=True), 0.0
        cut_off = float(np.mean(1 - chance[within].clip(LEAST_ACCEPTED, 1.0)))
    else:
        threshold = _threshold(chance[within], usable[within], lost_mass)
        threshold = min(threshold, _foretold_threshold(found.chance_usable(ahead), lost_mass))
        found, lost = replace(found, threshold=threshold), _realised(chance[within], usable[within], lost_mass)
        cut_off = float(np.mean(chance[within] < threshold))
    log |= {
        "classifier_rows": len(u),
        "classifier_brier": float(np.mean((chance - usable) ** 2)),
        "classifier_brier_of_base_rate": float(usable.mean() * (1 - usable.mean())),
        "classifier_confusion": _confusion(labels, chances.argmax(axis=1), classes),
        "classifier_threshold": found.threshold,
        "classifier_lost_mass": lost,
        "classifier_cut_off": cut_off,
    }
    if log["classifier_brier"] >= log["classifier_brier_of_base_rate"]:
        return None, log | {"classifier": "not used: it foretells no better than the share of usable rows"}
    if log["classifier_cut_off"] < LEAST_GAIN:
        return None, log | {"classifier": "not used: it would cut off next to nothing"}
    return found, log | {"classifier": "used"}


def _too_few(usable: Array) -> str:
    if len(usable) < LEAST_ROWS:
        return f"not used: {len(usable)} rows, at least {LEAST_ROWS} are needed"
    for which, count in (("usable", int(usable.sum())), ("failed", int((~usable).sum()))):
        if count < LEAST_EACH:
            return f"not used: {count} {which} rows, at least {LEAST_EACH} are needed"
    return ""


def _classes(status: Array, usable: Array) -> tuple[Array, Array, Array]:
    """Label of every row, the outcomes that labels stand for, and which are usable; rare outcomes join a common one."""
    found, counts = np.unique(status, return_counts=True)
    frequent = [int(one) for one, count in zip(found, counts, strict=True) if count >= LEAST_EACH]
    kinds = {}
    for good in (True, False):
        own = np.unique(status[usable == good])
        kinds[good] = max(own, key=lambda one: int((status == one).sum()))
    other = np.where(usable, kinds[True], kinds[False])
    merged = np.where(np.isin(status, frequent), status, other)
    classes, labels = np.unique(merged, return_inverse=True)
    return labels, classes, np.array([bool(usable[labels == k].all()) for k in range(len(classes))])


def _confusion(labels: Array, foretold: Array, classes: Array) -> dict[str, dict[str, int]]:
    """How many rows of each outcome were foretold to have which, by rows that their networks have not seen."""
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (labels, foretold), 1)
    names = [Status(int(one)).name.lower() for one in classes]
    return {name: dict(zip(names, map(int, row), strict=True)) for name, row in zip(names, counts, strict=True)}


def _inputs(u: Array) -> torch.Tensor:
    return torch.tensor(2 * u - 1, dtype=torch.float32)


def _forward(weights: Mapping[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    for layer in range(3):
        x = torch.baddbmm(weights[f"{layer}.bias"], x, weights[f"{layer}.weight"])
        x = torch.nn.functional.silu(x) if layer < 2 else x
    return x


def _fit(u: Array, labels: Array, classes: int, seed: np.random.SeedSequence) -> tuple[dict[str, Array], Array]:
    """Weights of one network per fold, and the logits of every row by the network that has not seen it."""
    rng, n = np.random.default_rng(seed), len(u)
    fold = rng.permutation(n) % _FOLDS
    seen = [np.flatnonzero(fold != k) for k in range(_FOLDS)]
    sizes = ((u.shape[1], _HIDDEN), (_HIDDEN, _HIDDEN), (_HIDDEN, classes))
    weights: dict[str, torch.Tensor] = {}
    for layer, (rows, columns) in enumerate(sizes):
        start = rng.uniform(-1, 1, (_FOLDS, rows, columns)) * np.sqrt(3 / rows)
        weights[f"{layer}.weight"] = torch.tensor(start, dtype=torch.float32, requires_grad=True)
        weights[f"{layer}.bias"] = torch.zeros((_FOLDS, 1, columns), requires_grad=True)
    x, y = _inputs(u), torch.tensor(labels)
    optimiser = torch.optim.AdamW(weights.values(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _STEPS)
    best, least = {name: value.detach().clone() for name, value in weights.items()}, torch.full((_FOLDS,), np.inf)
    with one_thread():
        for step in range(1, _STEPS + 1):
            batch = np.stack([rng.choice(own, min(_BATCH, len(own)), replace=False) for own in seen])
            loss = torch.nn.functional.cross_entropy(_forward(weights, x[batch]).flatten(0, 1), y[batch].flatten())
            optimiser.zero_grad(set_to_none=True)
            (_FOLDS * loss).backward()
            optimiser.step()
            schedule.step()
            if step % _EVERY == 0:
                held = _held_out(weights, x, y, fold)
                better = held < least
                least = torch.where(better, held, least)
                for name, value in weights.items():
                    best[name][better] = value.detach()[better]
        with torch.no_grad():
            logits = _forward(best, x.expand(_FOLDS, -1, -1))[torch.tensor(fold), torch.arange(n)]
    return {name: value.numpy() for name, value in best.items()}, logits.double().numpy()


def _held_out(weights: Mapping[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor, fold: Array) -> torch.Tensor:
    with torch.no_grad():
        logits = _forward(weights, x.expand(_FOLDS, -1, -1))
        parts = [np.flatnonzero(fold == k) for k in range(_FOLDS)]
        losses = [torch.nn.functional.cross_entropy(logits[k, rows], y[rows]) for k, rows in enumerate(parts)]
        return torch.stack(losses)


def _softmax(logits: Array) -> Array:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def _temperature(logits: Array, labels: Array) -> float:
    """What logits are best divided by, on rows that their networks have not seen."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 3.0), method="bounded").x))


def _threshold(chance: Array, usable: Array, lost_mass: float) -> float:
    """Largest threshold below which at most this share of usable rows falls.

    Where that is less than one row, below which the chances of all rows add up to at most this share.
    """
    count = int(np.floor(lost_mass * usable.sum()))
    if count:
        return float(np.sort(chance[usable])[count])
    return _foretold_threshold(chance, lost_mass)


def _foretold_threshold(chance: Array, lost_mass: float) -> float:
    """Largest threshold below which at most this share of all chances lies."""
    ordered = np.sort(chance)
    return float(ordered[np.searchsorted(np.cumsum(ordered) / ordered.sum(), lost_mass, side="right")])


def _realised(chance: Array, usable: Array, lost_mass: float) -> float:
    """Share of usable rows below the threshold that the other half of them sets, the mean of both halves."""
    below = []
    for half in (0, 1):
        threshold = _threshold(chance[half::2], usable[half::2], lost_mass)
        below.append(np.mean(chance[1 - half :: 2][usable[1 - half :: 2]] < threshold))
    return float(np.mean(below))


def sift(
    draw: Callable[[int], Array], n: int, classifier: Classifier | None, rng: np.random.Generator
) -> tuple[Array, float]:
    """Cube points ``(n, P)`` that are to be simulated, and the share of all that were drawn.

    At most 50 ``n`` points are drawn; what is then missing is filled with points that were not sifted.

    Args:
        draw: Draws that many cube points.
        n: How many are wanted.
        classifier: Tells which are worth it; all without one.
        rng: Source of randomness of soft thinning.
    """
    if classifier is None:
        return draw(n), 1.0
    good, tried = draw(0), 0
    while len(good) < n and tried < _TRIES * n:
        more = draw(n)
        good, tried = np.concatenate([good, more[accepted(classifier, more, rng)]]), tried + n
    share = len(good) / tried
    return np.concatenate([good, draw(n - len(good))])[:n] if len(good) < n else good[:n], share
