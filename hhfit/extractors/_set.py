"""Feature sets: which features, of which part of a sweep, with which settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from hhfit import library, plugins
from hhfit.arrays import Array, need_shape
from hhfit.errors import InputError
from hhfit.extractors._base import SCALES, WINDOWS, Extractor, Feature, Settings, need_known_settings
from hhfit.protocol import Protocol


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Features of every sweep of a response.

    Args:
        name: Name of its file.
        title: What it is for, in one line.
        features: The features of one sweep.
        settings: Settings of the extractors, stored with every fit.
        text: The TOML text it was made of.
    """

    name: str
    title: str
    features: tuple[Feature, ...]
    settings: Settings
    text: str

    def __post_init__(self) -> None:
        known = {key: value for family in self.families for key, value in _class(family).defaults().items()}
        need_known_settings(known, self.settings, f"{self.name}.toml: settings")
        for family in self.families:
            self.extractor(family)

    @property
    def families(self) -> list[str]:
        """Names of the extractors it uses."""
        return sorted({feature.extractor for feature in self.features})

    def extractor(self, family: str) -> Extractor:
        """One extractor with those settings that it knows."""
        known = _class(family).defaults()
        return _class(family)({key: value for key, value in self.settings.items() if key in known})

    def names(self, protocol: Protocol) -> list[str]:
        """Names of the F features, sweep by sweep: ``"spike_count"``, or ``"2:spike_count"``."""
        if protocol.n_sweeps == 1:
            return [feature.name for feature in self.features]
        return [f"{sweep}:{feature.name}" for sweep in range(protocol.n_sweeps) for feature in self.features]

    def scales(self, protocol: Protocol) -> list[str]:
        """Scale of each of the F features."""
        return [feature.scale for feature in self.features] * protocol.n_sweeps

    def __call__(self, response: Array, protocol: Protocol) -> Array:
        """Compute the features of every row.

        Args:
            response: Membrane potential [mV], shape ``(N, S, T)``.
            protocol: The command of every sweep.

        Returns:
            Features in their units, shape ``(N, F)`` with ``F = S * len(features)``, sweep by
            sweep; NaN where undefined, and in the whole row if its response is not finite.
        """
        response = np.asarray(response, float)
        need_shape("response", response, (None, protocol.n_sweeps, protocol.n_times))
        x = np.full((len(response), protocol.n_sweeps, len(self.features)), np.nan)
        finite = np.isfinite(response).all(axis=(1, 2))
        for family in self.families if finite.any() else []:
            columns = [k for k, feature in enumerate(self.features) if feature.extractor == family]
            values = self.extractor(family)(response[finite], protocol, tuple(self.features[k] for k in columns))
            x[np.ix_(np.flatnonzero(finite), np.arange(protocol.n_sweeps), columns)] = values
        return x.reshape(len(response), -1)


def load(name: str) -> FeatureSet:
    """A bundled feature set by name, or one from a TOML file.

    Raises:
        InputError: If the file is missing or wrong; an unknown feature is answered with the
            nearest names.
    """
    path = library.find("features", name)
    return parse(library.read(path), path.stem)


def parse(text: str, name: str) -> FeatureSet:
    """A feature set from its TOML text; ``name`` is what to call it.

    Raises:
        InputError: If the text is wrong.
    """
    where = f"{name}.toml"
    table = library.parse(text, where)
    rows = table.get("features", [])
    if not rows:
        raise InputError(f"{where}: a feature set needs at least one [[features]] table")
    features = tuple(_feature(row, f"{where}: features[{k}]") for k, row in enumerate(rows))
    settings = dict(table.get("settings", {}))
    return FeatureSet(name, str(table.get("title", name)), features, settings, text)


def _class(family: str) -> type[Extractor]:
    return plugins.get("extractors", family).Extractor  # type: ignore[no-any-return]


def _feature(row: Mapping[str, Any], where: str) -> Feature:
    unknown = row.keys() - {"name", "extractor", "function", "window", "scale"}
    if unknown or "name" not in row or "extractor" not in row:
        raise InputError(
            f"{where}: needs name and extractor, may have function, window and scale; got {', '.join(row)}"
        )
    function = str(row.get("function", row["name"]))
    known = _class(str(row["extractor"])).functions()
    if function not in known:
        near = get_close_matches(function, known, n=3) or sorted(known)[:3]
        raise InputError(f"{where}: {row['extractor']} has no feature {function!r}; nearest are {', '.join(near)}")
    window, scale = str(row.get("window", "stimulus")), str(row.get("scale", "none"))
    for word, allowed in ((window, WINDOWS), (scale, SCALES)):
        if word not in allowed:
            raise InputError(f"{where}: {word!r} must be one of {', '.join(allowed)}")
    return Feature(str(row["name"]), str(row["extractor"]), function, window, scale, known[function])
