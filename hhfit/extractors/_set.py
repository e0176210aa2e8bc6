"""Feature sets: which features, of which part of a sweep, with which settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import numpy as np

from hhfit import library, plugins
from hhfit.arrays import Array, need_shape
from hhfit.errors import InputError
from hhfit.extractors._base import SCALES, WINDOWS, Extractor, Feature, Settings, need_known_settings, window_edges
from hhfit.protocol import Protocol
from hhfit.sampled import NOTHING, Sampled

EMBEDDING: dict[str, float | str] = {"kind": "gru", "units": 32, "step": 1.0, "stride": 6}
"""What ``[embedding]`` may say: the network, its units, the step [ms] at which it sees a sweep, and how many of these
samples it takes in at a time."""

MOST_SAMPLES = 20_000
"""Most samples per simulation: 10,000 simulations of so many are 1.6 GB."""


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Features of every sweep of a response.

    Args:
        name: Name of its file.
        title: What it is for, in one line.
        features: The features of one sweep.
        settings: Settings of the extractors, stored with every fit.
        text: The TOML text it was made of.
        embedding: What a network is to learn beside the features, under the keys of
            ``EMBEDDING``; empty without one.
    """

    name: str
    title: str
    features: tuple[Feature, ...]
    settings: Settings
    text: str
    embedding: Mapping[str, float | str] = field(default_factory=dict)

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
        """Names of the F features, sweep by sweep: ``"spike_count"``, or ``"2:spike_count"``.

        With an embedding, those of its samples of the sweep follow: ``"v@0.2"``, in ms.
        """
        names = [feature.name for feature in self.features]
        names += [f"v@{time:g}" for time in protocol.time[self._times(protocol)]]
        if protocol.n_sweeps == 1:
            return names
        return [f"{sweep}:{name}" for sweep in range(protocol.n_sweeps) for name in names]

    def scales(self, protocol: Protocol) -> list[str]:
        """Scale of each of the F features."""
        samples = len(protocol.time[self._times(protocol)])
        return ([feature.scale for feature in self.features] + ["none"] * samples) * protocol.n_sweeps

    def sampled(self, protocol: Protocol) -> Sampled:
        """Which of the F features are samples that the embedding sees, with the scaled command at each."""
        times = np.arange(protocol.n_times)[self._times(protocol)]
        own, sweeps = len(self.features), np.arange(protocol.n_sweeps)[:, None]
        columns = sweeps * (own + len(times)) + own + np.arange(len(times))
        if not self.embedding:
            return NOTHING
        largest = np.abs(protocol.command).max()
        units, stride = int(self.embedding["units"]), int(self.embedding["stride"])
        return Sampled(columns, protocol.command[:, times] / (largest if largest > 0 else 1.0), units, stride)

    def groups(self, protocol: Protocol) -> dict[str, Array]:
        """Columns of every feature, all sweeps together; ``"samples"`` are those that the embedding sees."""
        sampled, width = self.sampled(protocol).columns, len(self.names(protocol)) // protocol.n_sweeps
        found = {f.name: k + width * np.arange(protocol.n_sweeps) for k, f in enumerate(self.features)}
        return found | ({"samples": sampled.ravel()} if sampled.size else {})

    def _times(self, protocol: Protocol) -> slice:
        """Time points that the embedding sees of every sweep; none without one.

        Raises:
            InputError: If it wants to see more of them than there are, or more than ``MOST_SAMPLES`` in all.
        """
        if not self.embedding:
            return slice(0)
        step = float(self.embedding["step"])
        if step < protocol.dt * (1 - 1e-6):
            raise InputError(
                f"{self.name}.toml: embedding.step is {step:g} ms, must be at least dt = {protocol.dt:g} ms"
            )
        every = round(step / protocol.dt)
        count = -(-protocol.n_times // every) * protocol.n_sweeps
        if count > MOST_SAMPLES:
            raise InputError(
                f"{self.name}.toml: embedding.step = {step:g} ms gives {count} samples per simulation, at most "
                f"{MOST_SAMPLES} are allowed; fit fewer sweeps or make the step larger"
            )
        return slice(0, None, every)

    def __call__(self, response: Array, protocol: Protocol) -> Array:
        """Compute the features of every row.

        Args:
            response: Membrane potential [mV], shape ``(N, S, T)``.
            protocol: The command of every sweep.

        Returns:
            Features in their units, shape ``(N, F)``, sweep by sweep: the features, then the
            samples of the embedding. NaN where undefined, and in the whole row if its response is
            not finite.
        """
        response = np.asarray(response, float)
        need_shape("response", response, (None, protocol.n_sweeps, protocol.n_times))
        finite = np.isfinite(response).all(axis=(1, 2))
        if not finite.all():
            x = np.full((len(response), len(self.names(protocol))), np.nan)
            x[finite] = self._compute(response[finite], protocol)
            return x
        return self._compute(response, protocol)

    def _compute(self, response: Array, protocol: Protocol) -> Array:
        samples = response[:, :, self._times(protocol)]
        x = np.full((*response.shape[:2], len(self.features)), np.nan)
        for family in self.families if len(response) else []:
            columns = [k for k, feature in enumerate(self.features) if feature.extractor == family]
            chosen = tuple(self.features[k] for k in columns)
            x[..., columns] = self.extractor(family)(response, protocol, chosen)
        both = np.concatenate([x, samples], axis=2)
        return both.reshape(len(response), both.shape[1] * both.shape[2])


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
    rows, embedding = table.get("features", []), _embedding(table, where)
    if not rows and not embedding:
        raise InputError(f"{where}: a feature set needs at least one [[features]] table, or an [embedding]")
    features = tuple(_feature(row, f"{where}: features[{k}]") for k, row in enumerate(rows))
    names = [feature.name for feature in features]
    for repeated in names:
        if names.count(repeated) > 1:
            raise InputError(
                f"{where}: {names.count(repeated)} features are called {repeated!r}; give each its own name"
            )
    settings = dict(table.get("settings", {}))
    return FeatureSet(name, str(table.get("title", name)), features, settings, text, embedding)


def _embedding(table: Mapping[str, Any], where: str) -> dict[str, float | str]:
    said = table.get("embedding")
    if said is None:
        return {}
    for key, value in said.items():
        if key not in EMBEDDING:
            raise InputError(f"{where}: embedding has no {key!r}; it may have {', '.join(EMBEDDING)}")
        numeric = not isinstance(EMBEDDING[key], str)
        if numeric and (isinstance(value, bool | str) or not value > 0):
            raise InputError(f"{where}: embedding.{key} is {value!r}, must be a positive number")
        if key in ("units", "stride") and int(value) != value:
            raise InputError(f"{where}: embedding.{key} is {value!r}, must be a whole number")
        if key == "kind" and value != EMBEDDING["kind"]:
            raise InputError(f"{where}: embedding.kind is {value!r}, must be {EMBEDDING['kind']!r}")
    return {**EMBEDDING, **said}


def _class(family: str) -> type[Extractor]:
    return plugins.get("extractors", family).Extractor


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
    if scale not in SCALES:
        raise InputError(f"{where}: scale {scale!r} must be one of {', '.join(SCALES)}")
    if window not in WINDOWS:
        try:
            window_edges(window)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
    return Feature(str(row["name"]), str(row["extractor"]), function, window, scale, known[function])
