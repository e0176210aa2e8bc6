"""A Brian2 script that repeats the most probable simulation."""

import ast

from hhfit.arrays import Array
from hhfit.channel import Channel, Gate
from hhfit.errors import UnsupportedError
from hhfit.export._text import CHOICE, constants, header
from hhfit.expression import Expression
from hhfit.model import Model
from hhfit.result import FitResult

_SCRIPT = '''\
import csv
import sys
from pathlib import Path

import brian2 as b
import numpy as np

{constants}
HERE = Path(__file__).resolve().parent
{choice}
b.prefs.codegen.target = "numpy"
b.defaultclock.dt = DT / SUBSTEPS * b.ms

EQUATIONS = """
{equations}
"""

sweeps = np.load(HERE / "sweeps.npz")
dt, steps = DT / SUBSTEPS, (sweeps["command"].shape[1] - 1) * SUBSTEPS
density = np.repeat(sweeps["command"], SUBSTEPS, axis=1)[:, : steps + 1] * (100.0 / VALUES["area"])
if NOISE:
    for sweep, row in enumerate(density):
        generator = np.random.Generator(np.random.Philox(key=[SEED, INDEX * 4096 + sweep]))
        row += NOISE / np.sqrt(dt) * generator.standard_normal(steps + 1)
namespace = {{"q_" + name: value for name, value in VALUES.items()}}
namespace["drive"] = b.TimedArray(density.T, dt=dt * b.ms)

cells = b.NeuronGroup(len(density), EQUATIONS, method="rk4", namespace=namespace)
cells.v = VALUES["v_init"]
{initial}
monitor = b.StateMonitor(cells, "v", record=True)
b.run((steps + 1) * dt * b.ms)

voltages = np.asarray(monitor.v)[:, ::SUBSTEPS]
np.savez_compressed(HERE / "voltage.npz", voltage=voltages, dt=DT)
for s, number in enumerate(sweeps["sweeps"]):
    inside = slice(round(float(sweeps["on"][s]) / DT), round(float(sweeps["off"][s]) / DT))
    up = (voltages[s, inside][:-1] < -20.0) & (voltages[s, inside][1:] >= -20.0)
    print(f"sweep {{number}}: {{up.sum()}} upward crossings of -20 mV")
'''


def files(result: FitResult, theta: Array, index: int) -> dict[str, str]:
    """Text of every file by name, for parameters ``(P,)`` and the number of their simulation."""
    if result.model.calcium is not None:
        raise UnsupportedError(
            f"{result.model.name}: Brian2 scripts of a calcium pool are not written; use --to neuron"
        )
    moving = [(channel, gate) for channel in result.model.channels for gate in channel.gates if gate.tau is not None]
    script = _SCRIPT.format(
        constants=constants(result, theta, index),
        choice=CHOICE,
        equations="\n".join([_potential(result.model), *(_gate(channel, gate) for channel, gate in moving)]),
        initial="\n".join(f'cells.{_state(c, g)} = "{_text(g.inf)}"' for c, g in moving),
    )
    return {"run.py": header(result, "Run: python run.py") + script}


def _potential(model: Model) -> str:
    currents = " + ".join(_current(channel) for channel in model.channels) or "0"
    return f"dv/dt = (drive(t, i) - ({currents})) / q_capacitance / ms : 1"


def _gate(channel: Channel, gate: Gate) -> str:
    state = _state(channel, gate)
    if gate.alpha is not None and gate.beta is not None:
        return f"d{state}/dt = (({_text(gate.alpha)}) * (1 - {state}) - ({_text(gate.beta)}) * {state}) / ms : 1"
    assert gate.tau is not None
    return f"d{state}/dt = (({_text(gate.inf)}) - {state}) / ({_text(gate.tau)}) / ms : 1"


def _current(channel: Channel) -> str:
    factors = [f"({_text(channel.conductance)})"]
    for gate in channel.gates:
        value = _state(channel, gate) if gate.tau is not None else f"({_text(gate.inf)})"
        factors += [value] * gate.power
    return " * ".join([*factors, f"(v - ({_text(channel.reversal)}))"])


def _state(channel: Channel, gate: Gate) -> str:
    return f"s_{channel.name}_{gate.name}"


def _text(expr: Expression) -> str:
    return ast.unparse(_ForBrian2().visit(ast.parse(expr.text, mode="eval").body))


class _ForBrian2(ast.NodeTransformer):
    """Quantities get a prefix, functions that Brian2 lacks are written with those that it has."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return node if node.id == "v" else ast.Name("q_" + node.id)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        assert isinstance(node.func, ast.Name)
        arguments = [self.visit(argument) for argument in node.args]
        low, high = ast.UnaryOp(ast.USub(), ast.Constant(1e30)), ast.Constant(1e30)
        match node.func.id:
            case "vtrap":
                x, y = arguments
                return ast.BinOp(y, ast.Div(), ast.Call(ast.Name("exprel"), [ast.BinOp(x, ast.Div(), y)], []))
            case "minimum":
                return ast.Call(ast.Name("clip"), [arguments[0], low, arguments[1]], [])
            case "maximum":
                return ast.Call(ast.Name("clip"), [arguments[0], arguments[1], high], [])
        return ast.Call(node.func, arguments, [])
