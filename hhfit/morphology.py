"""The shape of a neuron of several compartments: a tree of sections, each in a region."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hhfit import expression
from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.expression import Expression

SOMA = "soma"
"""Region of the root section, where the electrode is."""

D_LAMBDA = 0.1
"""A compartment is at most this share of the length constant at ``FREQUENCY`` (Hines & Carnevale 2001)."""

FREQUENCY = 100.0
"""Frequency [Hz] of that length constant."""

MATERIALS = {"capacitance": "uF/cm2", "axial_resistance": "ohm*cm"}
"""What a region may have of its own besides conductances, with units."""


@dataclass(frozen=True, eq=False)
class Section:
    """An unbranched cable.

    Args:
        name: Its name.
        region: Its region, such as ``"dendrite"``.
        parent: Name of the section that it hangs on; empty for the root.
        at: Where on the parent: 0 its beginning, 1 its end.
        length: Length [um]; unused with ``points``.
        diameter: Diameter [um]; unused with ``points``.
        points: ``x y z diameter`` [um] along it, shape ``(K, 4)``; none for a cylinder.
    """

    name: str
    region: str
    parent: str
    at: float
    length: Expression
    diameter: Expression
    points: Array

    def numbers(self, values: Mapping[str, Array | float]) -> tuple[float, float]:
        """Length and diameter [um] of a cylinder for values of the quantities."""
        return float(self.length.evaluate(values)), float(self.diameter.evaluate(values))

    def area(self, values: Mapping[str, Array | float]) -> float:
        """Membrane area [um2], ends left out."""
        if not len(self.points):
            length, diameter = self.numbers(values)
            return float(np.pi * length * diameter)
        radii, steps = self.points[:, 3] / 2, np.linalg.norm(np.diff(self.points[:, :3], axis=0), axis=1)
        return float(np.sum(np.pi * (radii[1:] + radii[:-1]) * np.hypot(steps, np.diff(radii))))


@dataclass(frozen=True, eq=False)
class Region:
    """What a region has of its own; it has the rest of the model too.

    Args:
        materials: Its capacitance [uF/cm2] and axial resistance [ohm cm], where they are its own.
        conductances: Its conductances [mS/cm2] by channel, where they are its own.
    """

    materials: Mapping[str, Expression]
    conductances: Mapping[str, Expression]


@dataclass(frozen=True, eq=False)
class Morphology:
    """A tree of sections.

    Args:
        sections: The sections, a parent before its children; the first is the root.
        regions: What regions have of their own, by name.
        axial_resistance: Axial resistance [ohm cm] of the other regions.
        d_lambda: Largest compartment as a share of the length constant at ``FREQUENCY``.
    """

    sections: tuple[Section, ...]
    regions: Mapping[str, Region]
    axial_resistance: Expression
    d_lambda: float = D_LAMBDA

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its regions, in the order of the sections."""
        return tuple(dict.fromkeys(section.region for section in self.sections))

    def expressions(self) -> Iterator[tuple[str, Expression]]:
        """Every expression of quantities, with where it stands in the TOML."""
        yield "morphology.axial_resistance", self.axial_resistance
        for section in self.sections:
            yield f"morphology.sections.{section.name}.length", section.length
            yield f"morphology.sections.{section.name}.diameter", section.diameter
        for name, region in self.regions.items():
            for key, expr in region.materials.items():
                yield f"morphology.regions.{name}.{key}", expr
            for key, expr in region.conductances.items():
                yield f"morphology.regions.{name}.channels.{key}", expr

    def material(self, region: str, key: str, default: Expression) -> Expression:
        """Capacitance or axial resistance of a region."""
        own = self.regions.get(region)
        return own.materials.get(key, default) if own else default

    def area(self, values: Mapping[str, Array | float]) -> float:
        """Membrane area of the whole neuron [um2] for values of the quantities."""
        return sum(section.area(values) for section in self.sections)


def build(table: Mapping[str, Any], where: str) -> Morphology:
    """A morphology from the ``[morphology]`` table of a model.

    Raises:
        InputError: If the table is wrong, or its sections are no tree that grows from a soma.
    """
    spot = f"{where}: morphology"
    need_keys(table, {"axial_resistance", "sections"}, {"regions", "d_lambda"}, spot)
    if not isinstance(table["sections"], Mapping) or not table["sections"]:
        raise InputError(f"{spot}.sections is empty, must hold a section for the soma at least")
    sections = [_section(name, entry, f"{spot}.sections.{name}") for name, entry in table["sections"].items()]
    known = {section.region for section in sections}
    regions = {}
    for name, entry in table.get("regions", {}).items():
        if name not in known:
            raise InputError(
                f"{spot}.regions.{name}: no section is in region {name!r}; there are {', '.join(sorted(known))}"
            )
        regions[name] = _region(entry, f"{spot}.regions.{name}")
    share = float(table.get("d_lambda", D_LAMBDA))
    if not share > 0:
        raise InputError(f"{spot}.d_lambda is {share:g}, must be positive")
    axial = expression.parse(table["axial_resistance"], f"{spot}.axial_resistance")
    return Morphology(_in_order(sections, f"{spot}.sections"), regions, axial, share)


def dump(morphology: Morphology) -> dict[str, Any]:
    """The table that ``build`` makes the same morphology of."""
    sections = {}
    for s in morphology.sections:
        shape = (
            {"points": s.points.tolist()} if len(s.points) else {"length": s.length.text, "diameter": s.diameter.text}
        )
        sections[s.name] = {"region": s.region, "parent": s.parent, "at": s.at, **shape}
    regions = {}
    for name, region in morphology.regions.items():
        regions[name] = {key: expr.text for key, expr in region.materials.items()}
        regions[name]["channels"] = {key: expr.text for key, expr in region.conductances.items()}
    head = {"axial_resistance": morphology.axial_resistance.text, "d_lambda": morphology.d_lambda}
    return {**head, "sections": sections, "regions": regions}


def need_keys(table: Mapping[str, Any], required: set[str], optional: set[str], where: str) -> None:
    """Raise unless a table has the required keys and no others than these and the optional ones.

    Raises:
        InputError: If it has not.
    """
    if not isinstance(table, Mapping):
        raise InputError(f"{where} is {table!r}, must be a table with {', '.join(sorted(required | optional))}")
    for key in sorted(required - table.keys()):
        raise InputError(f"{where}: {key!r} is missing")
    for key in sorted(table.keys() - required - optional):
        raise InputError(f"{where}: unknown key {key!r}; allowed: {', '.join(sorted(required | optional))}")


def _section(name: str, table: Mapping[str, Any], where: str) -> Section:
    shape = {"points"} if isinstance(table, Mapping) and "points" in table else {"length", "diameter"}
    need_keys(table, shape, {"region", "parent", "at"}, where)
    at = float(table.get("at", 1.0))
    if not 0 <= at <= 1:
        raise InputError(f"{where}.at is {at:g}, must lie between 0, the parent's beginning, and 1, its end")
    points = np.asarray(table.get("points", np.empty((0, 4))), float)
    if "points" in table and not _is_path(points):
        raise InputError(
            f"{where}.points must be two or more of x, y, z, diameter [um], not all at one place, diameters positive"
        )
    length, diameter = (expression.parse(table.get(key, 0), f"{where}.{key}") for key in ("length", "diameter"))
    return Section(name, str(table.get("region", name)), str(table.get("parent", "")), at, length, diameter, points)


def _is_path(points: Array) -> bool:
    if points.ndim != 2 or points.shape[1:] != (4,) or len(points) < 2 or not np.isfinite(points).all():
        return False
    return bool((points[:, 3] > 0).all() and np.ptp(points[:, :3], axis=0).max() > 0)


def _region(table: Mapping[str, Any], where: str) -> Region:
    need_keys(table, set(), {*MATERIALS, "channels"}, where)
    materials = {key: expression.parse(table[key], f"{where}.{key}") for key in MATERIALS if key in table}
    own = table.get("channels", {})
    return Region(materials, {key: expression.parse(value, f"{where}.channels.{key}") for key, value in own.items()})


def _in_order(sections: list[Section], where: str) -> tuple[Section, ...]:
    """The sections with every parent before its children."""
    by_name = {section.name: section for section in sections}
    for section in sections:
        if section.parent and section.parent not in by_name:
            raise InputError(
                f"{where}.{section.name}: parent is {section.parent!r}, must be one of {', '.join(by_name)}"
            )
    for section in sections:
        path = [section.name]
        while parent := by_name[path[-1]].parent:
            if parent in path:
                loop = " -> ".join([*path[path.index(parent) :], parent])
                raise InputError(f"{where}.{section.name}: sections {loop} form a loop, must be a tree")
            path.append(parent)
    roots = [section for section in sections if not section.parent]
    if len(roots) > 1:
        raise InputError(
            f"{where}.{roots[1].name}: has no parent, as {roots[0].name!r} has none; only one section may be the root"
        )
    if roots[0].region != SOMA:
        raise InputError(f"{where}.{roots[0].name}: the root is in region {roots[0].region!r}, must be in {SOMA!r}")
    ordered, left = roots, [section for section in sections if section.parent]
    while left:
        done = {section.name for section in ordered}
        ordered = ordered + [section for section in left if section.parent in done]
        left = [section for section in left if section.parent not in done]
    return tuple(ordered)
