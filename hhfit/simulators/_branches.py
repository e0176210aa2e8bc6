"""The batched kernel of a cell of several compartments: a block of cells, vectorised over its lanes.

Per step every compartment adds what its membrane does to the implicit equation of half a step, the cable equation is
solved along the tree (Hines 1984, Int J Biomed Comput 15:69), and every compartment finishes its step alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import UnsupportedError
from hhfit.model import NOISE, Model
from hhfit.simulators import _kernel
from hhfit.simulators._compartments import JUNCTION, Tree, capacitance, segments, tree
from hhfit.simulators._graph import Node
from hhfit.units import PA_PER_UM2_IN_UA_PER_CM2

MOST = 128
"""Compartments of a cell at most: beyond, the state of a block leaves the processor's second cache."""

SCHEME = "exponential-euler"
"""The only scheme: gates by exponential Euler, in turn with the potential, which is implicit (Crank and Nicolson)."""

LOOPS = '''

@njit(**settings)
def run(states, rows, axial, drive, parents, members, ends, electrode, command, substeps, seed, index, out):
    """Integrate one block.

    ``states`` (REGIONS, STATES, LANES) to begin with; ``rows`` (REGIONS, ROWS, LANES); ``axial`` (C, 3, LANES): a
    node's own coefficient, that of its parent in its equation, and of it in its parent's; ``drive`` (2, LANES): scale
    of command and of noise; ``parents`` (C,); ``members`` (C,): nodes by region up to ``ends``, branching points last;
    ``command`` (S, T); ``index`` (LANES,); ``out`` (LANES, S, T).
    """
    n_nodes = len(parents)
    s = np.zeros((REGIONS, (WIDTH + ROWS) * LANES), F)
    x = np.zeros((n_nodes, WIDTH * LANES), F)
    z = np.zeros(AHEAD * LANES, np.float32)
    kept = np.zeros(KEPT * LANES, F)
    n_sweeps, n_times = command.shape
    for region in range(REGIONS):
        for r in range(ROWS):
            for n in range(LANES):
                s[region, (WIDTH + r) * LANES + n] = rows[region, r, n]
    for sweep in range(n_sweeps):
        for region in range(REGIONS):
            for m in range(ends[region], ends[region + 1]):
                for r in range(STATES):
                    for n in range(LANES):
                        x[members[m], r * LANES + n] = states[region, r, n]
        step = 0
        for start in range(0, n_times, KEPT):
            stop = min(start + KEPT, n_times)
            for t in range(start, stop):
                for _ in range(substeps if t > 0 else 0):
{membranes}
                    for m in range(ends[REGIONS], n_nodes):
                        node = x[members[m]]
                        for n in range(LANES):
                            node[DIAGONAL + n] = F(0.0)
                            node[RIGHT + n] = F(0.0)
                    node = x[electrode]
                    amplitude = command[sweep, t - 1]
                    for n in range(LANES):
                        node[RIGHT + n] += amplitude * drive[0, n]
                    if {noisy}:
                        if step % AHEAD == 0:
                            fill(z, seed, index, uint64(sweep), step)
                        place = (step % AHEAD) * LANES
                        for n in range(LANES):
                            node[RIGHT + n] += F(z[place + n]) * drive[1, n]
                    solve(x, axial, parents)
{advances}
                    step += 1
                node = x[electrode]
                for n in range(LANES):
                    kept[(t - start) * LANES + n] = node[n]
            for n in range(LANES):
                for t in range(start, stop):
                    out[n, sweep, t] = kept[(t - start) * LANES + n]


@njit(**settings)
def solve(x, axial, parents):
    """Potential of every node at half the step, in RIGHT: elimination towards the root, then substitution."""
    for c in range(len(parents)):
        node, own = x[c], axial[c, 0]
        for n in range(LANES):
            node[DIAGONAL + n] += own[n]
    for c in range(len(parents) - 1, 0, -1):
        node, parent = x[c], x[parents[c]]
        up, down = axial[c, 1], axial[c, 2]
        for n in range(LANES):
            inverse = F(1.0) / node[DIAGONAL + n]
            factor = down[n] * inverse
            node[DIAGONAL + n] = inverse
            parent[DIAGONAL + n] -= factor * up[n]
            parent[RIGHT + n] += factor * node[RIGHT + n]
    root = x[0]
    for n in range(LANES):
        root[RIGHT + n] /= root[DIAGONAL + n]
    for c in range(1, len(parents)):
        node, parent, up = x[c], x[parents[c]], axial[c, 1]
        for n in range(LANES):
            node[RIGHT + n] = (node[RIGHT + n] + up[n] * parent[RIGHT + n]) * node[DIAGONAL + n]
'''

EACH = """

@njit(**settings)
def {name}(s, x, members):
    for m in range(len(members)):
        node = x[members[m]]
        for k in range(WIDTH * LANES):
            s[k] = node[k]
        for n in range({part}):
{body}
        for k in range(WIDTH * LANES):
            node[k] = s[k]
"""


@dataclass(frozen=True)
class Region:
    """A region of a kernel.

    Args:
        model: The model as it is there.
        equations: What the kernel integrates there.
        nodes: What the kernel reads there for every simulation, in order, after dt/C.
    """

    model: Model
    equations: _kernel.System
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Kernel:
    """A generated kernel.

    Args:
        source: Its Python text, complete in itself.
        compartments: What it is solved on.
        regions: Its regions, by name.
        states: State variables of a compartment at most.
    """

    source: str
    compartments: Tree
    regions: Mapping[str, Region]
    states: int

    @property
    def shared(self) -> tuple[Array | int, ...]:
        """What the kernel reads for all simulations: parents, nodes by region, where each region ends, electrode."""
        members = [self.compartments.members(name) for name in (*self.regions, JUNCTION)]
        ends = np.cumsum([0, *map(len, members)])[: len(self.regions) + 1]
        return self.compartments.parents, np.concatenate(members), ends, self.compartments.electrode

    def inputs(self, model: Model, theta: Array, dt: float) -> tuple[Array, ...]:
        """What the kernel reads for every simulation, the simulations along the last axis."""
        values = {name: np.ascontiguousarray(v) for name, v in model.values(theta).items()}
        states = np.zeros((len(self.regions), self.states, len(theta)))
        rows = np.zeros((len(self.regions), 1 + max(len(region.nodes) for region in self.regions.values()), len(theta)))
        charges = {JUNCTION: np.ones(len(theta))}
        with np.errstate(all="ignore"):
            for k, (name, region) in enumerate(self.regions.items()):
                begin = _kernel.initial(region.model, values)
                states[k, : len(begin)] = begin
                charges[name] = dt / capacitance(self.compartments.shape, name).evaluate(values) * np.ones(len(theta))
                known = {**values, _kernel.DT: np.full(len(theta), dt)}
                own = region.equations.graph.evaluate(region.nodes, known)
                rows[k, : len(own) + 1] = np.vstack([charges[name], own])
            axial, scale = self._axial(values, charges)
        noise = values.get(NOISE, np.zeros(len(theta))) / np.sqrt(dt)
        drive = scale * np.array([np.full(len(theta), PA_PER_UM2_IN_UA_PER_CM2), noise])
        return states, rows, axial, drive

    def _axial(self, values: Mapping[str, Array], charges: Mapping[str, Array]) -> tuple[Array, Array]:
        """``axial`` of the kernel, and by how much a density changes the electrode's equation, from dt/C of regions.

        A compartment of area A and conductances g to its neighbours has coefficients g dt / (2 A C), a branching point
        g over their sum: it has no charge, so what flows in flows out.
        """
        nodes, parents = self.compartments.nodes, self.compartments.parents[1:]
        areas, to_parent = self.compartments.areas(values), self.compartments.couplings(values)
        total = to_parent.copy()
        np.add.at(total, parents, to_parent[1:])
        bare = np.array([node.region == JUNCTION for node in nodes])[:, None]
        factor = np.where(bare, 1 / total, 0.5 * np.array([charges[node.region] for node in nodes]) / areas)
        down = np.zeros_like(to_parent)
        down[1:] = factor[parents] * to_parent[1:]
        own = factor * total + ~bare
        electrode = self.compartments.electrode
        density = 0.5 * charges[nodes[electrode].region]
        return np.stack([own, factor * to_parent, down], axis=1), np.array([density / areas[electrode], density])


def need_few(model: Model) -> None:
    """Raise unless a model has few enough compartments.

    Raises:
        UnsupportedError: If it has not.
    """
    count = sum(segments(model).values())
    if count > MOST:
        raise UnsupportedError(
            f"{model.name}: simulator 'batched' runs cells of up to {MOST} compartments, and this one has {count}; "
            "take --simulator neuron, or a larger morphology.d_lambda"
        )


def generate(model: Model, precision: str, noisy: bool) -> Kernel:
    """Generate the kernel of a model with a morphology.

    Args:
        model: The neuron; the text depends neither on its values nor on how many compartments it has.
        precision: ``"float64"`` or ``"float32"``.
        noisy: Whether it adds noise at the electrode.
    """
    compartments = tree(model)
    there = {name: model.region(name) for name in compartments.shape.names}
    equations = {name: _kernel.system(region, precision) for name, region in there.items()}
    states = 1 + max(len(system.motions) for system in equations.values())
    lanes, regions, names, calls = _kernel.LANES[precision], {}, {}, []
    for k, (name, region) in enumerate(there.items()):
        writer = _kernel.Writer(equations[name], precision, first=states + 2, shared=1)
        bodies = writer.membrane(states, states + 1), writer.advance(states + 1)
        phases = [_kernel.indented(_renumbered(body), lanes, 12) for body in bodies]
        called = [names.setdefault(body, f"phase_{len(names)}") for body in phases]
        calls.append([f"{function}(s[{k}], x, members[ends[{k}] : ends[{k + 1}]])" for function in called])
        regions[name] = Region(region, equations[name], tuple(writer.nodes))
    sizes = {"REGIONS": len(regions), "ROWS": 1 + max(len(region.nodes) for region in regions.values())}
    sizes |= {"STATES": states, "WIDTH": states + 2, "DIAGONAL": states * lanes, "RIGHT": (states + 1) * lanes}
    head = _kernel.functions(precision, "\n".join(f"{name} = {size}" for name, size in sizes.items()))
    each = "".join(EACH.format(name=name, part=lanes // _kernel.WAYS, body=body) for body, name in names.items())
    before, after = ("\n".join(f"{20 * ' '}{call}" for call in phase) for phase in zip(*calls, strict=True))
    loops = LOOPS.format(noisy=noisy, membranes=before, advances=after)
    return Kernel(head + each + loops, compartments, regions, states)


def _renumbered(body: list[str]) -> list[str]:
    """Statements with their intermediate results numbered from 0, so that regions of the same currents share a text."""
    numbers: dict[str, int] = {}
    name = re.compile(r"\bn(\d+)(?=[a-d]\b)")
    return [name.sub(lambda found: f"n{numbers.setdefault(found.group(1), len(numbers))}", line) for line in body]
