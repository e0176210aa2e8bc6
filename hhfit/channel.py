"""Channels: conductances whose gates follow rates, and their tables in model files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hhfit import expression, library, soundness
from hhfit.errors import InputError
from hhfit.expression import Expression
from hhfit.morphology import need_keys

TEMPERATURE = "temperature"
"""Quantity [degC] that scales the rates of channels with a ``[temperature]`` table; without it they are as given."""


@dataclass(frozen=True, eq=False)
class Gate:
    """One gating variable of a channel.

    Args:
        name: Name, unique within its channel.
        power: Exponent in the conductance.
        inf: Steady state as a function of ``v`` [mV] and quantities.
        tau: Time constant [ms]; ``None`` for an instantaneous gate.
        alpha: Opening rate [1/ms], when the gate was given by rates, else ``None``.
        beta: Closing rate [1/ms], likewise.
    """

    name: str
    power: int
    inf: Expression
    tau: Expression | None
    alpha: Expression | None = None
    beta: Expression | None = None


@dataclass(frozen=True, eq=False)
class Channel:
    """A conductance in series with a battery: ``g * product(gate**power) * (v - e)``.

    Args:
        name: Name within the neuron.
        conductance: Maximal conductance [mS/cm2].
        reversal: Reversal potential [mV].
        gates: Its gates; none for a leak.
        source: Paper.
    """

    name: str
    conductance: Expression
    reversal: Expression
    gates: tuple[Gate, ...]
    source: str = ""


def types(table: Mapping[str, Any]) -> list[str]:
    """Bundled types of channels that a model's table names."""
    kinds = {str(channel["type"]) for channel in table.get("channels", {}).values() if "type" in channel}
    return sorted(kinds & set(library.names("models/channels")))


def text(kind: str, where: str) -> str:
    """TOML text of a bundled type of channel.

    Raises:
        InputError: If there is none.
    """
    try:
        return library.read(library.find("models/channels", kind))
    except InputError as error:
        raise InputError(f"{where}.type: {error}") from None


def build(name: str, table: Mapping[str, Any], units: Mapping[str, str], spot: str) -> Channel:
    """A channel from its TOML table.

    Args:
        name: Its name.
        table: The table.
        units: Units of the model's quantities by name.
        spot: Where the table is, for messages.

    Raises:
        InputError: If the table is wrong; the message says where.
    """
    if "type" in table:
        kind = library.parse(text(str(table["type"]), spot), f"{table['type']}.toml")
        title = f"{table['type']}.toml: "
    else:
        kind, title = table, f"{spot}."
    own = kind.get("parameters", {})
    inline = set() if "type" in table else {"gates", "source", "title", "parameters"}
    need_keys(table, {"conductance", "reversal"}, {"type"} | set(own) | inline, spot)
    bindings = {
        key: expression.parse(table.get(key, entry.get("value")), f"{spot}.{key}") for key, entry in own.items()
    }
    wanted = {"conductance": "mS/cm2", "reversal": "mV"} | {key: entry.get("unit") for key, entry in own.items()}
    for key in table.keys() & wanted.keys():
        soundness.need_unit(table[key], wanted[key], units, f"{spot}.{key}")
    faster = _speed(kind.get("temperature"), units, f"{title}temperature")
    gates = tuple(
        _gate(key, gate, bindings, faster, f"{title}gates.{key}") for key, gate in kind.get("gates", {}).items()
    )
    conductance = expression.parse(table["conductance"], f"{spot}.conductance")
    reversal = expression.parse(table["reversal"], f"{spot}.reversal")
    return Channel(name, conductance, reversal, gates, str(kind.get("source", "")))


def _speed(table: Mapping[str, Any] | None, units: Mapping[str, str], where: str) -> str:
    """Factor on all rates of a channel: its Q10 to the power of the temperature above its reference, over 10 degC."""
    if table is None or TEMPERATURE not in units:
        return ""
    need_keys(table, {"q10", "reference"}, set(), where)
    if not float(table["q10"]) > 0:
        raise InputError(f"{where}.q10 is {table['q10']}, must be positive")
    return f"{float(table['q10'])} ** (({TEMPERATURE} - {float(table['reference'])}) / 10)"


def _gate(name: str, table: Mapping[str, Any], bindings: Mapping[str, Expression], faster: str, where: str) -> Gate:
    need_keys(table, {"power"}, {"alpha", "beta", "inf", "tau"}, where)
    rates = {key: expression.parse(table[key], f"{where}.{key}").replace(bindings) for key in table.keys() - {"power"}}
    for key in rates.keys() - {"inf"} if faster else set():
        rates[key] = expression.parse(f"({rates[key].text}) {'/' if key == 'tau' else '*'} ({faster})", where)
    power = table["power"]
    if not isinstance(power, int) or power < 1:
        raise InputError(f"{where}.power is {power}, must be a whole number from 1")
    if rates.keys() == {"alpha", "beta"}:
        alpha, beta = rates["alpha"], rates["beta"]
        total = f"(({alpha.text}) + ({beta.text}))"
        inf = expression.parse(f"({alpha.text}) / {total}", where)
        return Gate(name, power, inf, expression.parse(f"1 / {total}", where), alpha, beta)
    if "inf" in rates and rates.keys() <= {"inf", "tau"}:
        return Gate(name, power, rates["inf"], rates.get("tau"))
    raise InputError(
        f"{where}: a gate needs alpha and beta, or inf and tau, or inf alone; got {', '.join(sorted(rates))}"
    )


def expressions(channel: Channel) -> Iterable[tuple[str, Expression]]:
    """Every expression of a channel, with where it stands in the model's table."""
    yield f"channels.{channel.name}.conductance", channel.conductance
    yield f"channels.{channel.name}.reversal", channel.reversal
    for gate in channel.gates:
        yield f"channels.{channel.name}.gates.{gate.name}.inf", gate.inf
        if gate.tau is not None:
            yield f"channels.{channel.name}.gates.{gate.name}.tau", gate.tau


def dump(channel: Channel) -> dict[str, Any]:
    """The TOML table of a channel, written out."""
    gates = {}
    for gate in channel.gates:
        rates = ("alpha", "beta") if gate.alpha is not None else ("inf", "tau")
        texts = {rate: getattr(gate, rate).text for rate in rates if getattr(gate, rate) is not None}
        gates[gate.name] = {"power": gate.power, **texts}
    ends = {"conductance": channel.conductance.text, "reversal": channel.reversal.text}
    return {**ends, "source": channel.source, "gates": gates}
