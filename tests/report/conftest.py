"""A fit whose posterior is known in closed form, with traces to look at."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from hhfit import diagnostics, report
from hhfit import model as models
from hhfit.extractors import Feature, FeatureSet
from hhfit.posterior import Amortized
from hhfit.prior import Prior
from hhfit.protocol import step
from hhfit.recording import Recording
from hhfit.result import FitResult, Predictive, Validation
from hhfit.simulations import Simulations
from hhfit.traces import Status

FEATURES = ("rest", "peak", "latency", "width", "depth")
UNITS = ("mV", "mV", "ms", "ms", "mV")
CENTRE = np.array([-70.0, 30.0, 20.0, 1.0, -60.0])
SCALE = np.array([5.0, 8.0, 6.0, 0.2, 4.0])
NOISE = 0.5


@dataclass(frozen=True, eq=False)
class LinearGaussian(Amortized):
    """Exact posterior: z, the prior's normal score of theta, is normal, and x is linear in z."""

    law: Prior
    matrix: np.ndarray
    x_o: np.ndarray
    unseen: np.ndarray
    narrow: float = 1.0
    shift: float = 0.0

    @property
    def prior(self):
        return self.law

    @property
    def held_out(self):
        return self.unseen

    def summary(self, x):
        return self.centre(x)

    def spread(self, n, seed):
        return self.law.sample(n, seed)

    @property
    def factor(self):
        precision = np.eye(len(self.matrix)) + self.matrix @ self.matrix.T / NOISE**2
        return np.linalg.cholesky(np.linalg.inv(precision))

    def centre(self, x):
        y = (x - np.resize(CENTRE, x.shape[-1])) / np.resize(SCALE, x.shape[-1])
        return y @ self.matrix.T / NOISE**2 @ self.factor @ self.factor.T

    def sample_at(self, x, n, seed):
        noise = np.random.default_rng(seed).standard_normal((len(x), n, len(self.matrix)))
        moved = noise / self.narrow + self.shift * np.eye(len(self.matrix))[0]
        z = self.centre(x)[:, None] + moved @ self.factor.T
        return self.law.from_cube(ndtr(z).reshape(-1, z.shape[-1])).reshape(z.shape)

    def log_prob_at(self, theta, x):
        flat = theta.reshape(-1, theta.shape[-1])
        z = ndtri(self.law.to_cube(flat)).reshape(theta.shape)
        white = np.linalg.solve(self.factor, (z - self.centre(x)[:, None])[..., None])[..., 0]
        white = (white - self.shift * np.eye(len(self.matrix))[0]) * self.narrow
        outside = ~self.law.contains(flat).reshape(z.shape[:-1])
        density = 0.5 * ((z**2) - white**2).sum(axis=-1) + self.law.log_prob(flat).reshape(z.shape[:-1])
        return np.where(outside, -np.inf, density)

    def sample(self, n, seed):
        return self.sample_at(self.x_o[None], n, seed)[0]

    def log_prob(self, theta):
        return self.log_prob_at(theta[None], self.x_o[None])[0]


def spike_train(protocol, counts, rest):
    """Traces ``(N, S, T)``: a charging curve with evenly spaced spikes, ``counts`` of them ``(N, S)``."""
    time = protocol.time
    response = np.empty((*counts.shape, protocol.n_times))
    for s, (on, off) in enumerate(protocol.windows):
        inside = np.clip(time - on, 0, off - on)
        tail = np.exp(-np.clip(time - off, 0, None) / 12.0)
        charging = 0.05 * protocol.amplitude[s] * (1 - np.exp(-inside / 12.0)) * tail
        for n, count in enumerate(counts[:, s]):
            at = on + (np.arange(count) + 0.4) * (off - on) / max(count, 1)
            bump = np.exp(-(((time[:, None] - at) / 0.8) ** 2)) - 0.15 * np.exp(-(((time[:, None] - at - 5) / 3) ** 2))
            response[n, s] = rest[n] + charging + 95.0 * bump.sum(axis=1)
    return response


def spike_counts(z, protocol):
    drive = np.clip(protocol.amplitude / 40.0 - 1.0, 0, None) * np.exp(0.15 * z[:, :1] - 0.1 * z[:, 3:4])
    return np.round(drive).astype(int)


def build_fit(*, sweeps=4, narrow=1.0, shift=0.0, extra_spikes=0, seed=0, held_out=400, checked=True):
    rng = np.random.default_rng(seed)
    model = models.load("pospischil")
    prior = model.prior
    amplitudes = np.linspace(-50, 300, sweeps) if sweeps > 1 else np.array([150.0])
    protocol = step(amplitudes, on=50.0, off=350.0, duration=450.0, dt=0.1)
    matrix = np.tile(rng.standard_normal((prior.n_parameters, len(FEATURES))) / 2, (1, sweeps))
    matrix += 0.05 * rng.standard_normal(matrix.shape)

    def simulate(theta):
        z = ndtri(prior.to_cube(theta))
        y = z @ matrix + NOISE * rng.standard_normal((len(theta), matrix.shape[1]))
        return np.resize(CENTRE, y.shape[1]) + np.resize(SCALE, y.shape[1]) * y

    truth = prior.from_cube(ndtr(0.6 * rng.standard_normal((1, prior.n_parameters))))
    x_o = simulate(truth)[0]
    theta = prior.sample(4000, seed)
    status = np.where(rng.random(4000) < 0.02, Status.NOT_FINITE, Status.OK)
    x = np.where(status[:, None] == Status.OK, simulate(theta), np.nan)
    simulations = Simulations(theta, x, status, np.arange(4000))
    posterior = LinearGaussian(prior, matrix, x_o, np.arange(4000 - held_out, 4000), narrow, shift)
    samples = posterior.sample(2000, seed)
    drawn = samples[:60]
    counts = spike_counts(ndtri(prior.to_cube(drawn)), protocol)
    recorded = spike_counts(ndtri(prior.to_cube(truth)), protocol)[0] + extra_spikes * (amplitudes > 0)
    noise = 0.3 * rng.standard_normal((sweeps, protocol.n_times))
    response = spike_train(protocol, recorded[None], np.array([-70.0]))[0] + noise
    predictive = Predictive(
        Simulations(drawn, simulate(drawn), np.zeros(60, int), np.arange(60)),
        spike_train(protocol, counts, -70 + 1.5 * rng.standard_normal(60)),
        counts.astype(float),
        recorded.astype(float),
    )
    origin = {"name": "synthetic.nwb", "format": "nwb", "sha256": "0" * 64}
    result = FitResult(
        model=model,
        recording=Recording(response, protocol, np.arange(sweeps), origin),
        features=FeatureSet(
            "closed_form",
            "Features that are linear in the parameters",
            tuple(Feature(n, "waveform", n, "stimulus", "none", u) for n, u in zip(FEATURES, UNITS, strict=True)),
            {},
            "",
        ),
        x_o=x_o,
        posterior=posterior,
        samples=samples,
        simulations=simulations,
        predictive=predictive,
        settings={
            "method": "tsnpe",
            "simulations": 4000,
            "rounds": 1,
            "seed": seed,
            "simulator": "neuron",
            "step": 0.025,
            "features": "closed_form",
        },
        assumptions=[
            "Membrane area 15394 um2: taken from the model file.",
            "Liquid junction potential: not given; no correction was made.",
        ],
        rounds=[{"simulations": 4000}],
        timings={
            "simulation": {"wall_s": 31.0, "cpu_s": 60.5},
            "training": {"wall_s": 95.0, "cpu_s": 120.0},
        },
        truth=dict(zip(prior.names, truth[0].tolist(), strict=True)),
        versions={"hhfit": "0.1.0", "numpy": np.__version__},
    )
    return replace(result, checks=diagnostics.check(result, seed=seed)) if checked else result


@pytest.fixture(scope="session")
def make_fit():
    """Builds a fit: ``make_fit(sweeps=4, narrow=1.0, shift=0.0, extra_spikes=0)``."""
    return build_fit


@pytest.fixture(scope="session")
def fit(make_fit):
    """A good fit of four sweeps."""
    return make_fit()


def with_everything(fit):
    """The fit with sweeps kept back, a sensitivity table and a robust posterior."""
    full = replace(fit, validation=Validation(fit.recording, fit.x_o, fit.predictive))
    names, cube = fit.posterior.names, fit.posterior.prior.to_cube(fit.samples)

    def refit(assumption):
        move = 0.2 if assumption.name == "ljp" else 0.01
        return fit.posterior.prior.from_cube(np.clip(cube + np.sign(assumption.change) * move, 0, 1))

    found = diagnostics.robust(
        fit.posterior, fit.simulations, fit.x_o, names=fit.feature_names, n=len(fit.samples), seed=0
    )
    extra = {
        "sensitivity": {
            "rows": diagnostics.sensitivity(fit.samples, names, refit),
            "skipped": {"area x 2": "area is fitted"},
            "simulations": 1500,
        },
        "robust": diagnostics.robust_table(found, fit.samples, names),
    }
    checks = diagnostics.check(full, seed=0) | extra
    return replace(full, checks=diagnostics.with_verdict(diagnostics.to_plain(checks)))


@pytest.fixture(scope="session")
def good_page(fit, tmp_path_factory):
    """Report of a good fit."""
    return report.write(with_everything(fit), tmp_path_factory.mktemp("good"))


@pytest.fixture(scope="session")
def bad_page(make_fit, tmp_path_factory):
    """Report of a fit whose model cannot reproduce the spike counts."""
    return report.write(make_fit(sweeps=5, extra_spikes=6), tmp_path_factory.mktemp("bad"))
