"""Waves of Igor Pro: values, units and sampling step."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.units import measures

_LABEL = re.compile(r"YLabel:[^(;\r\n]*\(([^)]*)\)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Wave:
    """One wave.

    Args:
        name: Its name.
        unit: Unit of its values, from the header or its note; empty if neither has one.
        dt: Sampling step [ms].
        values: One row per sweep, shape ``(S, T)``.
    """

    name: str
    unit: str
    dt: float
    values: Array


@contextmanager
def quiet() -> Iterator[None]:
    """Keep igor2 from printing the data of a damaged file."""
    logger = logging.getLogger("igor2")
    before, logger.disabled = logger.disabled, True
    children = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("igor2.")]
    levels = [child.level for child in children]
    for child in children:
        child.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.disabled = before
        for child, level in zip(children, levels, strict=True):
            child.setLevel(level)


def wave(record: dict[str, Any]) -> Wave:
    """A wave from what igor2 makes of it.

    Raises:
        InputError: If it does not hold numbers.
    """
    content = record["wave"]
    header = content["wave_header"]
    values = np.asarray(content["wData"])
    name = _text(header.get("bname", b""))
    if values.dtype.kind not in "fiu" or values.ndim not in (1, 2) or values.size < 2:
        raise InputError(f"wave {name!r} has shape {values.shape} and type {values.dtype}, expected numbers over time")
    step = float(np.ravel(header["sfA"])[0] if "sfA" in header else header["hsA"])
    in_ms = _text(header.get("dimUnits", header.get("xUnits", b""))).startswith("ms")
    unit = _text(header.get("dataUnits", b"")) or _text(content.get("data_units", b""))
    if not (measures(unit, "mV") or measures(unit, "pA")):
        label = _LABEL.search(_text(content.get("note", b"")))
        unit = label[1].strip() if label else unit
    rows = values.astype(float)
    return Wave(name, unit, step * (1.0 if in_ms else 1000.0), rows[None] if rows.ndim == 1 else rows.T)


def _text(value: Any) -> str:  # noqa: ANN401 - bytes, or an array of single bytes
    if isinstance(value, np.ndarray):
        value = b"".join(np.ravel(value).tolist()) if value.dtype.kind == "S" else b""
    text = value.decode("latin-1", "ignore") if isinstance(value, bytes) else str(value)
    return text.replace("\x00", "").strip()
