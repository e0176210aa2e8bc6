"""Whether the expressions of a model stand for what they should: their units, and values that can be."""

from collections.abc import Iterable, Mapping

import numpy as np

from hhfit import morphology
from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.expression import Expression
from hhfit.morphology import Morphology

VOLTAGE_RANGE = (-120.0, 60.0)
"""Membrane potentials [mV] over which every rate must be finite."""

LENGTHS = {"length": "um", "diameter": "um"}
"""Units of what a section is given by."""

POOL = {"depth": "um", "tau": "ms", "rest": "mM"}
"""Units of what a calcium pool is given by."""

STATE = {"v": "mV", "ca": "mM"}
"""Units of what changes with time."""


def need_unit(text: str | float, unit: str | None, units: Mapping[str, str], where: str) -> None:
    """Raise if an expression that is a name alone has another unit.

    Args:
        text: The expression.
        unit: The unit that it should have; ``None`` if any will do.
        units: Units of quantities by name.
        where: What to call it in a message.

    Raises:
        InputError: If it has.
    """
    found = {**STATE, **units}.get(str(text).strip())
    if found is not None and unit is not None and found != unit:
        raise InputError(f"{where}: {str(text).strip()} is in {found}, must be in {unit}")


def need_positive(expr: Expression, values: Mapping[str, Array | float], where: str) -> None:
    """Raise unless an expression of quantities is finite and positive.

    Raises:
        InputError: If it is not.
    """
    value = float(expr.evaluate(values))
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"{where} is {value:g}, must be positive{' and finite' if value > 0 else ''}")


def need_finite(expr: Expression, values: Mapping[str, Array | float], where: str) -> None:
    """Raise unless an expression of quantities is finite.

    Raises:
        InputError: If it is not.
    """
    value = float(expr.evaluate(values))
    if not np.isfinite(value):
        raise InputError(f"{where} is {value:g}, must be finite")


def need_pool(expressions: Mapping[str, Expression], units: Mapping[str, str], where: str) -> None:
    """Raise unless what a calcium pool is given by has its units.

    Raises:
        InputError: If it has not.
    """
    for key, expr in expressions.items():
        need_unit(expr.text, POOL[key], units, f"{where}: calcium.{key}")


def need_shape(
    shape: Morphology,
    channels: Iterable[str],
    units: Mapping[str, str],
    values: Mapping[str, Array | float],
    where: str,
) -> None:
    """Raise unless what sections and regions are given by has its units and can be.

    Args:
        shape: The morphology.
        channels: Names of the channels.
        units: Units of quantities by name.
        values: Values of quantities by name.
        where: Name of the file.

    Raises:
        InputError: If it has not.
    """
    known = sorted(channels)
    drawn = {section.name for section in shape.sections if len(section.points)}
    for spot, expr in shape.expressions():
        path = spot.split(".")
        if path[1] == "sections" and path[2] in drawn:
            continue
        if "channels" in path:
            if path[-1] not in known:
                raise InputError(f"{where}: {spot}: unknown channel; available: {', '.join(known)}")
            need_unit(expr.text, "mS/cm2", units, f"{where}: {spot}")
            need_finite(expr, values, f"{where}: {spot}")
            continue
        need_unit(expr.text, {**morphology.MATERIALS, **LENGTHS}[path[-1]], units, f"{where}: {spot}")
        need_positive(expr, values, f"{where}: {spot}")


def need_rates(expressions: Iterable[tuple[str, Expression]], values: Mapping[str, Array | float], where: str) -> None:
    """Raise unless expressions of the membrane potential are finite over ``VOLTAGE_RANGE``.

    Raises:
        InputError: If one is not.
    """
    v = np.arange(VOLTAGE_RANGE[0], VOLTAGE_RANGE[1] + 0.25, 0.5)
    for spot, expr in expressions:
        rate = np.broadcast_to(expr.evaluate({**values, "v": v}), v.shape)
        if not np.isfinite(rate).all():
            at = v[~np.isfinite(rate)][0]
            raise InputError(f"{where}: {spot} is not finite at v = {at:g} mV; write x/(exp(x/y)-1) as vtrap(x, y)")
