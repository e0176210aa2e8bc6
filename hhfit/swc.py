"""SWC files: the samples of a traced neuron, made into sections.

A sample has a number, a type (1 soma, 2 axon, 3 dendrite, 4 apical dendrite), x, y, z, radius [um] and the number
of its parent, -1 for the root (Cannon et al. 1998, J Neurosci Methods 84:49). A soma of one sample, or of three of
which two hang on the first, is a cylinder as long as it is wide, with the area of the sphere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hhfit import library
from hhfit.errors import InputError
from hhfit.morphology import SOMA

REGIONS = {1: SOMA, 2: "axon", 3: "dendrite", 4: "apical"}
"""Region of every SWC type."""

FIELDS = ("number", "type", "x", "y", "z", "radius", "parent")


@dataclass(frozen=True)
class Sample:
    """One line of an SWC file."""

    line: int
    number: int
    region: str
    x: float
    y: float
    z: float
    radius: float
    parent: int

    @property
    def point(self) -> list[float]:
        """Place and diameter [um]."""
        return [self.x, self.y, self.z, 2 * self.radius]


def read(path: Path) -> dict[str, Any]:
    """The ``sections`` table of a morphology from an SWC file.

    Raises:
        InputError: If the file cannot be read, or is no tree that grows from a soma; the message says the line.
    """
    samples = _samples(library.read(path), path.name)
    _check_tree(samples, path.name)
    children: dict[int, list[int]] = {number: [] for number in samples}
    for sample in samples.values():
        if sample.parent in samples:
            children[sample.parent].append(sample.number)
    soma = _soma(samples, children, path.name)
    sections: dict[str, Any] = {SOMA: {"region": SOMA, "parent": "", "at": 1.0, "points": soma}}
    starts = [(s.number, SOMA) for s in samples.values() if s.region != SOMA and samples[s.parent].region == SOMA]
    counts: dict[str, int] = {}
    while starts:
        first, parent = starts.pop(0)
        chain = [first]
        region = samples[first].region
        while len(children[chain[-1]]) == 1 and samples[children[chain[-1]][0]].region == region:
            chain.append(children[chain[-1]][0])
        name = f"{region}_{counts.get(region, 0)}"
        counts[region] = counts.get(region, 0) + 1
        sections[name] = {"region": region, "parent": parent, **_cable(samples, chain, parent == SOMA)}
        starts += [(child, name) for child in children[chain[-1]]]
    return sections


def _cable(samples: Mapping[int, Sample], chain: list[int], from_soma: bool) -> dict[str, Any]:
    """A chain as a cable; it begins at its parent's last sample, or at its own first one if that parent is the soma."""
    points = [samples[number].point for number in chain]
    before = samples[samples[chain[0]].parent]
    if not from_soma:
        return {"at": 1.0, "points": [before.point, *points]}
    if len(points) == 1:
        points = [[before.x, before.y, before.z, points[0][3]], *points]
    return {"at": 0.5, "points": points}


def _samples(text: str, name: str) -> dict[int, Sample]:
    samples: dict[int, Sample] = {}
    for line, content in enumerate(text.splitlines(), 1):
        words = content.split("#")[0].split()
        if not words:
            continue
        where = f"{name}:{line}"
        try:
            number, kind, parent = int(words[0]), int(words[1]), int(words[6])
            x, y, z, radius = map(float, words[2:6])
        except (ValueError, IndexError):
            raise InputError(f"{where}: {content.strip()!r} is not {' '.join(FIELDS)}") from None
        if kind not in REGIONS:
            known = ", ".join(f"{k} {region}" for k, region in REGIONS.items())
            raise InputError(f"{where}: sample {number} has unknown region type {kind}, must be one of {known}")
        if not (np.isfinite([x, y, z]).all() and np.isfinite(radius) and radius > 0):
            raise InputError(f"{where}: sample {number} has radius {radius:g} um, must be positive, and a finite place")
        if number in samples:
            raise InputError(f"{where}: sample {number} is there twice, first in line {samples[number].line}")
        samples[number] = Sample(line, number, REGIONS[kind], x, y, z, radius, parent)
    if not samples:
        raise InputError(f"{name}: holds no samples")
    return samples


def _check_tree(samples: Mapping[int, Sample], name: str) -> None:
    sound: set[int] = set()
    for sample in samples.values():
        path: list[int] = []
        number = sample.number
        while number not in sound and samples[number].parent != -1:
            path.append(number)
            parent = samples[number].parent
            if parent not in samples:
                raise InputError(
                    f"{name}:{samples[number].line}: sample {number} hangs on sample {parent}, which is missing"
                )
            if parent in path:
                raise InputError(
                    f"{name}:{samples[parent].line}: sample {parent} is its own ancestor: a loop, must be a tree"
                )
            number = parent
        sound |= {*path, number}
    roots = [sample for sample in samples.values() if sample.parent == -1]
    if len(roots) > 1:
        raise InputError(
            f"{name}:{roots[1].line}: sample {roots[1].number} is a second root, after sample {roots[0].number} "
            f"in line {roots[0].line}; only one may have parent -1"
        )
    if roots[0].region != SOMA:
        raise InputError(
            f"{name}:{roots[0].line}: sample {roots[0].number}, the root, is in the {roots[0].region}, must be soma"
        )


def _soma(samples: Mapping[int, Sample], children: Mapping[int, list[int]], name: str) -> list[list[float]]:
    """Points of the soma's cable."""
    soma = [sample for sample in samples.values() if sample.region == SOMA]
    for sample in soma:
        if sample.parent != -1 and samples[sample.parent].region != SOMA:
            raise InputError(
                f"{name}:{sample.line}: sample {sample.number} of the soma hangs on a {samples[sample.parent].region}"
            )
    (root,) = (sample for sample in soma if sample.parent == -1)
    own = {s.number: [c for c in children[s.number] if samples[c].region == SOMA] for s in soma}
    if len(soma) == 1 or (len(soma) == 3 and len(own[root.number]) == 2):
        return [[root.x, root.y + side * root.radius, root.z, 2 * root.radius] for side in (-1.0, 1.0)]
    chain = [root.number]
    while own[chain[-1]]:
        if len(own[chain[-1]]) > 1:
            line = samples[own[chain[-1]][1]].line
            raise InputError(
                f"{name}:{line}: the soma branches at sample {chain[-1]}; give it as one sample or a chain"
            )
        chain += own[chain[-1]]
    return [samples[number].point for number in chain]
