"""NMODL text of a model: one density mechanism with all its channels, names resolved."""

import ast
import hashlib

from hhfit.channel import Channel, Gate
from hhfit.expression import Expression
from hhfit.model import Model
from hhfit.units import MM_PER_MS_OF_UA_PER_CM2_IN_UM

_FUNCTIONS = {"abs": "fabs", "minimum": "lesser", "maximum": "greater"}
_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "^"}

_TEMPLATE = """\
NEURON {{
    SUFFIX {suffix}
    NONSPECIFIC_CURRENT i
    RANGE command{ranges}
    THREADSAFE
}}
UNITS {{
    (mA) = (milliamp)
    (mV) = (millivolt)
}}
PARAMETER {{
    command = 0
{parameters}
}}
ASSIGNED {{
    v (mV)
    i (mA/cm2)
    inward
}}
{states}INITIAL {{
{initial}
}}
BREAKPOINT {{
{solve}    i = 0.001 * ({current} - command)
}}
{derivatives}FUNCTION vtrap(x, y) {{
    if (fabs(x / y) < 1e-5) {{
        vtrap = y * (1 - x / y / 2)
    }} else {{
        vtrap = x / (exp(x / y) - 1)
    }}
}}
FUNCTION lesser(x, y) {{
    lesser = y
    if (x < y) {{
        lesser = x
    }}
}}
FUNCTION greater(x, y) {{
    greater = y
    if (x > y) {{
        greater = x
    }}
}}
"""


def quantity(name: str) -> str:
    """Name of a quantity in the mechanism: prefixed, since NMODL reserves words such as ``area``."""
    return f"q_{name}"


def suffix(model: Model) -> str:
    """Name of the model's mechanism: another text, another name."""
    return "hh" + hashlib.sha256(_body(model, "x").encode()).hexdigest()[:12]


def mechanism(model: Model) -> str:
    """NMODL text of the model."""
    return _body(model, suffix(model))


def used(model: Model) -> list[str]:
    """Quantities that the mechanism's expressions name, in the model's order."""
    named: set[str] = set()
    if model.calcium is not None:
        named |= model.calcium.depth.names | model.calcium.tau.names | model.calcium.rest.names
    for channel in model.channels:
        for expr in (channel.conductance, channel.reversal, *_rates(channel)):
            named |= expr.names
    return [name for name in model.quantities if name in named]


def _body(model: Model, name: str) -> str:
    gates = [(channel, gate) for channel in model.channels for gate in channel.gates]
    moving = [(channel, gate) for channel, gate in gates if gate.tau is not None]
    pool = model.calcium
    states = " ".join([*(["pool"] if pool else []), *(_state(channel, gate) for channel, gate in moving)])
    return _TEMPLATE.format(
        suffix=name,
        ranges="".join(f", {quantity(q)}" for q in used(model)),
        parameters="\n".join(f"    {quantity(q)} = 1" for q in used(model)),
        states=f"STATE {{ {states} }}\n" if states else "",
        initial="\n".join(
            [*([f"    pool = {_text(pool.rest)}"] if pool else [])]
            + [f"    {_state(c, g)} = {_text(g.inf)}" for c, g in moving]
        ),
        solve="    SOLVE gates METHOD cnexp\n" if states else "",
        current=" + ".join(_current(channel) for channel in model.channels) or "0",
        derivatives=_derivatives(model, moving),
    )


def _inward(model: Model) -> str:
    """Calcium that flows into the pool [mM/ms] at the new potential and gates; apart, so that ``cnexp`` is linear."""
    if model.calcium is None:
        return "0"
    total = " + ".join(_current(channel) for channel in model.channels if channel.name in model.calcium.channels)
    return f"greater(0, -({total or '0'})) * {MM_PER_MS_OF_UA_PER_CM2_IN_UM!r} / ({_text(model.calcium.depth)})"


def _derivatives(model: Model, moving: list[tuple[Channel, Gate]]) -> str:
    rates, equations = [], []
    if not moving and model.calcium is None:
        return ""
    for n, (channel, gate) in enumerate(moving):
        state = _state(channel, gate)
        if gate.alpha is not None and gate.beta is not None:
            rates += [f"    r{n} = {_text(gate.alpha)}", f"    t{n} = r{n} + {_text(gate.beta)}"]
            equations.append(f"    {state}' = r{n} - t{n} * {state}")
        elif gate.tau is not None:
            rates += [f"    r{n} = {_text(gate.inf)}", f"    t{n} = {_text(gate.tau)}"]
            equations.append(f"    {state}' = (r{n} - {state}) / t{n}")
    if model.calcium is not None:
        equations.append(f"    inward = {_inward(model)}")
        equations.append(f"    pool' = inward - (pool - {_text(model.calcium.rest)}) / ({_text(model.calcium.tau)})")
    names = ", ".join(f"r{n}, t{n}" for n in range(len(moving)))
    local = [f"    LOCAL {names}"] if names else []
    return "\n".join(["DERIVATIVE gates {", *local, *rates, *equations, "}", ""])


def _current(channel: Channel) -> str:
    factors = [f"({_text(channel.conductance)})"]
    for gate in channel.gates:
        value = _state(channel, gate) if gate.tau is not None else f"({_text(gate.inf)})"
        factors += [value] * gate.power
    return " * ".join([*factors, f"(v - ({_text(channel.reversal)}))"])


def _state(channel: Channel, gate: Gate) -> str:
    return f"s_{channel.name}_{gate.name}"


def _rates(channel: Channel) -> list[Expression]:
    return [rate for gate in channel.gates for rate in (gate.inf, gate.tau) if rate is not None]


def _text(expr: Expression) -> str:
    return _node(expr.tree)


def _node(node: ast.expr) -> str:
    match node:
        case ast.Constant():
            return repr(float(node.value))
        case ast.Name():
            return {"v": "v", "ca": "pool"}.get(node.id) or quantity(node.id)
        case ast.UnaryOp(op=ast.USub()):
            return f"(-{_node(node.operand)})"
        case ast.UnaryOp():
            return _node(node.operand)
        case ast.BinOp():
            return f"({_node(node.left)} {_OPERATORS[type(node.op)]} {_node(node.right)})"
        case ast.Call():
            name = _FUNCTIONS.get(node.func.id, node.func.id)
            return f"{name}({', '.join(_node(argument) for argument in node.args)})"
    raise AssertionError(f"unchecked node {node!r}")
