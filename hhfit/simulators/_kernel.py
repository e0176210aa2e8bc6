"""Source text of the batched kernel of a model: one block of simulations, vectorised over its lanes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.model import NOISE, Model, Pool
from hhfit.simulators._graph import CENTRE, NUDGE, NUMBER, STEP, Graph, Node, Quotient, families, quotient
from hhfit.simulators._runtime import ROUNDS, RUNTIME
from hhfit.units import MM_PER_MS_OF_UA_PER_CM2_IN_UM, PA_PER_UM2_IN_UA_PER_CM2

DT = "dt"
"""Integration step [ms], among what is known for every simulation; no quantity may have this name."""

SCHEMES = ("exponential-euler", "rk4", "forward-euler")
"""Sequential exponential Euler, classical Runge-Kutta, and forward Euler for the papers that use it."""

LANES = {"float64": 16, "float32": 32}
"""Simulations per block: state and constants of a block stay in the first-level cache."""

CLIP = {"float64": (-300.0, 300.0), "float32": (-150.0, 110.0)}
"""Membrane potentials [mV] beyond which rates no longer change, so that no power of an exponential overflows."""


LARGEST = {"float64": 700.0, "float32": 85.0}
"""Largest exponent that does not overflow."""

NUDGES = {"float64": 2.0**-10, "float32": 0.125}
"""Difference of potential [mV] over which a current's slope is taken."""


@dataclass(frozen=True)
class Motion:
    """One state variable: it changes by ``gain - rate * x`` in one step."""

    name: str
    gain: Node
    rate: Node


@dataclass(frozen=True)
class System:
    """The equations of a neuron: V changes by ``(drive - conductance * V + injected) * dt / C`` in one step."""

    graph: Graph
    conductance: Node
    drive: Node
    motions: tuple[Motion, ...]


def system(model: Model, precision: str = "float64") -> System:
    """The equations of a model, as shared arithmetic."""
    survey = Graph()
    _equations(survey, model)
    return _equations(Graph(families(survey.slopes), NUDGE if precision == "float64" else 0.0), model)


def _equations(g: Graph, model: Model) -> System:
    conductance = drive = g.number(0.0)
    motions = []
    currents: dict[str, Node] = {}
    for channel in model.channels:
        factor = quotient(g, channel.conductance)
        for gate in channel.gates:
            name = f"{channel.name}_{gate.name}"
            if gate.tau is None:
                inf = quotient(g, gate.inf)
                factor = Quotient(
                    g.mul(factor.num, g.power(inf.num, gate.power)), g.mul(factor.den, g.power(inf.den, gate.power))
                )
                continue
            factor = Quotient(g.mul(factor.num, g.power(g.state(name), gate.power)), factor.den)
            if gate.alpha is not None and gate.beta is not None:
                motions.append(_opening(g, name, quotient(g, gate.alpha), quotient(g, gate.beta)))
            else:
                motions.append(_relaxing(g, name, quotient(g, gate.inf), quotient(g, gate.tau)))
        total = g.value(factor)
        conductance = g.add(conductance, total)
        reversal = g.value(quotient(g, channel.reversal))
        drive = g.add(drive, g.mul(total, reversal))
        currents[channel.name] = g.mul(total, g.add(g.state("v"), g.neg(reversal)))
    if model.calcium is not None:
        motions.append(_filling(g, model.calcium, currents))
    return System(g, conductance, drive, tuple(motions))


def _opening(g: Graph, name: str, alpha: Quotient, beta: Quotient) -> Motion:
    dt, one = g.row(DT), g.number(1.0)
    opening, closing = g.mul(dt, alpha.num), g.mul(dt, beta.num)
    if one in (alpha.den, beta.den) or alpha.den == beta.den:
        gain = g.mul(opening, g.div(one, alpha.den))
        return Motion(name, gain, g.add(gain, g.mul(closing, g.div(one, beta.den))))
    inverse = g.div(one, g.mul(alpha.den, beta.den))
    gain = g.mul(g.mul(opening, beta.den), inverse)
    return Motion(name, gain, g.add(gain, g.mul(g.mul(closing, alpha.den), inverse)))


def _relaxing(g: Graph, name: str, inf: Quotient, tau: Quotient) -> Motion:
    faster = g.mul(g.row(DT), tau.den)
    if g.levels[tau.num] < STEP:
        rate = g.div(faster, tau.num)
        return Motion(name, g.mul(rate, g.value(inf)), rate)
    inverse = g.div(g.number(1.0), g.mul(inf.den, tau.num))
    gain = g.mul(faster, inverse)
    return Motion(name, g.mul(gain, inf.num), g.mul(gain, inf.den))


def _filling(g: Graph, pool: Pool, currents: Mapping[str, Node]) -> Motion:
    total = g.number(0.0)
    for name in pool.channels:
        total = g.add(total, currents[name])
    depth, tau, rest = (g.value(quotient(g, e)) for e in (pool.depth, pool.tau, pool.rest))
    inward = g.apply("maximum", g.neg(total), g.number(0.0))
    factor = g.div(g.mul(g.row(DT), g.number(MM_PER_MS_OF_UA_PER_CM2_IN_UM)), depth)
    rate = g.div(g.row(DT), tau)
    return Motion("ca", g.add(g.mul(factor, inward), g.mul(rate, rest)), rate)


@dataclass(frozen=True)
class Kernel:
    """A generated kernel.

    Args:
        source: Its Python text, complete in itself.
        equations: What it integrates.
        nodes: What it reads for every simulation, in order.
        precision: ``"float64"`` or ``"float32"``.
    """

    source: str
    equations: System
    nodes: tuple[Node, ...]
    precision: str

    def rows(self, model: Model, theta: Array, dt: float) -> Array:
        """What the kernel reads for every simulation, shape ``(K, N)``."""
        values: Mapping[str, Array] = {name: np.ascontiguousarray(v) for name, v in model.values(theta).items()}
        known = {**values, "v": values["v_init"]}
        pool = []
        if model.calcium is not None:
            known["ca"] = np.broadcast_to(model.calcium.rest.evaluate(values), len(theta))
            pool = [known["ca"]]
        noise = values.get(NOISE, np.zeros(len(theta))) / np.sqrt(dt)
        gates = [
            np.broadcast_to(gate.inf.evaluate(known), len(theta))
            for channel in model.channels
            for gate in channel.gates
            if gate.tau is not None
        ]
        scale = PA_PER_UM2_IN_UA_PER_CM2 / values["area"]
        fixed = [values["v_init"], *gates, *pool, dt / values["capacitance"], scale, noise]
        return np.vstack(
            [*fixed, self.equations.graph.evaluate(self.nodes, {**values, DT: np.full(len(theta), dt)})]
        ).astype(self.precision)


def generate(model: Model, scheme: str, precision: str, noisy: bool) -> Kernel:
    """Generate the kernel of a model.

    Args:
        model: The neuron; the text does not depend on its values.
        scheme: One of ``SCHEMES``.
        precision: ``"float64"`` or ``"float32"``.
        noisy: Whether it adds noise.
    """
    equations = system(model, precision)
    writer = _Writer(equations, LANES[precision], CLIP[precision], LARGEST[precision], NUDGES[precision])
    body = {"exponential-euler": writer.exponential, "rk4": writer.runge_kutta, "forward-euler": writer.forward}[
        scheme
    ]()
    n_states = len(equations.motions) + 1
    source = RUNTIME.format(
        precision=precision,
        lanes=writer.lanes,
        near="1e-5" if precision == "float64" else "3e-2",
        largest=LARGEST[precision],
        states=n_states,
        rows=n_states + 3 + len(writer.nodes),
        noisy=noisy,
        rounds=ROUNDS,
        body="\n".join(f"        {line}" for line in body),
    )
    return Kernel(source, equations, tuple(writer.nodes), precision)


class _Writer:
    """Statements for one lane ``n``; states, then dt/C, command scale, noise scale, then ``nodes``, in ``s``."""

    def __init__(self, equations: System, lanes: int, clip: tuple[float, float], largest: float, nudge: float) -> None:
        self.equations, self.lanes, self.clip, self.largest, self.nudge = equations, lanes, clip, largest, nudge
        self.graph = equations.graph
        self.nodes: list[Node] = []
        self.names = [motion.name for motion in equations.motions]
        self.first = len(self.names) + 1

    def slot(self, place: int) -> str:
        return f"s[{place * self.lanes} + n]"

    def exponential(self) -> list[str]:
        """Potential first, from the old gates; then each gate at the new potential; then calcium from both.

        Gates are thus half a step ahead of the potential, and calcium takes their mean over its step: second order.
        """
        lines = [*self._load(), *self._slope(), *_relax("w", "v", "z", "b"), f"{self.slot(0)} = w"]
        gates = [(n, m) for n, m in enumerate(self.equations.motions) if m.name != "ca"]
        lines += self._rates([node for _, m in gates for node in (m.gain, m.rate)], "b", "w")
        for n, motion in gates:
            lines += self._relaxed(n, motion, "b")
        for n, motion in enumerate(self.equations.motions):
            if motion.name == "ca":
                lines += [f"u{k} = F(0.5) * (x{k} + y{k})" for k, _ in gates]
                states = [f"x{n}" if m.name == "ca" else f"u{k}" for k, m in enumerate(self.equations.motions)]
                lines += [*self._rates([motion.gain, motion.rate], "c", "w", states), *self._relaxed(n, motion, "c")]
        return lines

    def _slope(self) -> list[str]:
        """``z`` and ``b`` of the step of the potential: its current is ``z * v - b``, linear about the old potential.

        The slope of an instantaneous gate counts too, or the step would be of first order: it is taken as a difference.
        """
        targets = [self.equations.conductance, self.equations.drive]
        lines = self._rates(targets, "a", "v")
        g, drive = (self._name(node, "a") for node in targets)
        if not any(line.startswith("va =") for line in lines):
            return [*lines, f"z = h * {g}", f"b = h * ({drive} + i)"]
        lines += [
            f"vd = va + F({self.nudge})",
            *(line for line in self._rates(targets, "d", "vd") if line[:4] != "vd ="),
        ]
        near, other = (self._name(node, "d") for node in targets)
        lines += [
            f"outward = {g} * v - {drive}",
            f"slope = (({near} * (v + F({self.nudge})) - {other}) - outward) * F({1 / self.nudge!r})",
        ]
        return [*lines, "z = h * slope", "b = z * v + h * (i - outward)"]

    def _relaxed(self, n: int, motion: Motion, tag: str) -> list[str]:
        lines = _relax(f"y{n}", f"x{n}", self._name(motion.rate, tag), self._name(motion.gain, tag))
        return [*lines, f"{self.slot(n + 1)} = y{n}"]

    def forward(self) -> list[str]:
        """Forward Euler, gates at the new potential (Lueckmann et al. 2017)."""
        lines = [*self._load(), *self._rates([self.equations.conductance, self.equations.drive], "a", "v")]
        g, drive = (self._name(node, "a") for node in (self.equations.conductance, self.equations.drive))
        lines += [f"w = v + h * ({drive} - {g} * v + i)", f"{self.slot(0)} = w"]
        targets = [node for m in self.equations.motions for node in (m.gain, m.rate)]
        lines += self._rates(targets, "b", "w")
        for n, motion in enumerate(self.equations.motions):
            gain, rate = self._name(motion.gain, "b"), self._name(motion.rate, "b")
            lines += [f"{self.slot(n + 1)} = x{n} + ({gain} - {rate} * x{n})"]
        return lines

    def runge_kutta(self) -> list[str]:
        """Classical fourth order."""
        lines = self._load()
        before: tuple[str, float] | None = None
        targets = [self.equations.conductance, self.equations.drive]
        targets += [node for m in self.equations.motions for node in (m.gain, m.rate)]
        for stage, fraction in zip("abcd", (0.0, 0.5, 0.5, 1.0), strict=True):
            names = ["v", *(f"x{n}" for n in range(len(self.names)))]
            if before is not None:
                last, _ = before
                lines += [f"{name}_{stage} = {name} + F({fraction}) * k{name}_{last}" for name in names]
                names = [f"{name}_{stage}" for name in names]
            lines += self._rates(targets, stage, names[0], names[1:])
            g, drive = (self._name(node, stage) for node in targets[:2])
            lines += [f"kv_{stage} = h * ({drive} - {g} * {names[0]} + i)"]
            for n, motion in enumerate(self.equations.motions):
                gain, rate = self._name(motion.gain, stage), self._name(motion.rate, stage)
                lines += [f"kx{n}_{stage} = {gain} - {rate} * {names[n + 1]}"]
            before = (stage, fraction)
        for place, name in enumerate(["v", *(f"x{n}" for n in range(len(self.names)))]):
            total = f"(k{name}_a + k{name}_d + F(2.0) * (k{name}_b + k{name}_c))"
            lines += [f"{self.slot(place)} = {name} + F(1.0 / 6.0) * {total}"]
        return lines

    def _load(self) -> list[str]:
        lines = [f"v = {self.slot(0)}", *(f"x{n} = {self.slot(n + 1)}" for n in range(len(self.names)))]
        lines += [f"h = {self.slot(self.first)}"]
        return [*lines, f"i = amplitude * {self.slot(self.first + 1)} + s[EXTRA + n]"]

    def _rates(self, targets: list[Node], tag: str, v: str, states: list[str] | None = None) -> list[str]:
        """Statements that compute nodes from the state."""
        self.written: set[Node] = set()
        low, high = self.clip
        self.inputs = {"v": f"v{tag}"} | {
            name: (states or [f"x{m}" for m in range(len(self.names))])[n] for n, name in enumerate(self.names)
        }
        lines: list[str] = []
        for target in targets:
            self._write(target, tag, lines)
        clip = [
            f"v{tag} = {v} if {v} < F({high}) else F({high})",
            f"v{tag} = v{tag} if v{tag} > F({low}) else F({low})",
        ]
        used = f"v{tag}" in "\n".join(lines)
        return [*(clip if used else []), *lines]

    def _write(self, node: Node, tag: str, lines: list[str]) -> None:
        key = self.graph.keys[node]
        if node in self.written or self.graph.levels[node] < STEP:
            return
        self.written.add(node)
        if key[0] == "state":
            name = str(key[1])
            if name not in self.inputs:
                slope = float(self.graph.families[int(name.removeprefix("exp"))].slope)
                reach = abs(slope) * max(abs(edge - CENTRE) for edge in self.clip)
                function = "bounded" if reach < self.largest else "exponential"
                lines.append(f"n{node}{tag} = {function}(F({slope!r}) * v{tag} + F({-slope * CENTRE!r}))")
            return
        for part in key[1:]:
            self._write(int(str(part)), tag, lines)
        args = [self._name(int(str(part)), tag) for part in key[1:]]
        lines.append(f"n{node}{tag} = {_term(str(key[0]), args)}")

    def _name(self, node: Node, tag: str) -> str:
        key = self.graph.keys[node]
        if self.graph.levels[node] == NUMBER:
            return f"F({key[1]!r})"
        if self.graph.levels[node] < STEP:
            if node not in self.nodes:
                self.nodes.append(node)
            return self.slot(self.first + 3 + self.nodes.index(node))
        if key[0] == "state" and str(key[1]) in self.inputs:
            return self.inputs[str(key[1])]
        return f"n{node}{tag}"


def _term(function: str, args: list[str]) -> str:
    match function:
        case "+" | "*" | "/" | "**":
            return f" {function} ".join(args)
        case "near":
            return f"{args[1]} if abs({args[0]}) < F(NEAR) else {args[2]}"
        case "exp":
            return f"exponential({args[0]})"
        case "abs":
            return f"abs({args[0]})"
        case "minimum":
            return f"{args[0]} if {args[0]} < {args[1]} else {args[1]}"
        case "maximum":
            return f"{args[0]} if {args[0]} > {args[1]} else {args[1]}"
        case "log":
            return f"logarithm({args[0]})"
        case "vtrap":
            raise AssertionError("vtrap is expanded")
    return f"F(np.{function}({args[0]}))"


def _relax(new: str, old: str, z: str, b: str) -> list[str]:
    """``old`` relaxed with exponent ``-z`` towards ``b / z``.

    ``exp(-z)`` is the reciprocal of its series to fourth order: positive, decaying for any ``z``, one division.
    """
    series = f"F(1.0) + {z} * (F(1 / 2) + {z} * (F(1 / 6) + {z} * F(1 / 24)))"
    return [f"q = {series}", f"{new} = ({old} + {b} * q) / (F(1.0) + {z} * q)"]
