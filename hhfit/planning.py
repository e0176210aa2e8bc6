"""What a fit is: its settings, what it is asked of, and how both are written down."""

import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from hhfit import __version__, extractors, inference, simulators
from hhfit import model as models
from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.extractors import FeatureSet
from hhfit.inference import Budget, Inference
from hhfit.model import Model
from hhfit.preparation import Corrections, Prepared, prepare
from hhfit.recording import Recording
from hhfit.run import network as network_of
from hhfit.run import settings_of
from hhfit.simulators import DEFAULT_STEP
from hhfit.task import Simulation
from hhfit.traces import Status, failures

PACKAGES = ("numpy", "torch", "sbi", "zuko", "neuron", "brian2", "efel", "numba")


@dataclass(frozen=True)
class Settings:
    """What a fit is asked to do; with the recording and the model it repeats the fit.

    Args:
        features: Name or path of a feature set.
        method: Name of an inference method.
        simulator: Name of a simulator.
        simulations: Simulations in all.
        rounds: Rounds that they are split into; single-round methods take all in one.
        seed: Same seed, same result, whatever the number of workers.
        step: Largest integration step [ms].
        tolerance: How far a simulated feature may be from the recorded one without the parameters being wrong: sd of
            the noise that is added to simulated features before inference, in half interquartile ranges of their
            prior prediction. No model is the neuron; 0 claims that this one is.
        samples: Draws from the posterior that are kept.
        predictions: Draws that are simulated again for the posterior prediction.
        fail_on: Outcomes that count as failed simulations, separated by commas, beside those that leave no trace
            (not_finite, solver, timeout, crashed): of silent, spontaneous, block, runaway, diverging.
        lost_mass: Share of usable simulations that sequential methods may lose by leaving parameters out that promise
            a failure; 0 leaves out next to none.
        network: Run directory of an earlier npe fit whose trained network is used instead of training one, with its
            number of simulations; none when empty.

    Raises:
        InputError: If a number cannot be.
    """

    features: str = "spiking"
    method: str = "tsnpe"
    simulator: str = "batched"
    simulations: int = 10_000
    rounds: int = 5
    seed: int = 0
    step: float = DEFAULT_STEP
    tolerance: float = 0.05
    samples: int = 10_000
    predictions: int = 100
    fail_on: str = "runaway,diverging"
    lost_mass: float = 1e-3
    network: str = ""

    def __post_init__(self) -> None:
        for name in ("samples", "predictions"):
            if getattr(self, name) < 10:
                raise InputError(f"{name} is {getattr(self, name)}, must be at least 10")
        if not self.step > 0:
            raise InputError(f"step is {self.step} ms, must be positive")
        if not 0 <= self.tolerance < 10:
            raise InputError(f"tolerance is {self.tolerance}, must be from 0 to below 10")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed is {self.seed}, must be from 0 to {2**32 - 1}")
        if not 0 <= self.lost_mass < 0.5:
            raise InputError(f"lost_mass is {self.lost_mass}, must be from 0 to below 0.5")
        if self.network and self.method != "npe":
            raise InputError(f"method is {self.method}, --network needs --method npe")
        _ = self.failures

    @property
    def failures(self) -> frozenset[Status]:
        """Outcomes that count as failed simulations."""
        return failures(name.strip() for name in self.fail_on.split(",") if name.strip())

    @property
    def budget(self) -> Budget:
        """Rounds and simulations."""
        return Budget(self.simulations, self.rounds)


@dataclass(frozen=True, eq=False)
class Fit:
    """All that determines the outcome of a fit: what ``fit.toml`` and ``recording.npz`` hold.

    Args:
        prepared: Sweeps and model as they are fitted, and what was assumed.
        features: The feature set.
        settings: What to do.
        truth: True parameters by name, when the recording is synthetic; else empty.
    """

    prepared: Prepared
    features: FeatureSet
    settings: Settings
    truth: Mapping[str, float]

    @property
    def x_o(self) -> Array:
        """Observed features, shape ``(F,)``."""
        recording = self.prepared.recording
        return self.features(recording.response[None], recording.protocol)[0]

    def inference(self, method: str, budget: Budget) -> Inference:
        """An inference method that learns the embedding of the feature set and leaves out what will fail.

        Raises:
            UnsupportedError: If it cannot.
        """
        sampled = self.features.sampled(self.prepared.recording.protocol)
        own = {"sampled": sampled} if self.features.embedding else {}
        found = inference.get(method, budget, **own)
        return replace(found, lost_mass=self.settings.lost_mass) if hasattr(found, "lost_mass") else found

    @property
    def task(self) -> Simulation:
        """What a worker does."""
        recording, settings = self.prepared.recording, self.settings
        return Simulation(
            self.prepared.model,
            recording.protocol,
            self.features,
            settings.simulator,
            settings.step,
            settings.failures,
        )


def plan(
    recording: Recording, model: Model, settings: Settings, corrections: Corrections, truth: Mapping[str, float]
) -> Fit:
    """Check everything that can be checked before anything is written or simulated.

    Raises:
        InputError: If anything given is wrong.
        UnsupportedError: If the simulator cannot run the model, or the method not learn an embedding.
    """
    like = None
    if settings.network:
        settings, like = _as_learned(settings)
    prepared = prepare(recording, model, corrections, like)
    features = extractors.load(settings.features)
    planned = Fit(prepared, features, settings, truth)
    planned.inference(settings.method, settings.budget)
    simulators.get(settings.simulator, prepared.model, prepared.recording.protocol, step=settings.step)
    _ = prepared.model.prior
    if np.isnan(planned.x_o).all():
        raise InputError(f"{recording.name}: no feature of {features.name!r} is defined on it; try another --features")
    return _with_network(planned) if settings.network else planned


def _as_learned(settings: Settings) -> tuple[Settings, Model]:
    """Settings with as many simulations as a network learned from, and the model that it holds for."""
    folder = Path(settings.network).resolve()
    table = settings_of(folder)
    try:
        budget = {name: table["settings"][name] for name in ("simulations", "rounds")}
        model = models.build(table["model"], table["model_name"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder}: its fit.toml lacks {error}; train the network again") from None
    return replace(settings, network=str(folder), **budget), model


def _with_network(planned: Fit) -> Fit:
    """The plan, saying where its network comes from.

    Raises:
        InputError: If the network does not hold for it.
    """
    prepared, folder = planned.prepared, planned.settings.network
    found = network_of(folder, to_table(planned), prepared.recording.protocol)
    sentence = (
        f"The network was not trained for this recording but taken from the run {folder}, where it learned from "
        f"{len(found.simulations)} simulations; none were added."
    )
    return replace(planned, prepared=replace(prepared, assumptions=(*prepared.assumptions, sentence)))


def to_table(planned: Fit) -> dict[str, Any]:
    """What ``fit.toml`` holds of a fit."""
    prepared = planned.prepared
    return {
        "settings": asdict(planned.settings),
        "assumptions": list(prepared.assumptions),
        "truth": dict(planned.truth),
        "versions": versions(),
        "features": {"name": planned.features.name, "text": planned.features.text},
        "model_name": prepared.model.name,
        "model_hash": prepared.model.hash,
        "model": models.dump(prepared.model),
    }


def from_table(table: Mapping[str, Any], recording: Recording, validation: Recording | None) -> Fit:
    """The fit that a run directory holds.

    Raises:
        InputError: If ``fit.toml`` lacks something.
    """
    try:
        model = models.build(table["model"], table["model_name"])
        features = extractors.parse(table["features"]["text"], table["features"]["name"])
        settings = Settings(**table["settings"])
        prepared = Prepared(recording, model, tuple(table["assumptions"]), validation)
    except (KeyError, TypeError) as error:
        raise InputError(f"fit.toml: {error} is missing or wrong; begin again with --overwrite") from None
    return Fit(prepared, features, settings, table["truth"])


def versions() -> dict[str, str]:
    """Versions of Python, hhfit and the packages that compute."""
    found = {"python": platform.python_version(), "hhfit": __version__}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
