"""What a finished step decided, and why, in words for the log."""

from collections.abc import Iterator, Mapping
from typing import Any


def decisions(log: Mapping[str, Any]) -> list[str]:
    """Sentences on what a step decided, from the numbers that it logged; entries that are missing say nothing.

    Args:
        log: What the step logged.

    Example:
        >>> decisions({"epochs": 115, "best_epoch": 65.0, "validation_loss": -0.05})
        ['training ended after 115 epochs; weights of epoch 65 are kept, where the validation loss was least, -0.05']
    """
    return [*_draws(log), *_training(log), *_confinement(log)]


def _draws(log: Mapping[str, Any]) -> Iterator[str]:
    if "sampler" in log and "accepted_prior_fraction" in log:
        share = f"{log['accepted_prior_fraction']:.3g} of the prior is inside the region of the rounds before"
        yield f"parameters were drawn by {log['sampler']}: {share}"
    if log.get("not_usable"):
        failed = f"{log['not_usable']} simulations failed and were left out"
        yield f"{failed}; {log['trained_on']} were learned from"
    if log.get("undefined_share"):
        yield f"undefined features are masked, not dropped: {log['undefined_share']:.1%} of the simulations have one"


def _training(log: Mapping[str, Any]) -> Iterator[str]:
    if {"epochs", "best_epoch", "validation_loss"} <= log.keys():
        kept = f"weights of epoch {log['best_epoch']:.3g} are kept, where the validation loss was least"
        yield f"training ended after {log['epochs']} epochs; {kept}, {log['validation_loss']:.3g}"


def _confinement(log: Mapping[str, Any]) -> Iterator[str]:
    if log.get("confined"):
        yield f"draws outside the region are drawn again: {log['inside_region']:.1%} of the density is inside"
    elif log.get("inside_region", 1.0) < 1.0:
        yield f"draws are not confined to the region: only {log['inside_region']:.1%} of the density is inside"
