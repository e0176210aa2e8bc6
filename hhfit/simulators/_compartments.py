"""Compartments of a cell with a morphology: the tree that its cable equation is solved on."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hhfit import expression
from hhfit.arrays import Array
from hhfit.expression import Expression
from hhfit.model import Model
from hhfit.morphology import FREQUENCY, Morphology, Section
from hhfit.units import MS_PER_CM2_UM2_OF_UM_PER_OHM_CM

CAPACITANCE = expression.parse("capacitance", "capacitance")

JUNCTION = ""
"""Region of a branching point: it has no membrane."""


@dataclass(frozen=True, eq=False)
class Node:
    """A compartment, or a branching point.

    Args:
        section: Its section.
        place: Which compartment of the section; -1 for the section's beginning, one too many for its end.
        parent: Number of the node towards the root, which comes before it; -1 for the root.
        region: Its region; ``JUNCTION`` at a branching point.
    """

    section: int
    place: int
    parent: int
    region: str


@dataclass(frozen=True, eq=False)
class Tree:
    """The compartments of a model, the same for all parameter sets.

    Args:
        shape: The morphology.
        counts: Compartments of every section.
        nodes: Compartments and branching points, parents first.
        electrode: Number of the compartment at the middle of the root section.
    """

    shape: Morphology
    counts: tuple[int, ...]
    nodes: tuple[Node, ...]
    electrode: int

    @property
    def parents(self) -> Array:
        """Number of the parent of every node; -1 for the root."""
        return np.array([node.parent for node in self.nodes])

    def members(self, region: str) -> Array:
        """Numbers of the nodes of a region."""
        return np.array([number for number, node in enumerate(self.nodes) if node.region == region], int)

    def areas(self, values: Mapping[str, Array]) -> Array:
        """Membrane area of every node [um2], 0 at branching points, shape ``(C, N)``."""
        drawn = [_halves(s, count, values) for s, count in zip(self.shape.sections, self.counts, strict=True)]
        bare = np.zeros_like(next(iter(values.values())))
        return np.array([drawn[n.section][0][n.place] if n.region != JUNCTION else bare for n in self.nodes])

    def couplings(self, values: Mapping[str, Array]) -> Array:
        """Conductance of every node to its parent [mS/cm2 um2], 0 for the root, shape ``(C, N)``."""
        drawn = [_halves(s, count, values) for s, count in zip(self.shape.sections, self.counts, strict=True)]
        rows = [np.zeros_like(next(iter(values.values())))]
        for node in self.nodes[1:]:
            section = self.shape.sections[node.section]
            _, near, far = drawn[node.section]
            before = self.nodes[node.parent]
            path = far[node.place - 1] if node.place == self.counts[node.section] else near[max(node.place, 0)]
            if before.region != JUNCTION and before.section == node.section and node.region != JUNCTION:
                path = path + far[before.place]
            rows.append(MS_PER_CM2_UM2_OF_UM_PER_OHM_CM / (axial(self.shape, section.region).evaluate(values) * path))
        return np.array(rows)


@lru_cache(maxsize=16)
def tree(model: Model) -> Tree:
    """The compartments of a model with a morphology, numbered along its sections."""
    shape = model.morphology
    if shape is None:
        raise AssertionError(f"{model.name} has no morphology")
    counts = tuple(segments(model).values())
    numbers = {section.name: n for n, section in enumerate(shape.sections)}
    ends = {(numbers[s.parent], s.at) for s in shape.sections if s.parent}
    nodes: list[Node] = []
    at: dict[tuple[int, int], int] = {}

    def grow(section: int, place: int, parent: int, region: str) -> int:
        at[section, place] = len(nodes)
        nodes.append(Node(section, place, parent, region))
        return len(nodes) - 1

    for n, section in enumerate(shape.sections):
        last = (
            -1
            if not section.parent
            else at[numbers[section.parent], _place(section.at, counts, numbers[section.parent])]
        )
        start = last
        for place in range(counts[n]):
            last = grow(n, place, last, section.region)
        if section.parent:
            at[n, -1] = start
        elif (n, 0.0) in ends:
            grow(n, -1, at[n, 0], JUNCTION)
        if (n, 1.0) in ends:
            grow(n, counts[n], last, JUNCTION)
    return Tree(shape, counts, tuple(nodes), at[0, counts[0] // 2])


def _place(where: float, counts: tuple[int, ...], section: int) -> int:
    """Which compartment lies at a fraction of a section; -1 for its beginning, one too many for its end."""
    return -1 if where == 0.0 else int(where * counts[section])


def _halves(section: Section, count: int, values: Mapping[str, Array]) -> tuple[Array, Array, Array]:
    """Area [um2] of compartments; length over cross-section [1/um] of their near and far halves: ``(count, N)``."""
    n = len(next(iter(values.values())))
    if len(section.points):
        areas, paths = (np.broadcast_to(part[:, None], (2 * count, n)) for part in _frusta(section.points, 2 * count))
    else:
        length, diameter = section.length.evaluate(values), section.diameter.evaluate(values)
        areas = np.broadcast_to(np.pi * diameter * length / (2 * count), (2 * count, n))
        paths = np.broadcast_to(length / (2 * count) / (np.pi / 4 * diameter**2), (2 * count, n))
    return areas[::2] + areas[1::2], paths[::2], paths[1::2]


def _frusta(points: Array, parts: int) -> tuple[Array, Array]:
    """Lateral area, and length over cross-section, of equally long parts of a cable drawn by points: ``(parts,)``."""
    steps = np.linalg.norm(np.diff(points[:, :3], axis=0), axis=1)
    ends = np.concatenate([[0.0], np.cumsum(steps)])
    cuts = np.linspace(0.0, ends[-1], parts + 1)
    drawn = steps > 0
    start, length, radius = ends[:-1][drawn, None], steps[drawn, None], points[:-1, 3][drawn, None] / 2
    slope = np.diff(points[:, 3])[drawn, None] / 2 / length
    low = np.maximum(start, cuts[None, :-1])
    run = np.maximum(np.minimum(start + length, cuts[None, 1:]) - low, 0.0)
    first = radius + slope * np.clip(low - start, 0.0, length)
    second = first + slope * run
    area = np.pi * (first + second) * run * np.sqrt(1 + slope**2)
    return area.sum(axis=0), (run / (np.pi * first * second)).sum(axis=0)


@lru_cache(maxsize=16)
def segments(model: Model) -> dict[str, int]:
    """Compartments of every section, from the length constant at the reference values of free quantities."""
    if model.morphology is None:
        return {}
    values = {name: quantity.value for name, quantity in model.quantities.items()}
    return {section.name: _segments(model.morphology, section, values) for section in model.morphology.sections}


def _segments(shape: Morphology, section: Section, values: Mapping[str, float]) -> int:
    """Smallest odd number that keeps each compartment under ``d_lambda`` length constants.

    The length constant at a frequency f is ``sqrt(d / (4 pi f Ra cm))`` (Hines & Carnevale 2001, The Neuroscientist
    7:123); it is taken frustum by frustum.
    """
    material = 4 * np.pi * FREQUENCY * float(axial(shape, section.region).evaluate(values))
    material *= float(capacitance(shape, section.region).evaluate(values))
    if len(section.points):
        lengths = np.linalg.norm(np.diff(section.points[:, :3], axis=0), axis=1)
        diameters = (section.points[1:, 3] + section.points[:-1, 3]) / 2
    else:
        lengths, diameters = np.array([[number] for number in section.numbers(values)])
    # f in 1/s, Ra in ohm cm, cm in uF/cm2, lengths in um: 1e5 makes the length constant um.
    electrotonic = float(np.sum(lengths / (1e5 * np.sqrt(diameters / material))))
    return int((electrotonic / shape.d_lambda + 0.999) / 2) * 2 + 1


def possible(model: Model, values: Mapping[str, Array]) -> Array:
    """Whether values of the quantities make a cell, ``(N,)``: lengths, diameters, materials positive and finite."""
    shape = model.morphology
    fine = np.ones(len(next(iter(values.values()))), bool)
    if shape is None:
        return fine
    numbers = [e for s in shape.sections if not len(s.points) for e in (s.length, s.diameter)]
    numbers += [e for s in shape.sections for e in (axial(shape, s.region), capacitance(shape, s.region))]
    for number in numbers:
        value = number.evaluate(values)
        fine &= np.isfinite(value) & (np.asarray(value) > 0)
    return fine


def axial(shape: Morphology, region: str) -> Expression:
    """Axial resistance of a region [ohm cm]."""
    return shape.material(region, "axial_resistance", shape.axial_resistance)


def capacitance(shape: Morphology, region: str) -> Expression:
    """Membrane capacitance of a region [uF/cm2]."""
    return shape.material(region, "capacitance", CAPACITANCE)
