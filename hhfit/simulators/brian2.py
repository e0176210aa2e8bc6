"""Brian2: one group of neurons with parameters of their own, equations generated from the model."""

import ast
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import numpy as np

from hhfit.arrays import Array
from hhfit.channel import Channel, Gate
from hhfit.errors import DependencyError
from hhfit.expression import Expression
from hhfit.model import NOISE, Model, Pool
from hhfit.simulators._base import Simulator as Base
from hhfit.simulators._base import need_point, row_generator
from hhfit.simulators._cache import folder, need_compiler
from hhfit.units import MM_PER_MS_OF_UA_PER_CM2_IN_UM, PA_PER_UM2_IN_UA_PER_CM2

SIZES = (16, 128, 1024)
"""Neurons per group. Multiples of the vector length, so that a row never runs in a loop's scalar remainder."""

METHOD = "rk4"
"""Spike times within 1.2 us at 0.01 ms; Brian2's exponential Euler is of first order and 600 times worse."""


@final
class Simulator(Base):
    """Runs the model in Brian2's Cython target; groups are built once per process and used again.

    Command and noise are constant within an integration step.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        need_point(self.model, "brian2")

    def _simulate(self, theta: Array, seed: int, index: Array) -> tuple[Array, Array]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Brian2 2.9 calls pyparsing by its old names
            return self._quietly(theta, seed, index)

    def _quietly(self, theta: Array, seed: int, index: Array) -> tuple[Array, Array]:
        response = np.empty((len(theta), *self.protocol.command.shape))
        start = 0
        while start < len(theta):
            size = next((size for size in SIZES if size >= len(theta) - start), SIZES[-1])
            rows = np.arange(start, min(start + size, len(theta)))
            group = _group(equations(self.model), self.dt, size)
            values = _values(self.model, theta[np.resize(rows, size)])
            for sweep in range(self.protocol.n_sweeps):
                drive = self._density(sweep, seed, index[rows], values)
                response[rows, sweep] = group.run(values, drive, self.substeps)[:, : len(rows)].T
            start += size
        return response, np.ones(len(theta), bool)

    def _density(self, sweep: int, seed: int, index: Array, values: Mapping[str, Array]) -> Array:
        """Command and noise at every integration step [uA/cm2], shape ``(steps, size)``."""
        scale = PA_PER_UM2_IN_UA_PER_CM2 / values["q_area"]
        command = np.repeat(self.protocol.command[sweep, :-1], self.substeps)
        drive = command[:, None] * scale
        if self.is_noisy:
            amplitude = values[f"q_{NOISE}"] / np.sqrt(self.dt)
            for n, number in enumerate(index):
                drive[:, n] += amplitude[n] * row_generator(seed, int(number), sweep).standard_normal(len(drive))
        return drive


def equations(model: Model) -> str:
    """Brian2 equations of a model, dimensionless but for time: its numbers are in coherent units."""
    lines = [f"dv/dt = ({_current(model)} + drive) / q_capacitance / ms : 1", "drive : 1"]
    for channel in model.channels:
        for gate in channel.gates:
            if gate.tau is not None:
                lines.append(f"d{_state(channel, gate)}/dt = {_motion(channel, gate)} / ms : 1")
    if model.calcium is not None:
        lines.append(f"dpool/dt = ({_filling(model, model.calcium)}) / ms : 1")
    return "\n".join([*lines, *(f"q_{name} : 1 (constant)" for name in model.quantities)])


def _current(model: Model) -> str:
    return " ".join(f"- {_channel(channel)}" for channel in model.channels)


def _channel(channel: Channel) -> str:
    factors = [f"({_text(channel.conductance)})"]
    for gate in channel.gates:
        factors += [_state(channel, gate) if gate.tau is not None else f"({_text(gate.inf)})"] * gate.power
    return f"{' * '.join(factors)} * (v - ({_text(channel.reversal)}))"


def _filling(model: Model, pool: Pool) -> str:
    total = " + ".join(_channel(channel) for channel in model.channels if channel.name in pool.channels) or "0.0"
    inward = _call("maximum", ["0.0", f"(-({total}))"])
    removed = f"(pool - {_text(pool.rest)}) / ({_text(pool.tau)})"
    return f"{inward} * {MM_PER_MS_OF_UA_PER_CM2_IN_UM!r} / ({_text(pool.depth)}) - {removed}"


def _motion(channel: Channel, gate: Gate) -> str:
    state = _state(channel, gate)
    if gate.alpha is not None and gate.beta is not None:
        return f"(({_text(gate.alpha)}) * (1 - {state}) - ({_text(gate.beta)}) * {state})"
    if gate.tau is None:
        raise AssertionError(f"{gate.name} is instantaneous")
    return f"((({_text(gate.inf)}) - {state}) / ({_text(gate.tau)}))"


def _state(channel: Channel, gate: Gate) -> str:
    return f"s_{channel.name}_{gate.name}"


def _text(expression: Expression) -> str:
    return _node(expression.tree)


_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}


def _node(node: ast.expr) -> str:
    match node:
        case ast.Constant():
            return repr(float(node.value))
        case ast.Name():
            return {"v": "v", "ca": "pool"}.get(node.id) or f"q_{node.id}"
        case ast.UnaryOp(op=ast.USub()):
            return f"(-{_node(node.operand)})"
        case ast.UnaryOp():
            return _node(node.operand)
        case ast.BinOp():
            return f"({_node(node.left)} {_OPERATORS[type(node.op)]} {_node(node.right)})"
        case ast.Call():
            return _call(node.func.id, [_node(argument) for argument in node.args])
    raise AssertionError(f"unchecked node {node!r}")


def _call(name: str, args: list[str]) -> str:
    match name:
        case "vtrap":
            return f"({args[1]} / exprel({args[0]} / ({args[1]})))"
        case "minimum" | "maximum":
            sign = "-" if name == "minimum" else "+"
            return f"(0.5 * ({args[0]} + {args[1]} {sign} abs({args[0]} - {args[1]})))"
    return f"{name}({args[0]})"


def _values(model: Model, theta: Array) -> dict[str, Array]:
    """Parameters and initial state of every neuron, by their names in the equations."""
    quantities = model.values(theta)
    values = {f"q_{name}": value for name, value in quantities.items()}
    known = {**quantities, "v": quantities["v_init"]}
    if model.calcium is not None:
        known["ca"] = values["pool"] = np.broadcast_to(model.calcium.rest.evaluate(quantities), len(theta))
    for channel in model.channels:
        for gate in channel.gates:
            if gate.tau is not None:
                values[_state(channel, gate)] = np.broadcast_to(gate.inf.evaluate(known), len(theta))
    return {**values, "v": quantities["v_init"]}


@dataclass(frozen=True, eq=False)
class _Group:
    """A network of one group, made once per process.

    Args:
        network: Its Brian2 network.
        neurons: Its group.
        feed: The list ``[drive, substeps, trace]`` that every step reads and fills.
    """

    network: Any
    neurons: Any
    feed: list[Any]

    def run(self, values: Mapping[str, Array], drive: Array, substeps: int) -> Array:
        """Membrane potential at every ``substeps``-th step, shape ``(T, size)``."""
        from brian2 import ms

        self.network.restore("built")
        for name, value in values.items():
            self.neurons.variables[name].get_value()[:] = value
        trace = np.full((len(drive) // substeps + 1, len(self.neurons)), np.nan)
        self.feed[:] = [drive, substeps, trace]
        dt = float(self.neurons.clock.dt_) * 1e3
        self.network.run(len(drive) * dt * ms, namespace={})
        trace[-1] = self.neurons.variables["v"].get_value()
        return trace


@cache
def _group(text: str, dt: float, size: int) -> _Group:
    need_compiler("Brian2")
    try:
        import brian2
    except ImportError as error:
        raise DependencyError(f"Brian2 cannot be imported ({error}); pip install brian2") from None
    brian2.prefs.codegen.target = "cython"
    brian2.prefs.codegen.runtime.cython.cache_dir = str(folder("brian2"))
    brian2.BrianLogger.suppress_name("invalid_values")
    clock = brian2.Clock(dt=dt * brian2.ms)
    neurons = brian2.NeuronGroup(size, text, method=METHOD, clock=clock, name="cells")
    feed: list[Any] = []
    voltage, current = (neurons.variables[name].get_value() for name in ("v", "drive"))
    count = clock.variables["timestep"].get_value()

    def feed_step() -> None:
        drive, substeps, trace = feed
        step = int(count[0])
        if step % substeps == 0:
            trace[step // substeps] = voltage
        current[:] = drive[step]

    network = brian2.Network(neurons, brian2.NetworkOperation(feed_step, clock=clock, when="start"))
    network.store("built")
    return _Group(network, neurons, feed)
