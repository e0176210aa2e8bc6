"""Channels written by hand in NMODL, which NEURON alone can run."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hhfit import expression
from hhfit.errors import InputError
from hhfit.expression import Expression
from hhfit.morphology import need_keys

_SUFFIX = re.compile(r"^(\s*)(?:NEURON\s*\{\s*)?\bSUFFIX\s+(\w+)", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class Mechanism:
    """A density mechanism from a ``.mod`` file.

    Args:
        name: Name within the neuron.
        file: Name of the file.
        text: Its NMODL text.
        parameters: Values of its RANGE parameters, in its own units.
        reversals: Reversal potential [mV] of the ions that it uses, by name of the ion.
        regions: Regions that have it; empty for all.
    """

    name: str
    file: str
    text: str
    parameters: Mapping[str, Expression]
    reversals: Mapping[str, Expression]
    regions: tuple[str, ...]

    @property
    def suffix(self) -> str:
        """Name that it is compiled under: another text, another name, so that no two are ever in each other's way."""
        return "mod" + hashlib.sha256(self.text.encode()).hexdigest()[:12]

    @property
    def renamed(self) -> str:
        """Its text under that name."""
        found = _SUFFIX.search(self.text)
        assert found is not None
        return f"{self.text[: found.start(2)]}{self.suffix}{self.text[found.end(2) :]}"

    def expressions(self) -> list[tuple[str, Expression]]:
        """Every expression of quantities, with where it stands in the TOML."""
        spot = f"channels.{self.name}"
        found = [(f"{spot}.parameters.{key}", expr) for key, expr in self.parameters.items()]
        return found + [(f"{spot}.reversals.{key}", expr) for key, expr in self.reversals.items()]


def build(name: str, table: Mapping[str, Any], where: str) -> Mechanism:
    """A mechanism from a channel's table with ``mod`` and, read from that file, ``text``.

    Raises:
        InputError: If the table is wrong, or the file is no density mechanism with these parameters.
    """
    need_keys(table, {"mod", "text", "parameters"}, {"reversals", "regions", "source"}, where)
    file, text = str(table["mod"]), str(table["text"])
    if _SUFFIX.search(text) is None:
        raise InputError(f"{where}.mod: {file} has no SUFFIX, must be a density mechanism")
    ranges = {word for line in re.findall(r"\bRANGE\s+([\w\s,]+?)(?=\n|\})", text) for word in re.findall(r"\w+", line)}
    for key in table["parameters"]:
        if key not in ranges:
            raise InputError(
                f"{where}.parameters.{key}: {file} has no RANGE variable {key!r}; it has {', '.join(sorted(ranges))}"
            )
    ions = set(re.findall(r"\bUSEION\s+(\w+)", text))
    for key in table.get("reversals", {}):
        if key not in ions:
            raise InputError(f"{where}.reversals.{key}: {file} uses no ion {key!r}; it uses {', '.join(sorted(ions))}")
    numbers = [
        {key: expression.parse(value, f"{where}.{part}.{key}") for key, value in table.get(part, {}).items()}
        for part in ("parameters", "reversals")
    ]
    return Mechanism(name, file, text, *numbers, tuple(map(str, table.get("regions", ()))))


def dump(mechanism: Mechanism) -> dict[str, Any]:
    """The table that ``build`` makes the same mechanism of."""
    return {
        "mod": mechanism.file,
        "text": mechanism.text,
        "parameters": {key: expr.text for key, expr in mechanism.parameters.items()},
        "reversals": {key: expr.text for key, expr in mechanism.reversals.items()},
        "regions": list(mechanism.regions),
    }
