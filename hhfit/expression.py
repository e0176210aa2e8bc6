"""Rate expressions: parsed with ``ast`` against a whitelist, never evaluated as Python."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError

FUNCTIONS = {"exp": 1, "log": 1, "sqrt": 1, "tanh": 1, "abs": 1, "vtrap": 2, "minimum": 2, "maximum": 2}
FUNCTIONS |= {"nernst": 4}
"""Functions that an expression may call, with their number of arguments."""

GAS_OVER_FARADAY = 8.314462618 / 96485.33212 * 1e3
"""R / F [mV/K]."""

_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)


def vtrap(x: Array, y: Array) -> Array:
    """``x / (exp(x / y) - 1)``, with its limit ``y`` at ``x = 0``.

    Example:
        >>> float(vtrap(np.array(0.0), np.array(4.0)))
        4.0
    """
    z = np.asarray(x / y)
    small = np.abs(z) < 1e-5
    safe = np.where(small, 1.0, z)
    return np.where(small, y * (1.0 - z / 2.0), y * safe / np.expm1(safe))


NUMPY = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "abs": np.abs,
    "vtrap": vtrap,
    "minimum": np.minimum,
    "maximum": np.maximum,
}
"""What each of ``FUNCTIONS`` computes."""


@dataclass(frozen=True, eq=False)
class Expression:
    """An arithmetic expression in named quantities.

    Args:
        tree: Its syntax tree, made of numbers, names, ``+ - * / **``, and ``FUNCTIONS``.
    """

    tree: ast.expr

    @property
    def text(self) -> str:
        """The expression as text."""
        return ast.unparse(self.tree)

    @property
    def names(self) -> frozenset[str]:
        """Names of the quantities in it, functions left out."""
        return frozenset(_names(self.tree))

    def replace(self, bindings: "Mapping[str, Expression]") -> "Expression":
        """The expression with names replaced by other expressions."""
        return Expression(_Replace(bindings).visit(ast.parse(self.text, mode="eval").body))

    def evaluate(self, values: Mapping[str, Array | float]) -> Array:
        """Value of the expression, with NumPy broadcasting.

        Args:
            values: Value of every name in it.
        """
        with np.errstate(all="ignore"):
            return np.asarray(_evaluate(self.tree, values))


def parse(text: str | float, where: str) -> Expression:
    """Parse an expression.

    Args:
        text: A number, or arithmetic in names.
        where: What to call it in a message, such as ``"na.toml: gates.m.alpha"``.

    Raises:
        InputError: If it is not arithmetic in names and ``FUNCTIONS``.

    Example:
        >>> parse("2 * exp(-v / 10)", "here").names
        frozenset({'v'})
    """
    try:
        tree = ast.parse(str(text).replace("^", "**"), mode="eval").body
    except SyntaxError as error:
        raise InputError(f"{where}: {text!r} is not an expression: {error.msg}") from None
    _check(tree, f"{where}: {text!r}")
    return Expression(_Expand().visit(tree))


def _check(node: ast.expr, where: str) -> None:
    match node:
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            return
        case ast.Name():
            return
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _check(operand, where)
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _OPERATORS):
            _check(left, where)
            _check(right, where)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            if len(arguments) != FUNCTIONS[name]:
                raise InputError(f"{where}: {name} takes {FUNCTIONS[name]} argument(s), got {len(arguments)}")
            for argument in arguments:
                _check(argument, where)
        case _:
            allowed = f"numbers, names, + - * / ** and {', '.join(FUNCTIONS)}"
            raise InputError(f"{where}: {ast.unparse(node)!r} is not allowed in an expression; allowed are {allowed}")


def _names(node: ast.expr) -> set[str]:
    calls = {call.func for call in ast.walk(node) if isinstance(call, ast.Call)}
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and name not in calls}


class _Expand(ast.NodeTransformer):
    """``nernst(z, outside, inside, temperature [degC])`` written out [mV], so that no simulator need know it."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if node.func.id != "nernst":
            return node
        z, outside, inside, temperature = (ast.unparse(argument) for argument in node.args)
        text = f"{GAS_OVER_FARADAY!r} * (({temperature}) + 273.15) / ({z}) * log(({outside}) / ({inside}))"
        return ast.parse(text, mode="eval").body


class _Replace(ast.NodeTransformer):
    def __init__(self, bindings: Mapping[str, Expression]) -> None:
        self.bindings = bindings

    def visit_Call(self, node: ast.Call) -> ast.Call:
        node.args = [self.visit(argument) for argument in node.args]
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.bindings[node.id].tree if node.id in self.bindings else node


def _evaluate(node: ast.expr, values: Mapping[str, Array | float]) -> Array | float:
    match node:
        case ast.Constant():
            return float(node.value)
        case ast.Name():
            return values[node.id]
        case ast.UnaryOp(op=ast.USub()):
            return -_evaluate(node.operand, values)
        case ast.UnaryOp():
            return _evaluate(node.operand, values)
        case ast.BinOp():
            return _ARITHMETIC[type(node.op)](_evaluate(node.left, values), _evaluate(node.right, values))
        case ast.Call():
            return NUMPY[node.func.id](*(np.asarray(_evaluate(argument, values)) for argument in node.args))
    raise AssertionError(f"unchecked node {node!r}")


_ARITHMETIC = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
