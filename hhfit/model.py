"""The neuron: quantities with units, its channels, calcium and morphology."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from hhfit import channel, expression, library, mechanism, morphology, places, soundness, swc
from hhfit.arrays import Array, need_shape
from hhfit.channel import TEMPERATURE, Channel
from hhfit.errors import InputError
from hhfit.expression import Expression
from hhfit.mechanism import Mechanism
from hhfit.morphology import Morphology, need_keys
from hhfit.outcomes import Limits
from hhfit.prior import KINDS, Marginal, Prior, marginal
from hhfit.units import MODEL_UNITS

POSITIVE_UNITS = ("mS/cm2", "um2", "uF/cm2", "ms", "um", "ohm*cm")
REQUIRED = {"capacitance": "uF/cm2", "area": "um2", "v_init": "mV"}
"""Quantities that every model has, with their units; the area of a morphology follows from its sections."""

NOISE = "noise"
"""Optional quantity [uA/cm2*ms^0.5]: amplitude of white current noise."""

INTEGRATORS = ("", "exponential-euler", "rk4", "forward-euler")
"""Schemes that a model may ask for."""


@dataclass(frozen=True, eq=False)
class Quantity:
    """A named number of the model.

    Args:
        name: Its name in expressions.
        value: Its value; for a free quantity the reference.
        unit: One of ``units.MODEL_UNITS``.
        prior: Its prior when it is free, else ``None``.
        source: Paper, or why this value.
        equals: Expression of other quantities that it always has the value of; empty for a value of its own.

    Raises:
        InputError: If the unit is unknown or the value cannot be.
    """

    name: str
    value: float
    unit: str
    prior: Marginal | None = None
    source: str = ""
    equals: str = ""

    def __post_init__(self) -> None:
        if self.equals and self.prior is not None:
            raise InputError(f"{self.name} equals {self.equals!r} and has a prior, must have one of the two")
        if self.unit not in MODEL_UNITS:
            raise InputError(f"{self.name} has unknown unit {self.unit!r}; available: {', '.join(MODEL_UNITS)}")
        if not np.isfinite(self.value):
            raise InputError(f"{self.name} is {self.value} {self.unit}, must be finite")
        if self.unit in POSITIVE_UNITS and not self.value > 0:
            raise InputError(f"{self.name} is {self.value:g} {self.unit}, must be positive")
        if self.prior is not None and self.unit in POSITIVE_UNITS and self.prior.support[0] < 0:
            raise InputError(
                f"{self.name} has a prior down to {self.prior.support[0]:g} {self.unit}, must not be negative"
            )


@dataclass(frozen=True, eq=False)
class Pool:
    """Calcium under the membrane: ``dca/dt = max(0, -I) / (2 F depth) - (ca - rest) / tau``; it starts at rest.

    Args:
        channels: Names of the channels whose current fills it.
        depth: Depth of the shell [um].
        tau: Time constant of removal [ms].
        rest: Concentration at rest [mM].
    """

    channels: tuple[str, ...]
    depth: Expression
    tau: Expression
    rest: Expression


@dataclass(frozen=True, eq=False)
class Model:
    """A neuron: of one compartment, or with a morphology.

    Args:
        name: Name of its file.
        title: What it is, in one line.
        quantities: All numbers, by name, in the order of the file.
        channels: Its membrane currents.
        source: Paper.
        calcium: Its calcium pool, whose concentration [mM] expressions call ``ca``; ``None`` for none.
        integrator: Scheme that the paper integrated it with, when its numbers depend on that; else empty.
        morphology: Its sections and what each region has; ``None`` for one compartment.
        mechanisms: Its channels that are written in NMODL.
        limits: Where its outcomes begin: the table ``[outcomes]``.

    Raises:
        InputError: If a required quantity is missing, or an expression names an unknown one.
    """

    name: str
    title: str
    quantities: Mapping[str, Quantity]
    channels: tuple[Channel, ...]
    source: str = ""
    integrator: str = ""
    calcium: Pool | None = None
    morphology: Morphology | None = None
    mechanisms: tuple[Mechanism, ...] = ()
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.integrator not in INTEGRATORS:
            raise InputError(
                f"{self.name}: unknown integrator {self.integrator!r}; available: {', '.join(INTEGRATORS[1:])}"
            )
        for name, unit in REQUIRED.items():
            if name == "area" and self.morphology is not None:
                continue
            if name not in self.quantities:
                raise InputError(f"{self.name}: quantity {name!r} [{unit}] is missing")
        for name, unit in {**REQUIRED, NOISE: "uA/cm2*ms^0.5", TEMPERATURE: "degC"}.items():
            if name in self.quantities and self.quantities[name].unit != unit:
                found = self.quantities[name].unit
                raise InputError(f"{self.name}: quantities.{name} is in {found}, must be in {unit}")
        self._check_names()

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the free quantities: the parameters, in order."""
        return tuple(name for name, quantity in self.quantities.items() if quantity.prior is not None)

    @property
    def prior(self) -> Prior:
        """Prior over the parameters.

        Raises:
            InputError: If nothing is free.
        """
        free = [self.quantities[name] for name in self.free]
        if not free:
            raise InputError(f"{self.name}: no quantity has a prior, so there is nothing to fit")
        return Prior(self.free, tuple(q.unit for q in free), tuple(q.prior for q in free if q.prior))

    @property
    def reference(self) -> Array:
        """Reference value of every parameter, shape ``(P,)``."""
        return np.array([self.quantities[name].value for name in self.free])

    @property
    def hash(self) -> str:
        """Hash of everything that the simulation depends on, the free values left out."""
        return hashlib.sha256(self.describe().encode()).hexdigest()[:16]

    def describe(self) -> str:
        """The model as text: quantities, then currents with all names resolved."""
        lines = [self.name, *([f"integrator {self.integrator}"] if self.integrator else [])]
        for q in self.quantities.values():
            lines.append(f"{q.name} = {q.prior or q.equals or repr(q.value)} {q.unit}")
        for own in self.channels:
            lines.append(f"{own.name}: {own.conductance.text} * (v - ({own.reversal.text}))")
            for gate in own.gates:
                rates = [gate.alpha, gate.beta] if gate.alpha and gate.beta else [gate.inf, gate.tau]
                lines.append(f"  {gate.name}^{gate.power}: " + "; ".join(rate.text for rate in rates if rate))
        if self.calcium is not None:
            pool = self.calcium
            filled = ", ".join(pool.channels)
            lines.append(f"ca: {filled}; {pool.depth.text}; {pool.tau.text}; {pool.rest.text}")
        lines += [f"outcomes.{key}: {entry['value']}" for key, entry in self.limits.table().items()]
        lines += [f"{m.name}: {mechanism.dump(m)}" for m in self.mechanisms]
        if self.morphology is not None:
            lines.append(f"morphology {morphology.dump(self.morphology)}")
        return "\n".join(lines)

    def region(self, name: str) -> "Model":
        """The model as it is in one region of its morphology: its own conductances, none of those that are 0 there."""
        own = self.morphology.regions.get(name) if self.morphology is not None else None
        conductances = own.conductances if own is not None else {}
        there = [replace(c, conductance=conductances.get(c.name, c.conductance)) for c in self.channels]
        channels = tuple(c for c in there if c.conductance.text not in ("0", "0.0"))
        pool = self.calcium
        if pool is not None:
            names = {c.name for c in channels}
            pool = replace(pool, channels=tuple(name for name in pool.channels if name in names))
        own_mods = tuple(m for m in self.mechanisms if not m.regions or name in m.regions)
        return replace(self, channels=channels, calcium=pool, mechanisms=own_mods)

    def values(self, theta: Array) -> dict[str, Array]:
        """Value of every quantity for parameter sets ``(N, P)``: each of shape ``(N,)``."""
        need_shape("theta", theta, (None, len(self.free)))
        fixed = {name: np.full(len(theta), quantity.value) for name, quantity in self.quantities.items()}
        values = fixed | {name: theta[:, p] for p, name in enumerate(self.free)}
        bound = {name: expression.parse(q.equals, name) for name, q in self.quantities.items() if q.equals}
        return values | {name: np.broadcast_to(e.evaluate(values), len(theta)) for name, e in bound.items()}

    def with_values(self, values: Mapping[str, float]) -> "Model":
        """The model with other values of some quantities; priors stay.

        Raises:
            InputError: If a name is unknown or a value cannot be.
        """
        changed = {name: replace(self._quantity(name), value=float(value), equals="") for name, value in values.items()}
        return replace(self, quantities={**self.quantities, **changed})

    def with_priors(self, priors: Mapping[str, Marginal | None]) -> "Model":
        """The model with quantities freed by a prior, or fixed by ``None``."""
        changed = {name: replace(self._quantity(name), prior=prior) for name, prior in priors.items()}
        return replace(self, quantities={**self.quantities, **changed})

    def _quantity(self, name: str) -> Quantity:
        if name not in self.quantities:
            raise InputError(f"{self.name}: unknown quantity {name!r}; available: {', '.join(self.quantities)}")
        return self.quantities[name]

    def _check_names(self) -> None:
        for name, q in self.quantities.items():
            own = {other for other, o in self.quantities.items() if not o.equals}
            unknown = (
                expression.parse(q.equals, f"{self.name}: quantities.{name}.equals").names - own if q.equals else set()
            )
            if unknown:
                raise InputError(
                    f"{self.name}: quantities.{name}.equals names {min(unknown)!r}, must be one of {', '.join(own)}"
                )
        fixed = set(self.quantities)
        self._check_pool(fixed)
        if self.morphology is not None:
            for where, expr in self.morphology.expressions():
                self._check_known(where, expr, fixed)
        for where, expr in (pair for m in self.mechanisms for pair in m.expressions()):
            self._check_known(where, expr, fixed)
        known = fixed | {"v"} | ({"ca"} if self.calcium is not None else set())
        for where, expr in (pair for own in self.channels for pair in channel.expressions(own)):
            self._check_known(where, expr, known)

    def _check_pool(self, known: set[str]) -> None:
        if self.calcium is None:
            return
        for where, expr in (("depth", self.calcium.depth), ("tau", self.calcium.tau), ("rest", self.calcium.rest)):
            self._check_known(f"calcium.{where}", expr, known)
        names = {own.name for own in self.channels}
        for name in self.calcium.channels:
            if name not in names:
                raise InputError(
                    f"{self.name}: calcium.channels names {name!r}, must be among {', '.join(sorted(names))}"
                )

    def _check_known(self, where: str, expr: Expression, known: set[str]) -> None:
        unknown = expr.names - known
        if unknown:
            names = ", ".join(sorted(known))
            raise InputError(f"{self.name}: {where} names unknown {sorted(unknown)[0]!r}; available: {names}")


def load(name: str) -> Model:
    """A bundled model by name, or one from a TOML file.

    Raises:
        InputError: If the file is missing or wrong; the message says where.
    """
    path = library.find("models", name)
    text = library.read(path)
    table = library.parse(text, path.name)
    try:
        _read_files(table, path)
        return build(table, path.stem)
    except InputError as error:
        texts = {path.name: text} | {f"{kind}.toml": channel.text(kind, path.name) for kind in channel.types(table)}
        raise InputError(places.with_line(str(error), texts)) from None


def _read_files(table: dict[str, Any], path: Path) -> None:
    """Put what other files hold into a model's table: the sections of an SWC file, the text of channels in NMODL."""
    if isinstance(shape := table.get("morphology"), dict) and "swc" in shape:
        if "sections" in shape:
            raise InputError(f"{path.name}: morphology has both swc and sections, must have one of the two")
        shape["sections"] = swc.read(path.parent / str(shape.pop("swc")))
    for own in table.get("channels", {}).values():
        if "mod" in own:
            own["text"] = library.read(path.parent / str(own["mod"]))


def build(table: Mapping[str, Any], name: str) -> Model:
    """A model from its TOML table; ``name`` is what to call it.

    Raises:
        InputError: If the table is wrong; the message says where.
    """
    where = f"{name}.toml"
    quantities = {key: _quantity(key, value, where) for key, value in table.get("quantities", {}).items()}
    units = {key: q.unit for key, q in quantities.items()}
    given = table.get("channels", {})
    channels = tuple(
        channel.build(key, value, units, f"{where}: channels.{key}")
        for key, value in given.items()
        if "mod" not in value
    )
    mods = tuple(mechanism.build(key, v, f"{where}: channels.{key}") for key, v in given.items() if "mod" in v)
    texts = (str(table.get(key, "")) for key in ("source", "integrator"))
    pool = _pool(table["calcium"], where) if "calcium" in table else None
    shape = morphology.build(table["morphology"], where) if "morphology" in table else None
    limits = Limits.of(table.get("outcomes", {}), where)
    model = Model(name, str(table.get("title", name)), quantities, channels, *texts, pool, shape, mods, limits)
    for m in mods:
        for name in set(m.regions) - set(shape.names if shape is not None else ()):
            raise InputError(f"{where}: channels.{m.name}.regions: the model has no region {name!r}")
    if mods and (warmth := quantities.get(TEMPERATURE)) is not None and warmth.prior is not None:
        raise InputError(f"{where}: quantities.{TEMPERATURE} has a prior, must be fixed beside {mods[0].file}")
    _check(model, where)
    return model


def dump(model: Model) -> dict[str, Any]:
    """The TOML table of a model, its channels written out: ``build(dump(model), name)`` is the same model."""
    quantities = {}
    for name, q in model.quantities.items():
        quantities[name] = {"value": q.value, "unit": q.unit, "source": q.source, "equals": q.equals}
        if q.prior is not None:
            first, second = KINDS[q.prior.kind]
            quantities[name]["prior"] = {"kind": q.prior.kind, first: q.prior.a, second: q.prior.b}
    channels = {own.name: channel.dump(own) for own in model.channels}
    channels |= {m.name: mechanism.dump(m) for m in model.mechanisms}
    head = {"title": model.title, "source": model.source, "integrator": model.integrator}
    table = {**head, "quantities": quantities, "channels": channels}
    if model.calcium is not None:
        pool = model.calcium
        numbers = {"depth": pool.depth.text, "tau": pool.tau.text, "rest": pool.rest.text}
        table["calcium"] = {"channels": list(pool.channels), **numbers}
    if model.limits != Limits():
        table["outcomes"] = model.limits.table()
    if model.morphology is not None:
        table["morphology"] = morphology.dump(model.morphology)
    return table


def _pool(table: Mapping[str, Any], where: str) -> Pool:
    need_keys(table, {"channels", "depth", "tau", "rest"}, set(), f"{where}: calcium")
    numbers = (expression.parse(table[key], f"{where}: calcium.{key}") for key in ("depth", "tau", "rest"))
    return Pool(tuple(str(name) for name in table["channels"]), *numbers)


def _quantity(name: str, table: Mapping[str, Any], where: str) -> Quantity:
    spot = f"{where}: quantities.{name}"
    if not name.isidentifier() or name in ("v", "ca", "dt") or name in expression.FUNCTIONS:
        raise InputError(
            f"{spot}: {name!r} cannot name a quantity; use letters, digits and '_', not 'v', 'ca', 'dt' or a function"
        )
    need_keys(table, {"value", "unit"}, {"prior", "source", "equals"}, spot)
    prior = marginal(table["prior"], f"{spot}.prior") if "prior" in table else None
    try:
        texts = (str(table.get(key, "")) for key in ("source", "equals"))
        return Quantity(name, float(table["value"]), str(table["unit"]), prior, *texts)
    except (InputError, TypeError, ValueError) as error:
        raise InputError(f"{where}: quantities.{error}") from None


def _check(model: Model, where: str) -> None:
    """Raise unless quantities, rates, calcium and morphology are sound at the reference."""
    units = {name: q.unit for name, q in model.quantities.items()}
    values: dict[str, Array | float] = {name: q.value for name, q in model.quantities.items()}
    for name, q in model.quantities.items():
        if q.equals:
            spot = f"{where}: quantities.{name}.equals"
            soundness.need_unit(q.equals, q.unit, units, spot)
            need = soundness.need_positive if q.unit in POSITIVE_UNITS else soundness.need_finite
            need(expression.parse(q.equals, spot), values, spot)
    if model.morphology is not None:
        soundness.need_shape(model.morphology, [own.name for own in model.channels], units, values, where)
    if (pool := model.calcium) is not None:
        soundness.need_pool({"depth": pool.depth, "tau": pool.tau, "rest": pool.rest}, units, where)
        for key, expr in (("depth", pool.depth), ("tau", pool.tau), ("rest", pool.rest)):
            soundness.need_positive(expr, values, f"{where}: calcium.{key}")
        values["ca"] = pool.rest.evaluate(values)
    soundness.need_rates((pair for own in model.channels for pair in channel.expressions(own)), values, where)
