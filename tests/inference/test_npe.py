import numpy as np
import pytest
from scipy import stats

from hhfit import inference, references
from hhfit.errors import SimulationError
from hhfit.inference import Budget, _truncation
from hhfit.journal import Memory
from hhfit.simulations import Simulations

QUICK = {"hidden": 24, "embedding": 4, "transforms": 2, "bins": 6, "steps": 600, "epochs": 100, "members": 2}


BETWEEN = {"steps_between": 400}


def fit(method, problem, x_o, *, simulations=2000, rounds=1, seed=0, journal=None, **settings):
    journal = journal or Memory()
    settings = QUICK | (BETWEEN if method == "tsnpe" else {}) | settings
    return inference.get(method, Budget(simulations, rounds), **settings).fit(
        problem.prior, problem.simulate, np.array(x_o), seed, journal
    )


class Watching(Memory):
    """Counts what a method reports and what it trains on."""

    def __init__(self):
        super().__init__()
        self.said = []

    def progress(self, stage, done, total, note):
        self.said.append((stage, done, total, note))


def divergence(problem, x_o, posterior):
    """KL divergence [nat] of the posterior from the exact one; sampling error 0.01."""
    rng = np.random.default_rng(0)
    exact = problem.exact(x_o)
    theta = np.stack([marginal.rvs(4000, random_state=rng) for marginal in exact], axis=1)
    log_ratio = sum(m.logpdf(theta[:, p]) for p, m in enumerate(exact)) - posterior.log_prob(theta)
    return np.mean(log_ratio)


@pytest.mark.parametrize("x_o", [[0.5, -1.0], [1.9, 0.0]], ids=["inside", "at the edge"])
@pytest.mark.parametrize(("method", "rounds"), [("npe", 1), ("tsnpe", 3)])
def test_posterior_is_the_closed_form_one_and_does_not_leak(gaussian, method, rounds, x_o):
    problem = gaussian()
    posterior = fit(method, problem, x_o, simulations=6000, rounds=rounds, steps=1200)
    # 0.01 to 0.02 nat with these small networks; the prior is 3 nat away
    assert divergence(problem, x_o, posterior) < 0.06
    theta = posterior.sample(4000, seed=1)
    assert problem.prior.contains(theta).all()
    for p, exact in enumerate(problem.exact(x_o)):
        assert np.median(theta[:, p]) == pytest.approx(exact.median(), abs=0.2 * exact.std())


@pytest.mark.parametrize(("method", "rounds"), [("npe", 1), ("tsnpe", 3)])
def test_density_integrates_to_one_over_the_prior(gaussian, method, rounds):
    problem = gaussian()
    posterior = fit(method, problem, [1.9, 0.0], simulations=1500, rounds=rounds, steps=100)
    centres = -2 + 4 * (np.arange(400) + 0.5) / 400
    grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
    assert np.exp(posterior.log_prob(grid)).mean() * 16 == pytest.approx(1.0, abs=0.02)
    assert (posterior.log_prob(np.array([[2.01, 0.0], [0.0, -2.01]])) == -np.inf).all()
    assert np.isfinite(posterior.log_prob(posterior.sample(500, seed=3))).all()


@pytest.mark.parametrize(("method", "rounds"), [("npe", 1), ("tsnpe", 2)])
def test_same_seed_gives_the_same_samples_and_another_seed_others(gaussian, method, rounds):
    problem = gaussian()
    one, two, three = (
        fit(method, problem, [0.5, 0.5], simulations=400, rounds=rounds, seed=seed, steps=100).sample(50, seed=1)
        for seed in (3, 3, 4)
    )
    assert (one == two).all()
    assert (one != three).all()


@pytest.mark.parametrize("kept", [3])
def test_an_interrupted_fit_resumes_to_the_identical_posterior(gaussian, kept):
    problem = gaussian()
    journal = Memory()
    x_o = [1.0, 0.5]
    whole = fit("tsnpe", problem, x_o, simulations=900, rounds=3, journal=journal, steps=100)
    again = Watching()
    for number in range(1, kept + 1):
        key = f"round-{number:02d}"
        again.record(key, journal.recall(key), journal.logs[key])
    resumed = fit("tsnpe", problem, x_o, simulations=900, rounds=3, journal=again, steps=100)
    assert {said[0] for said in again.said} == {f"round {r}: training" for r in range(kept + 1, 4)}
    theta = whole.sample(100, seed=5)
    assert (theta == resumed.sample(100, seed=5)).all()
    assert (whole.log_prob(theta) == resumed.log_prob(theta)).all()


def test_truncation_rules_nothing_out(gaussian, monkeypatch):
    monkeypatch.setattr(_truncation, "FULL", 1.0)  # no region is taken as its box
    posterior = fit("tsnpe", gaussian(), [0.5, -1.0], simulations=900, rounds=3, quantile=0.1, steps=100)
    side = (np.arange(200) + 0.5) / 200
    u = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    theta, inside = posterior.prior.from_cube(u), posterior.region.contains(u)
    density = np.exp(posterior.log_prob(theta) - posterior.prior.log_prob(theta))
    assert (density > 0).all()
    assert not inside.all()
    assert density.mean() == pytest.approx(1.0, abs=0.05)
    # a tenth of the density of round 2 lies beyond its region, and some of round 1's
    beyond = density[~inside].sum() / density.sum()
    assert 0.05 < beyond < 0.4
    drawn = posterior.sample_cube(4000, 3)
    assert (~posterior.region.contains(drawn)).mean() == pytest.approx(beyond, abs=0.05)


@pytest.mark.parametrize(("method", "rounds"), [("npe", 1), ("tsnpe", 2)])
def test_undefined_features_are_no_lost_rows(gaussian, method, rounds):
    problem = gaussian(extra=1, undefined=0.5)
    journal = Memory()
    posterior = fit(method, problem, [0.5, -1.0, np.nan], simulations=2000, rounds=rounds, journal=journal)
    assert journal.logs["round-01"]["trained_on"] == 2000 // rounds
    assert journal.logs["round-01"]["undefined_share"] == pytest.approx(0.5, abs=0.06)
    theta = posterior.sample(2000, seed=1)
    for p, exact in enumerate(problem.exact([0.5, -1.0])):
        assert theta[:, p].mean() == pytest.approx(exact.mean(), abs=0.1)


@pytest.mark.parametrize(("method", "rounds"), [("npe", 1), ("tsnpe", 2)])
def test_failed_rows_never_reach_the_loss(gaussian, method, rounds, monkeypatch):
    from hhfit.inference import _rounds

    problem, journal, seen = gaussian(failing=0.4), Memory(), []
    original = _rounds.likelihood

    def spying(u, x, weight):
        seen.append(np.isnan(x).any(axis=1))
        return original(u, x, weight)

    monkeypatch.setattr(_rounds, "likelihood", spying)
    fit(method, problem, [0.5, -1.0], simulations=600, rounds=rounds, journal=journal, steps=20)
    # every failed row of this problem has NaN features and no other row has any
    assert not np.concatenate(seen).any()
    log = journal.logs["round-01"]
    assert log["failed_share"] == pytest.approx(0.4, abs=0.12)
    assert log["trained_on"] == round((1 - log["failed_share"]) * log["simulations"])


@pytest.mark.parametrize("method", ["npe", "tsnpe"])
def test_nothing_usable_is_one_sentence(gaussian, method):
    with pytest.raises(SimulationError, match=r"0 of 200 simulations are usable.*narrow the prior"):
        fit(method, gaussian(failing=1.1), [0.5, -1.0], simulations=200)


def test_progress_is_reported_and_logs_are_json(gaussian):
    import json

    journal = Watching()
    fit("tsnpe", gaussian(), [0.0, 0.0], simulations=600, rounds=2, journal=journal, steps=50)
    assert {said[0] for said in journal.said} == {"round 1: training", "round 2: training"}
    assert all(0 <= done <= total for _, done, total, _ in journal.said)
    for log in journal.logs.values():
        json.dumps(log)
        assert log["leaked_mass"] == 0
        wanted = {"simulations", "failed_share", "accepted_prior_fraction", "boundary_mass", "epochs", "seconds"}
        assert wanted | {"validation_loss", "coverage_90", "effective_sample_size"} <= set(log)


def test_parameters_are_numbered_on_from_round_to_round(gaussian):
    problem, asked = gaussian(), []

    def simulate(theta, first):
        asked.append((first, len(theta)))
        return problem.simulate(theta, first)

    method = inference.get("tsnpe", Budget(500, 3), **QUICK | {"steps": 20})
    method.fit(problem.prior, simulate, np.zeros(2), 0, Memory())
    assert asked == [(0, 167), (167, 167), (334, 166)]


def test_posterior_of_a_log_uniform_prior_is_in_its_units():
    from hhfit.prior import Marginal, Prior
    from hhfit.simulations import Simulations

    prior = Prior(("g",), ("mS/cm2",), (Marginal("log-uniform", 0.01, 100.0),))

    def simulate(theta, first):
        noise = np.random.default_rng(first).standard_normal(theta.shape)
        return Simulations(theta, np.log(theta) + 0.3 * noise, np.zeros(len(theta)), first + np.arange(len(theta)))

    posterior = inference.get("npe", Budget(2000), **QUICK).fit(prior, simulate, np.zeros(1), 0, Memory())
    assert stats.kstest(np.log(posterior.sample(400, 0)[:, 0]) / 0.3, "norm").statistic < 0.12
    at = np.geomspace(0.0101, 99.9, 4000)
    assert np.trapezoid(np.exp(posterior.log_prob(at[:, None])), at) == pytest.approx(1.0, abs=0.02)


def test_undefined_features_are_learned_from_and_better_than_dropped():
    problem = references.Undefined(references.normal(np.ones(2), np.eye(2)), at_random=False)

    def dropping(theta, first):
        rows = problem.simulate(theta, first)
        return Simulations(rows.theta, rows.x, np.where(np.isnan(rows.x[:, 2]), 5, 0), rows.index)

    x_o, filled = np.array([0.5, -0.6, np.nan]), np.array([0.5, -0.6, 1.4])
    method, journal = inference.get("npe", Budget(1000), **QUICK), Memory()
    ours = method.fit(problem.prior, problem.simulate, x_o, 1, journal)
    dropped = method.fit(problem.prior, dropping, filled, 1, Memory())
    assert journal.logs["round-01"]["trained_on"] == 1000
    # the mean of defined values says the wrong thing about an undefined one
    assert problem.divergence(x_o, ours.log_prob) < 0.25
    assert problem.divergence(x_o, dropped.log_prob) > 3 * problem.divergence(x_o, ours.log_prob)
