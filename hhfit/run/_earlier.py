"""Simulations of an earlier run, taken over into a new one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hhfit.errors import InputError
from hhfit.protocol import Protocol
from hhfit.run import _folder, _recording
from hhfit.run._parts import Parts
from hhfit.simulations import Simulations, join

FROM_PRIOR = ("npe", "tsnpe", "snpe_a", "snpe_b", "snpe_c", "abc_rejection", "abc_smc")
"""Methods whose first round is drawn from the prior, one simulation independent of the other."""


def earlier(path: str | Path, wanted: Mapping[str, Any], protocol: Protocol) -> Simulations:
    """Simulations of an earlier run whose parameters were drawn from the prior: those of its first round.

    Later rounds are drawn from proposals that depend on what was observed; they are left behind.

    Args:
        path: The earlier run; nothing is written there.
        wanted: Settings of the new one.
        protocol: Command of every sweep of the new run.

    Returns:
        The simulations, numbered from 0.

    Raises:
        InputError: If it is no run, if model, prior, features, protocol, simulator or step differ, or there are none.
    """
    folder = Path(path)
    table = _folder.settings(folder)
    for keys in (
        ("model_hash",),
        ("features", "text"),
        ("settings", "simulator"),
        ("settings", "step"),
        ("settings", "fail_on"),
    ):
        if _entry(table, keys) != _entry(wanted, keys):
            raise InputError(
                f"{folder}: its {' '.join(keys).replace('_', ' ')} differs from this fit's; "
                "simulations can be taken over between fits of the same model, prior, features, protocol and simulator"
            )
    for method in (_entry(table, ("settings", "method")), _entry(wanted, ("settings", "method"))):
        if method not in FROM_PRIOR:
            raise InputError(
                f"{folder}: {method} does not begin with independent draws from the prior, so its simulations cannot "
                f"be taken over; methods that do are {', '.join(FROM_PRIOR)}"
            )
    other = _recording.load(folder / "recording.npz").protocol
    if other.dt != protocol.dt or any(
        not np.array_equal(getattr(other, name), getattr(protocol, name)) for name in ("command", "on", "off")
    ):
        raise InputError(f"{folder}: its command differs from this fit's; give the same recording, sweeps and window")
    parts = Parts(folder / "simulations" / "round-01").peek()
    if not parts:
        raise InputError(f"{folder}: has no simulations to take over; leave --from out")
    rows = join(parts)
    return Simulations(rows.theta, rows.x, rows.status, np.arange(len(rows)))


def _entry(table: Mapping[str, Any], keys: tuple[str, ...]) -> Any:  # noqa: ANN401 - whatever the file says
    value: Any = table
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
