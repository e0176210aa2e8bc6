"""Rates as a graph of shared arithmetic, made cheap: few exponentials, one division per gate.

Every rate of a channel is a quotient of sums of exponentials that are linear in the membrane
potential. Exponentials whose slopes are rational multiples of one another are integer powers of a
single one, negative powers go into the denominator, and what depends on the parameters alone is
computed once per simulation.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from hhfit.arrays import Array
from hhfit.expression import NUMPY, Expression

NUMBER, ROW, STEP = 0, 1, 2
"""What a node depends on: nothing, the parameters, the state."""

CENTRE = -20.0
"""Membrane potential [mV] at which merged exponentials are 1, so that their powers stay in range."""

MAX_POWER = 24
"""Largest power of one exponential that stands for another."""

NUDGE = 1e-8
"""Relative error of ``vtrap`` in double precision."""

Node = int
Key = tuple[object, ...]


@dataclass(frozen=True)
class Quotient:
    """A value as numerator and denominator; the denominator is free of division."""

    num: Node
    den: Node


@dataclass(frozen=True)
class Family:
    """An exponential that others are powers of: ``exp(slope * (v - CENTRE))``."""

    slope: Fraction
    members: Mapping[Fraction, int]


@dataclass
class Graph:
    """Arithmetic in which equal parts are one node.

    Args:
        families: Exponentials to merge; none while slopes are collected.
        nudge: What keeps ``vtrap`` from 0 / 0; 0 to choose its series there.
    """

    families: Sequence[Family] = ()
    nudge: float = NUDGE
    keys: list[Key] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    slopes: set[Fraction] = field(default_factory=set)
    _ids: dict[Key, Node] = field(default_factory=dict)
    _powers: dict[Node, tuple[int, int]] = field(default_factory=dict)

    def _node(self, key: Key, level: int) -> Node:
        if key not in self._ids:
            self._ids[key] = len(self.keys)
            self.keys.append(key)
            self.levels.append(level)
        return self._ids[key]

    def number(self, value: float) -> Node:
        """A number."""
        return self._node(("number", float(value)), NUMBER)

    def row(self, name: str) -> Node:
        """A number of its own for every simulation."""
        return self._node(("row", name), ROW)

    def state(self, name: str) -> Node:
        """A number that changes with time."""
        return self._node(("state", name), STEP)

    def apply(self, function: str, *args: Node) -> Node:
        """A function, or one of ``+ * /``, of nodes; of numbers it is a number."""
        level = max(self.levels[a] for a in args)
        if level == NUMBER:
            return self.number(float(_compute(function, [np.float64(self.keys[a][1]) for a in args])))
        if function in "+*":
            args = tuple(sorted(args, key=lambda a: (self.levels[a], a)))
        return self._node((function, *args), level)

    def add(self, a: Node, b: Node) -> Node:
        """Sum."""
        zero = ("number", 0.0)
        if self.keys[a] == zero:
            return b
        return a if self.keys[b] == zero else self.apply("+", a, b)

    def mul(self, a: Node, b: Node) -> Node:
        """Product; parameters are gathered so that they are multiplied once per simulation."""
        one = ("number", 1.0)
        if self.keys[a] == one:
            return b
        if self.keys[b] == one:
            return a
        if self.levels[a] < STEP and self.levels[b] < STEP:
            return self.apply("*", a, b)
        if self.levels[a] < STEP:
            return self._scale(a, b)
        if self.levels[b] < STEP:
            return self._scale(b, a)
        return self._merge(a, b)

    def _scale(self, factor: Node, a: Node) -> Node:
        """A parameter times what changes with time; it disappears into a factor that has one already."""
        line = self.linear(a)
        if line is not None and self.keys[a] != ("state", "v"):
            return self.line(self.mul(factor, line[0]), self.mul(factor, line[1]))
        key = self.keys[a]
        if key[0] == "*":
            first, second = int(str(key[1])), int(str(key[2]))
            if self.levels[first] < STEP:
                return self.mul(self.apply("*", factor, first), second)
            for inner, other in ((first, second), (second, first)):
                if self.keys[inner][0] == "+" and self.linear(inner) is not None:
                    return self.apply("*", self._scale(factor, inner), other)
        return self.apply("*", factor, a)

    def _merge(self, a: Node, b: Node) -> Node:
        """Product of two that change with time; powers of one exponential add up."""
        (fa, base_a), (fb, base_b) = self.split(a), self.split(b)
        if base_a in self._powers and base_b in self._powers and self._powers[base_a][0] == self._powers[base_b][0]:
            family, k = self._powers[base_a]
            return self.mul(self.mul(fa, fb), self.exponential(family, k + self._powers[base_b][1]))
        if self.keys[fa] == self.keys[fb] == ("number", 1.0):
            return self.apply("*", a, b)
        return self.mul(self.mul(fa, fb), self.apply("*", base_a, base_b))

    def split(self, a: Node) -> tuple[Node, Node]:
        """A product's parameter and the rest."""
        key = self.keys[a]
        if key[0] == "*" and self.levels[int(str(key[1]))] < STEP:
            return int(str(key[1])), int(str(key[2]))
        return self.number(1.0), a

    def line(self, slope: Node, intercept: Node) -> Node:
        """``slope * v + intercept``, as two operations."""
        v = self.state("v")
        product = v if self.keys[slope] == ("number", 1.0) else self.apply("*", slope, v)
        return self.add(product, intercept)

    def exponential(self, family: int, k: int) -> Node:
        """Power ``k >= 1`` of a family's exponential."""
        if k == 1:
            node = self.state(f"exp{family}")
        else:
            node = self.apply("*", self.exponential(family, k // 2), self.exponential(family, k - k // 2))
        self._powers[node] = (family, k)
        return node

    def neg(self, a: Node) -> Node:
        """Negative."""
        return self.mul(self.number(-1.0), a)

    def div(self, a: Node, b: Node) -> Node:
        """Quotient; a divisor that does not change with time becomes a factor."""
        if self.levels[b] < STEP:
            return self.mul(a, self.apply("/", self.number(1.0), b))
        return self.apply("/", a, b)

    def power(self, a: Node, n: int) -> Node:
        """Whole power by squaring, ``n >= 0``."""
        if n == 0:
            return self.number(1.0)
        if n == 1:
            return a
        half = self.power(self.mul(a, a), n // 2)
        return self.mul(half, a) if n % 2 else half

    def value(self, q: Quotient) -> Node:
        """A quotient, divided."""
        return self.div(q.num, q.den)

    def linear(self, a: Node) -> tuple[Node, Node] | None:
        """``(slope, intercept)`` in ``v``, both free of the state, if ``a`` is linear in it."""
        key = self.keys[a]
        if self.levels[a] < STEP:
            return self.number(0.0), a
        if key == ("state", "v"):
            return self.number(1.0), self.number(0.0)
        if key[0] not in ("+", "*"):
            return None
        first, second = (self.linear(int(str(part))) for part in key[1:])
        if first is None or second is None:
            return None
        if key[0] == "+":
            return self.add(first[0], second[0]), self.add(first[1], second[1])
        factor = int(str(key[1]))
        if self.levels[factor] == STEP:
            return None
        return self.mul(factor, second[0]), self.mul(factor, second[1])

    def evaluate(self, nodes: Sequence[Node], rows: Mapping[str, Array]) -> Array:
        """Values of nodes that are free of the state, shape ``(len(nodes), N)``."""
        done: dict[Node, Array] = {}

        def of(a: Node) -> Array:
            if a not in done:
                key = self.keys[a]
                if key[0] == "number":
                    done[a] = np.float64(key[1])
                elif key[0] == "row":
                    done[a] = rows[str(key[1])]
                else:
                    done[a] = _compute(str(key[0]), [of(int(str(part))) for part in key[1:]])
            return done[a]

        n = len(next(iter(rows.values())))
        with np.errstate(all="ignore"):
            return np.array([np.broadcast_to(of(a), n) for a in nodes]).reshape(len(nodes), n)


def quotient(graph: Graph, expression: Expression) -> Quotient:
    """An expression as a quotient: ``v`` and calcium are state, other names are parameters."""
    return _Builder(graph).of(expression.tree)


@dataclass(frozen=True)
class _Builder:
    graph: Graph

    def of(self, tree: ast.expr) -> Quotient:
        g, one = self.graph, self.graph.number(1.0)
        match tree:
            case ast.Constant():
                return Quotient(g.number(float(tree.value)), one)
            case ast.Name(id="v" | "ca"):
                return Quotient(g.state(tree.id), one)
            case ast.Name():
                return Quotient(g.row(tree.id), one)
            case ast.UnaryOp(op=ast.USub()):
                inner = self.of(tree.operand)
                return Quotient(g.neg(inner.num), inner.den)
            case ast.UnaryOp():
                return self.of(tree.operand)
            case ast.BinOp():
                return self._operation(tree)
            case ast.Call():
                return self._call(tree.func.id, [self.of(argument) for argument in tree.args])
        raise AssertionError(f"unchecked node {tree!r}")

    def _operation(self, tree: ast.BinOp) -> Quotient:
        a, b = self.of(tree.left), self.of(tree.right)
        match tree.op:
            case ast.Add():
                return self.add(a, b)
            case ast.Sub():
                return self.add(a, Quotient(self.graph.neg(b.num), b.den))
            case ast.Mult():
                return self._ratio(self.graph.mul(a.num, b.num), self.graph.mul(a.den, b.den))
            case ast.Div():
                return self._ratio(self.graph.mul(a.num, b.den), self.graph.mul(a.den, b.num))
        return self._power(a, b)

    def add(self, a: Quotient, b: Quotient) -> Quotient:
        g = self.graph
        if a.den == b.den:
            return Quotient(g.add(a.num, b.num), a.den)
        return self._ratio(g.add(g.mul(a.num, b.den), g.mul(b.num, a.den)), g.mul(a.den, b.den))

    def _power(self, a: Quotient, b: Quotient) -> Quotient:
        g = self.graph
        exponent = g.keys[g.value(b)]
        if exponent[0] == "number" and float(str(exponent[1])).is_integer() and abs(float(str(exponent[1]))) <= 16:
            n = int(float(str(exponent[1])))
            num, den = g.power(a.num, abs(n)), g.power(a.den, abs(n))
            return Quotient(num, den) if n >= 0 else self._ratio(den, num)
        return Quotient(g.apply("**", g.value(a), g.value(b)), g.number(1.0))

    def _ratio(self, num: Node, den: Node) -> Quotient:
        g = self.graph
        if g.levels[den] < STEP:
            return Quotient(g.div(num, den), g.number(1.0))
        factor, rest = g.split(den)
        return Quotient(g.div(num, factor), rest)

    def _call(self, name: str, args: list[Quotient]) -> Quotient:
        g, one = self.graph, self.graph.number(1.0)
        if max(max(g.levels[a.num], g.levels[a.den]) for a in args) < STEP:
            return Quotient(g.apply(name, *(g.value(a) for a in args)), one)
        if name == "exp":
            return self._exp(args[0])
        if name == "vtrap":
            return self._vtrap(*args)
        if name == "tanh":
            e = self._exp(self._operation_times(args[0], 2.0))
            return Quotient(g.add(e.num, g.neg(e.den)), g.add(e.num, e.den))
        return Quotient(g.apply(name, *(g.value(a) for a in args)), one)

    def _operation_times(self, a: Quotient, factor: float) -> Quotient:
        return Quotient(self.graph.mul(self.graph.number(factor), a.num), a.den)

    def _exp(self, argument: Quotient) -> Quotient:
        g, one = self.graph, self.graph.number(1.0)
        x = g.value(argument)
        parts = g.linear(x)
        if parts is None or g.keys[parts[0]][0] != "number":
            return Quotient(g.apply("exp", x), one)
        slope = Fraction(float(str(g.keys[parts[0]][1]))).limit_denominator(10**7)
        g.slopes.add(slope)
        shift = g.add(parts[1], g.number(float(slope) * CENTRE))
        factor = g.apply("exp", shift)
        for n, family in enumerate(g.families):
            if slope in family.members:
                k = family.members[slope]
                base = g.exponential(n, abs(k))
                return Quotient(g.mul(factor, base), one) if k > 0 else Quotient(factor, base)
        return Quotient(g.apply("exp", x), one)

    def _vtrap(self, x: Quotient, y: Quotient) -> Quotient:
        """``x / (exp(x / y) - 1)``, kept from 0 / 0 at ``x = 0``.

        With ``z = x / y``, ``y (z + d) / (exp(z) - 1 + d)`` differs from it by the fraction ``d`` at most and is
        ``y`` at ``z = 0``: it costs nothing. Single precision has no room for such a ``d`` and takes the series.
        """
        g = self.graph
        a, b = self.line(g.value(x)), g.value(y)
        z = g.div(a, b)
        e = self._exp(Quotient(z, g.number(1.0)))
        if g.nudge:
            num = g.mul(self.line(g.add(a, g.mul(g.number(g.nudge), b))), e.den)
            return Quotient(num, g.add(e.num, g.mul(g.number(g.nudge - 1.0), e.den)))
        square = g.mul(g.mul(a, z), g.number(1.0 / 12.0))
        series = g.add(g.add(b, g.mul(g.number(-0.5), a)), square)
        num = g.apply("near", z, series, g.mul(a, e.den))
        return Quotient(num, g.apply("near", z, g.number(1.0), g.add(e.num, g.neg(e.den))))

    def line(self, a: Node) -> Node:
        parts = self.graph.linear(a)
        return a if parts is None else self.graph.line(*parts)


def families(slopes: set[Fraction]) -> list[Family]:
    """Group exponentials so that few remain.

    Example:
        >>> [dict(f.members) for f in families({Fraction(1, 5), Fraction(-1, 20), Fraction(1, 18)})]
        [{Fraction(-1, 20): -1, Fraction(1, 5): 4}, {Fraction(1, 18): 1}]
    """
    left, found = {s for s in slopes if s}, []
    while left:
        bases = sorted({abs(s) / m for s in left for m in (1, 2, 3, 4)})
        best = max(bases, key=lambda base: (len(_members(left, base)), base))
        members = _members(left, best)
        if sum(k for k in members.values()) < 0:
            best, members = -best, {s: -k for s, k in members.items()}
        found.append(Family(best, dict(sorted(members.items()))))
        left -= members.keys()
    return found


def _members(slopes: set[Fraction], base: Fraction) -> dict[Fraction, int]:
    ratios = {s: s / base for s in slopes}
    return {s: int(r) for s, r in ratios.items() if r.denominator == 1 and abs(r) <= MAX_POWER}


def _compute(function: str, args: list[Array]) -> Array:
    match function:
        case "+":
            return args[0] + args[1]
        case "*":
            return args[0] * args[1]
        case "/":
            return args[0] / args[1]
        case "**":
            return np.power(args[0], args[1])
    return np.asarray(NUMPY[function](*args))
