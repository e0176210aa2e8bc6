"""All that a fit found, and all that repeats it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.extractors import FeatureSet
from hhfit.model import Model
from hhfit.posterior import Posterior
from hhfit.recording import Recording
from hhfit.simulations import Simulations


@dataclass(frozen=True, eq=False)
class Predictive:
    """Simulations of parameter sets drawn from the posterior, with their traces.

    Args:
        simulations: Their parameters, features and outcomes, K rows.
        response: Membrane potential [mV], shape ``(K, S, T)``; NaN where a row failed.
        spikes: Spike count in the stimulus window, shape ``(K, S)``; NaN where a row failed.
        spikes_recorded: Spike count of the recording, by the same rule, shape ``(S,)``.
    """

    simulations: Simulations
    response: Array
    spikes: Array
    spikes_recorded: Array


@dataclass(frozen=True, eq=False)
class Validation:
    """Sweeps that were kept back from the fit, and what the posterior predicts of them.

    Args:
        recording: The sweeps, cut, shifted and decimated like those that were fitted.
        x_o: Their features, shape ``(F,)``.
        predictive: Simulations of them with parameter sets drawn from the posterior.
    """

    recording: Recording
    x_o: Array
    predictive: Predictive


@dataclass(frozen=True, eq=False)
class FitResult:
    """All that a fit found, and all that repeats it.

    Args:
        model: The neuron, with its priors.
        recording: The sweeps that were fitted, cut, shifted and decimated as they were used.
        features: The feature set.
        x_o: Observed features, shape ``(F,)``; NaN where undefined.
        posterior: The posterior.
        samples: Draws from it, shape ``(n, P)``.
        simulations: All simulations that inference used.
        predictive: Posterior-predictive simulations.
        settings: Arguments of the fit: method, simulations, rounds, seed, simulator, and so on.
        assumptions: Sentences on what was assumed: area, junction potential, temperature, window.
        rounds: What the method logged, round by round.
        timings: Wall and CPU seconds per stage: ``{"simulation": {"wall_s": 3.1, "cpu_s": 6.0}}``.
        checks: Numbers and verdicts of the diagnostics.
        truth: True parameters by name, when the recording is synthetic and carries them.
        versions: Versions of hhfit and of the packages that computed it.
        known: Simulations as inference sees them that no training has seen, their parameters spread like the prior of
            an amortised posterior: what calibration is measured on; none to use the held-out ones of ``simulations``.
        validation: Sweeps that were kept back; none when all were fitted.
    """

    model: Model
    recording: Recording
    features: FeatureSet
    x_o: Array
    posterior: Posterior
    samples: Array
    simulations: Simulations
    predictive: Predictive
    settings: Mapping[str, Any]
    assumptions: Sequence[str]
    rounds: Sequence[Mapping[str, Any]]
    timings: Mapping[str, Mapping[str, float]]
    checks: Mapping[str, Any] = field(default_factory=dict)
    truth: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    known: Simulations | None = None
    validation: Validation | None = None

    @cached_property
    def feature_names(self) -> list[str]:
        """Names of the F features."""
        return self.features.names(self.recording.protocol)

    @cached_property
    def checked(self) -> Array:
        """Columns of the features that checks look at: all but samples; a dozen per sweep where all are samples."""
        sampled = self.features.sampled(self.recording.protocol)
        others = sampled.others(len(self.x_o))
        if len(others):
            return others
        return sampled.columns[:, :: -(-sampled.columns.shape[1] // 12)].ravel()

    @cached_property
    def quantiles(self) -> Array:
        """Quantiles .025, .25, .5, .75, .975 of every parameter, shape ``(P, 5)``."""
        return np.quantile(self.samples, [0.025, 0.25, 0.5, 0.75, 0.975], axis=0).T

    @cached_property
    def most_probable(self) -> int:
        """Row of the predictive simulations whose parameters are the most probable of those that did not fail."""
        simulations = self.predictive.simulations
        return int(np.argmax(np.where(simulations.usable, self.posterior.log_prob(simulations.theta), -np.inf)))
