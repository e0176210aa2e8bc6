"""Training of an ensemble of flows."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from hhfit.arrays import Array
from hhfit.inference._flows import Flows, Shape
from hhfit.inference._scaling import Scaling


@dataclass(frozen=True)
class Training:
    """How networks are trained.

    Args:
        rate: Learning rate at the start; it falls to zero along a cosine.
        decay: Weight decay of AdamW.
        batch: Simulations per step.
        epochs: Most passes over the data.
        steps: Most optimiser steps; what is reached first counts.
        validation: Share of the data that is held out; the weights that do best on it are kept.
        clip: Largest norm of the gradient of one network.
        patience: Training ends when no network has improved for so many passes.
        passes: Passes that many simulations are given though ``steps`` be exceeded, up to ``most_steps``.
        most_steps: See ``passes``.
        memory: Share of the running mean of the weights that a step leaves; it is the mean that is validated and kept.
            Early on the mean runs over a tenth of all steps so far.
    """

    rate: float = 2e-3
    decay: float = 1e-4
    batch: int = 200
    epochs: int = 300
    steps: int = 14_000
    validation: float = 0.1
    clip: float = 5.0
    patience: int = 100
    passes: int = 0
    most_steps: int = 50_000
    memory: float = 0.999

    def epochs_of(self, per_epoch: int) -> int:
        """Passes over data that take so many steps each."""
        steps = max(self.steps, min(self.passes * per_epoch, self.most_steps))
        return max(min(self.epochs, steps // per_epoch), 1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread, so that sums have one order and results do not depend on the machine's cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def split(n: int, share: float, seed: np.random.SeedSequence) -> tuple[Array, Array]:
    """Row numbers for training and for validation, at least one of each."""
    order = np.random.default_rng(seed).permutation(n)
    held = min(max(round(share * n), 1), n - 1)
    return order[held:], order[:held]


def _batches(rows: Array, size: int, members: int, rng: np.random.Generator) -> Iterator[Array]:
    """Row numbers of one epoch, ``(K, size)`` at a time; each member has its own order."""
    orders = np.stack([rng.permutation(rows) for _ in range(members)])
    for start in range(0, len(rows) - size + 1, size):
        yield orders[:, start : start + size]


def _clip(flows: Flows, norm: float) -> None:
    """Limit the gradient of every member by itself; a member whose gradient is not finite skips the step."""
    gradients = [value.grad for value in flows.values if value.grad is not None]
    squares = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients]).sum(dim=0)
    factor = torch.where(torch.isfinite(squares), (norm / (squares.sqrt() + 1e-6)).clamp(max=1.0), 0.0)
    for gradient in gradients:
        gradient.nan_to_num_(0.0, 0.0, 0.0).mul_(factor[:, None, None])


class Running:
    """The running mean of a network's weights: the noise of single steps averages out, as a falling rate would do.

    Args:
        flows: The network, trained elsewhere.
        memory: Share of the mean that a step leaves.
    """

    def __init__(self, flows: Flows, memory: float) -> None:
        self.memory, self.count = memory, 0
        self.values = [value.data for value in flows.parameters()]
        self.mean = [value.clone() for value in self.values]

    def step(self) -> None:
        """Take the present weights in."""
        self.count += 1
        torch._foreach_lerp_(self.mean, self.values, 1 - min(self.memory, (1 + self.count) / (10 + self.count)))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the network have the mean weights for a while."""
        kept = [value.clone() for value in self.values]
        torch._foreach_copy_(self.values, self.mean)
        try:
            yield
        finally:
            torch._foreach_copy_(self.values, kept)


Objective = Callable[[Flows, Array, np.random.Generator], torch.Tensor]
"""Mean loss of every member, shape ``(K,)``, given the flows, row numbers ``(K, B)`` and a source of randomness."""


def likelihood(u: Array, x: Array, weight: Array) -> Objective:
    """Negative log density of points of the cube ``(N, P)`` given network inputs ``(N, inputs)``, weighed ``(N,)``."""
    points, inputs, weighs = (torch.tensor(values, dtype=torch.float32) for values in (u, x, weight))

    def objective(flows: Flows, rows: Array, rng: np.random.Generator) -> torch.Tensor:
        return -(weighs[rows] * flows.log_prob(points[rows], flows.context(inputs[rows]))).mean(dim=1)

    return objective


def _validate(flows: Flows, objective: Objective, rows: Array) -> Array:
    """Mean loss of held-out rows, shape ``(K,)``."""
    k, total = flows.shape.members, np.zeros(flows.shape.members)
    with torch.no_grad():
        for part in np.array_split(rows, -(-len(rows) // 500)):
            same = np.random.default_rng(int(part[0]))
            total += len(part) * objective(flows, np.tile(part, (k, 1)), same).double().numpy()
    return total / len(rows)


def train(
    objective: Objective,
    flows: Flows,
    *,
    rows: tuple[Array, Array],
    how: Training,
    seed: np.random.SeedSequence,
    progress: Callable[[float, float, str], None],
) -> tuple[Flows, dict[str, float]]:
    """Flows fitted by minimising an objective.

    Args:
        objective: The loss.
        flows: Where to start; they are trained in place.
        rows: Row numbers for training and for validation.
        how: Training settings.
        seed: Source of all randomness.
        progress: Called with epochs done, epochs in all and a note, at least every two seconds.

    Returns:
        Flows with the weights of every member's best epoch, and what there is to log.
    """
    members, rng = flows.shape.members, np.random.default_rng(seed)
    size = min(how.batch, len(rows[0]))
    per_epoch = len(rows[0]) // size
    epochs = how.epochs_of(per_epoch)
    optimiser = torch.optim.AdamW(flows.parameters(), lr=how.rate, weight_decay=how.decay, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * per_epoch)
    mean = Running(flows, how.memory)
    best, least, best_epoch = flows.weights(), np.full(members, np.inf), np.zeros(members)
    said = started = time.monotonic()
    cpu = time.process_time()
    with one_thread():
        for epoch in range(epochs):
            for batch in _batches(rows[0], size, members, rng):
                optimiser.zero_grad(set_to_none=True)
                objective(flows, batch, rng).sum().backward()
                _clip(flows, how.clip)
                optimiser.step()
                schedule.step()
                mean.step()
                if time.monotonic() - said > 0.5:
                    progress(epoch, epochs, f"validation loss {least.mean():.2f}")
                    said = time.monotonic()
            with mean.in_place():
                loss_held = _validate(flows, objective, rows[1])
                better = loss_held < least
                for name, value in flows.weights().items():
                    best[name][better] = value[better]
            least, best_epoch = np.where(better, loss_held, least), np.where(better, epoch + 1, best_epoch)
            if epoch + 1 - best_epoch.max() >= how.patience:
                break
    progress(epochs, epochs, f"validation loss {least.mean():.2f}")
    log = {"epochs": epoch + 1, "best_epoch": float(best_epoch.mean()), "validation_loss": float(least.mean())}
    log |= {"train_s": time.monotonic() - started, "train_cpu_s": time.process_time() - cpu}
    return Flows(flows.shape, best, flows.known.numpy()), log


def inputs_shape(scaling: Scaling, parameters: int, members: int, size: dict[str, int]) -> Shape:
    """Size of flows for features of that scaling."""
    features, sampled = 2 * len(scaling.centre), scaling.sampled
    sweeps, samples = sampled.columns.shape
    own = {"sweeps": sweeps, "samples": samples, "units": sampled.units, "stride": sampled.stride}
    return Shape(members, parameters, scaling.inputs, features, **size, **own)
