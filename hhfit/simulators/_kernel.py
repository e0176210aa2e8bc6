"""Source text of the batched kernel of a model: one block of simulations, vectorised over its lanes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.model import NOISE, Model, Pool
from hhfit.simulators._graph import CENTRE, NUDGE, NUMBER, STEP, Graph, Node, Quotient, families, quotient
from hhfit.simulators._runtime import FUNCTIONS, POINT, ROUNDS
from hhfit.units import MM_PER_MS_OF_UA_PER_CM2_IN_UM, PA_PER_UM2_IN_UA_PER_CM2

DT = "dt"
"""Integration step [ms], among what is known for every simulation; no quantity may have this name."""

SCHEMES = ("exponential-euler", "rk4", "forward-euler")
"""Sequential exponential Euler, classical Runge-Kutta, and forward Euler for the papers that use it."""

LANES = {"float64": 16, "float32": 32}
"""Simulations per block: state and constants of a block stay in the first-level cache."""

WAYS = 2
"""Parts of a block whose statements alternate: their chains of arithmetic wait for results in turn, a fifth faster."""

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
    """

    source: str
    equations: System
    nodes: tuple[Node, ...]

    @property
    def shared(self) -> tuple[Array | int, ...]:
        """What the kernel reads for all simulations: nothing."""
        return ()

    def inputs(self, model: Model, theta: Array, dt: float) -> tuple[Array, ...]:
        """What the kernel reads for every simulation, the simulations along the last axis: ``(K, N)``."""
        values: Mapping[str, Array] = {name: np.ascontiguousarray(v) for name, v in model.values(theta).items()}
        noise = values.get(NOISE, np.zeros(len(theta))) / np.sqrt(dt)
        scale = PA_PER_UM2_IN_UA_PER_CM2 / values["area"]
        fixed = [*initial(model, values), dt / values["capacitance"], scale, noise]
        own = self.equations.graph.evaluate(self.nodes, {**values, DT: np.full(len(theta), dt)})
        return (np.vstack([*fixed, own]),)


def initial(model: Model, values: Mapping[str, Array]) -> list[Array]:
    """Potential, gates and calcium to begin with, in the order of the state, each of shape ``(N,)``."""
    v = values["v_init"]
    known = {**values, "v": v}
    pool = []
    if model.calcium is not None:
        known["ca"] = np.broadcast_to(model.calcium.rest.evaluate(values), len(v))
        pool = [known["ca"]]
    moving = [gate for channel in model.channels for gate in channel.gates if gate.tau is not None]
    return [v, *(np.broadcast_to(gate.inf.evaluate(known), len(v)) for gate in moving), *pool]


def generate(model: Model, scheme: str, precision: str, noisy: bool) -> Kernel:
    """Generate the kernel of a model.

    Args:
        model: The neuron; the text does not depend on its values.
        scheme: One of ``SCHEMES``.
        precision: ``"float64"`` or ``"float32"``.
        noisy: Whether it adds noise.
    """
    equations = system(model, precision)
    n_states = len(equations.motions) + 1
    writer = Writer(equations, precision, first=n_states, shared=3)
    body = {"exponential-euler": writer.exponential, "rk4": writer.runge_kutta, "forward-euler": writer.forward}[
        scheme
    ]()
    constants = f"STATES = {n_states}\nROWS = {n_states + 3 + len(writer.nodes)}\nEXTRA = ROWS * LANES"
    loop = POINT.format(noisy=noisy, part=writer.lanes // WAYS, body=indented(body, writer.lanes, 24))
    return Kernel(functions(precision, constants) + loop, equations, tuple(writer.nodes))


def functions(precision: str, constants: str) -> str:
    """Text of the functions that a kernel calls, with constants that its loops use."""
    return FUNCTIONS.format(
        precision=precision,
        lanes=LANES[precision],
        near="1e-5" if precision == "float64" else "3e-2",
        largest=LARGEST[precision],
        constants=constants,
        rounds=ROUNDS,
    )


def indented(body: list[str], lanes: int, depth: int) -> str:
    """Text of a loop over ``lanes // WAYS`` lanes, written for lane ``n``."""
    return "\n".join(f"{depth * ' '}{line}" for line in _alternating(body, lanes))


class Writer:
    """Statements for one lane ``n`` of ``s``: states, from ``first`` on ``shared`` rows with dt/C first, ``nodes``."""

    def __init__(self, equations: System, precision: str, *, first: int, shared: int) -> None:
        self.equations, self.graph = equations, equations.graph
        self.lanes, self.clip = LANES[precision], CLIP[precision]
        self.largest, self.nudge = LARGEST[precision], NUDGES[precision]
        self.nodes: list[Node] = []
        self.names = [motion.name for motion in equations.motions]
        self.first, self.shared = first, shared

    def slot(self, place: int) -> str:
        return f"s[{place * self.lanes} + n]"

    def row(self, place: int) -> str:
        return self.slot(self.first + place)

    def exponential(self) -> list[str]:
        """Potential first, from the old gates; then each gate at the new potential; then calcium from both.

        Gates are thus half a step ahead of the potential, and calcium takes their mean over its step: second order.
        """
        lines = [*self._load(), *self._slope(), *_relax("w", "v", "z", "b"), f"{self.slot(0)} = w"]
        return [*lines, *self._gating()]

    def membrane(self, diagonal: int, right: int) -> list[str]:
        """What the membrane adds to the implicit equation of half a step, to slots ``diagonal`` and ``right``."""
        lines = [*self._states(), "i = F(0.0)", *self._slope()]
        return [*lines, f"{self.slot(diagonal)} = F(0.5) * z", f"{self.slot(right)} = v + F(0.5) * b"]

    def advance(self, right: int) -> list[str]:
        """The rest of a step from the potential at its half, in slot ``right``: Crank and Nicolson, then the gates."""
        return [
            *self._states(),
            f"w = F(2.0) * {self.slot(right)} - v",
            f"{self.slot(0)} = w",
            *self._gating(),
        ]

    def _gating(self) -> list[str]:
        """Gates, then calcium, from the old states and the new potential ``w``."""
        lines: list[str] = []
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

    def _states(self) -> list[str]:
        lines = [f"v = {self.slot(0)}", *(f"x{n} = {self.slot(n + 1)}" for n in range(len(self.names)))]
        return [*lines, f"h = {self.row(0)}"]

    def _load(self) -> list[str]:
        return [*self._states(), f"i = amplitude * {self.row(1)} + s[EXTRA + n]"]

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
            return self.row(self.shared + self.nodes.index(node))
        if key[0] == "state" and str(key[1]) in self.inputs:
            return self.inputs[str(key[1])]
        return f"n{node}{tag}"


def _alternating(body: list[str], lanes: int) -> list[str]:
    """Statements for lane ``n``, each followed by the same for the lane half a block away."""
    part = lanes // WAYS
    assigned = {line.split(" = ")[0] for line in body} - {line for line in body if line.startswith("s[")}
    local = re.compile(rf"\b({'|'.join(sorted(name for name in assigned if name.isidentifier()))})\b")
    lines = []
    for line in body:
        for k in range(WAYS):
            moved = re.sub(r"\[(\d+) \+ n\]", lambda slot, k=k: f"[{int(slot.group(1)) + k * part} + n]", line)
            moved = moved.replace("s[EXTRA + n]", f"s[EXTRA + {k * part} + n]")
            lines.append(local.sub(rf"\g<1>_{k}", moved))
    return lines


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
