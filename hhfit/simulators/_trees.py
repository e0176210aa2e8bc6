"""Cells in NEURON: one compartment, or sections grown from a morphology."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from hhfit.mechanism import Mechanism
from hhfit.model import Model
from hhfit.morphology import Morphology, Section
from hhfit.simulators import _nmodl
from hhfit.simulators._compartments import axial, capacitance, segments


@dataclass(frozen=True, eq=False)
class Cell:
    """A cell that lives in this process for as long as the object does.

    Args:
        sections: Its hoc sections, the root first.
        soma: Segment at the middle of the root: command goes in there, its potential is recorded.
        mechanism: The mechanism of that segment.
        area: Membrane area of that segment [um2].
    """

    sections: list[Any]
    soma: Any
    mechanism: Any
    area: float


@dataclass(frozen=True, eq=False)
class Inserted:
    """A region's mechanism.

    Args:
        suffix: Its name.
        used: Quantities that it reads.
        mods: Mechanisms written by hand that go in beside it.
    """

    suffix: str
    used: tuple[str, ...]
    mods: tuple[Mechanism, ...]

    def into(self, section: Any, values: Mapping[str, float]) -> None:  # noqa: ANN401 - hoc
        """Insert it into every segment of a section."""
        section.insert(self.suffix)
        for segment in section:
            mechanism = getattr(segment, self.suffix)
            for name in self.used:
                setattr(mechanism, _nmodl.quantity(name), values[name])
        for mod in self.mods:
            section.insert(mod.suffix)
            for ion, expr in mod.reversals.items():
                setattr(section, f"e{ion}", float(expr.evaluate(values)))
            for name, expr in mod.parameters.items():
                setattr(section, f"{name}_{mod.suffix}", float(expr.evaluate(values)))


@dataclass(frozen=True, eq=False)
class Plan:
    """How to grow the cells of a model.

    Args:
        shape: Its morphology; ``None`` for one compartment.
        inserted: Mechanism of every region.
        mechanisms: NMODL text by name of mechanism.
        segments: Compartments of every section.
    """

    shape: Morphology | None
    inserted: Mapping[str, Inserted]
    mechanisms: Mapping[str, str]
    segments: Mapping[str, int]

    def grow(self, h: Any, values: Mapping[str, float]) -> Cell:  # noqa: ANN401 - hoc
        """A cell with values of the quantities; they must make every length, diameter and material positive."""
        if self.shape is None:
            return self._point(h, values)
        sections: dict[str, Any] = {}
        for section in self.shape.sections:
            cable = _cable(h, section, values)
            cable.nseg = self.segments[section.name]
            cable.cm = float(capacitance(self.shape, section.region).evaluate(values))
            cable.Ra = float(axial(self.shape, section.region).evaluate(values))
            if section.parent:
                cable.connect(sections[section.parent](section.at), 0.0)
            self.inserted[section.region].into(cable, values)
            sections[section.name] = cable
        root = self.shape.sections[0]
        soma = sections[root.name](0.5)
        mechanism = getattr(soma, self.inserted[root.region].suffix)
        return Cell(list(sections.values()), soma, mechanism, float(soma.area()))

    def _point(self, h: Any, values: Mapping[str, float]) -> Cell:  # noqa: ANN401 - hoc
        section = h.Section(name="cell")
        section.L = section.diam = float(np.sqrt(values["area"] / np.pi))
        section.cm = values["capacitance"]
        (inserted,) = self.inserted.values()
        inserted.into(section, values)
        return Cell([section], section(0.5), getattr(section(0.5), inserted.suffix), values["area"])


@lru_cache(maxsize=16)
def plan(model: Model) -> Plan:
    """How to grow the cells of a model."""
    names = model.morphology.names if model.morphology is not None else ("",)
    regions = {name: model.region(name) for name in names}
    inserted = {name: Inserted(_nmodl.suffix(r), tuple(_nmodl.used(r)), r.mechanisms) for name, r in regions.items()}
    texts = {inserted[name].suffix: _nmodl.mechanism(region) for name, region in regions.items()}
    texts |= {mod.suffix: mod.renamed for mod in model.mechanisms}
    return Plan(model.morphology, inserted, texts, segments(model))


def _cable(h: Any, section: Section, values: Mapping[str, float]) -> Any:  # noqa: ANN401 - hoc
    cable = h.Section(name=section.name)
    if len(section.points):
        for point in section.points:
            cable.pt3dadd(*map(float, point))
    else:
        cable.L, cable.diam = section.numbers(values)
    return cable
