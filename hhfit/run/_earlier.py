"""Simulations, or the trained network, of an earlier run, taken over into a new one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hhfit.errors import InputError
from hhfit.journal import Arrays
from hhfit.protocol import Protocol
from hhfit.run import _files, _folder, _recording
from hhfit.run._parts import Parts
from hhfit.simulations import Simulations, join

FROM_PRIOR = ("npe", "tsnpe", "snpe_a", "snpe_b", "snpe_c", "abc_rejection", "abc_smc")
"""Methods whose first round is drawn from the prior, one simulation independent of the other."""

_MUST_AGREE = {
    "model": (("model_hash",), ("model",)),
    "feature set": (("features", "text"), ("features",)),
    "simulator": (("settings", "simulator"), ("settings", "simulator")),
    "step": (("settings", "step"), ("settings", "step")),
    "rule of what failed": (("settings", "fail_on"), ("settings", "fail_on")),
}
"""What must be the same for simulations to be: where ``fit.toml`` says it, and where in more words."""

_NETWORK_TOO = {"tolerance": (("settings", "tolerance"), ("settings", "tolerance"))}
"""What must be the same, beside that, for a network to hold."""

_SINGLE = "npe"
"""The method whose network answers for every observation."""

FIRST = "round-01"
"""Key under which its network is kept."""


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network and what it learned from.

    Args:
        simulations: What it learned from, numbered from 0, without the noise of the tolerance.
        arrays: All that defines it.
        log: What was said about its training, and where it came from.
    """

    simulations: Simulations
    arrays: Arrays
    log: Mapping[str, Any]


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
    alike = "simulations can be taken over between fits of the same model, prior, features, protocol and simulator"
    _need_agreement(folder, table, wanted, _MUST_AGREE, alike)
    for method in (_entry(table, ("settings", "method")), _entry(wanted, ("settings", "method"))):
        if method not in FROM_PRIOR:
            raise InputError(
                f"{folder}: {method} does not begin with independent draws from the prior, so its simulations cannot "
                f"be taken over; methods that do are {', '.join(FROM_PRIOR)}"
            )
    _need_command(folder, protocol, "give the same recording, sweeps and window")
    parts = Parts(folder / "simulations" / FIRST).peek()
    if not parts:
        raise InputError(f"{folder}: has no simulations to take over; leave --from out")
    return _numbered(join(parts))


def network(path: str | Path, wanted: Mapping[str, Any], protocol: Protocol) -> Network:
    """The network of an earlier run of method npe, which holds for every recording of the same kind.

    Args:
        path: The earlier run; nothing is written there.
        wanted: Settings of the new one.
        protocol: Command of every sweep of the new run.

    Raises:
        InputError: If it is no such run, if its training is not done or damaged, or if model, prior, features,
            command, simulator, step, tolerance or the rule of what failed differ.
    """
    folder = Path(path)
    table = _folder.settings(folder)
    method = _entry(table, ("settings", "method"))
    if method != _SINGLE:
        raise InputError(f"{folder}: its method is {method}; only the network of an npe run holds for other recordings")
    alike = "a network holds for fits of the same model, prior, features, protocol, simulator and tolerance"
    _need_agreement(folder, table, wanted, {**_MUST_AGREE, **_NETWORK_TOO}, alike)
    _need_command(folder, protocol, "a network holds for the same steps, sweeps and window")
    rows = Parts(folder / "simulations" / FIRST).peek()
    size = int(_entry(table, ("settings", "simulations")))
    found = _numbered(join(rows)).rows(slice(size)) if rows else None
    place = folder / "rounds" / FIRST
    if found is None or len(found) < size or not place.is_dir():
        raise InputError(f"{folder}: its network is not trained to the end; finish it with 'hhfit resume {folder}'")
    log = {**_files.from_json(place / "log.json"), "network": str(folder)}
    return Network(found, _files.unpack(place / "arrays.npz"), log)


def _numbered(rows: Simulations) -> Simulations:
    return Simulations(rows.theta, rows.x, rows.status, np.arange(len(rows)))


def _need_agreement(
    folder: Path, table: Mapping[str, Any], wanted: Mapping[str, Any], entries: Mapping[str, Any], alike: str
) -> None:
    new = _folder.without_none(_files.plain(wanted))
    for what, (keys, more) in entries.items():
        if _entry(table, keys) != _entry(new, keys):
            difference = _difference(_entry(table, more), _entry(new, more))
            raise InputError(f"{folder}: its {what} differs from this fit's: {difference}; {alike}")


def _need_command(folder: Path, protocol: Protocol, advice: str) -> None:
    other = _recording.load(folder / "recording.npz").protocol
    if other.dt != protocol.dt or any(
        not np.array_equal(getattr(other, name), getattr(protocol, name)) for name in ("command", "on", "off")
    ):
        raise InputError(f"{folder}: its command differs from this fit's; {advice}")


def _entry(table: Mapping[str, Any], keys: tuple[str, ...]) -> Any:  # noqa: ANN401 - whatever the file says
    value: Any = table
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _difference(there: Any, here: Any, name: str = "") -> str:  # noqa: ANN401 - whatever the file says
    """The first entry that differs, in words; empty when all are the same.

    Example:
        >>> _difference({"area": {"value": 3.0}, "c": 1}, {"area": {"value": 4.0}, "c": 2})
        'area.value is 3.0 there and 4.0 here'
    """
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        names = sorted(there.keys() | here.keys())
        nested = (_difference(there.get(key), here.get(key), f"{name}.{key}".strip(".")) for key in names)
        return next(filter(None, nested), "")
    if there == here:
        return ""
    words = ["missing" if value is None else _shortened(str(value)) for value in (there, here)]
    return f"{name or 'it'} is {words[0]} there and {words[1]} here"


def _shortened(text: str) -> str:
    return text if len(text) <= 40 and "\n" not in text else "another text"
