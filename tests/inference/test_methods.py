"""Rules that every method keeps, and the closed forms that each is held to."""

import json

import numpy as np
import pytest

from hhfit import inference, plugins, references
from hhfit.errors import HHFitError, InferenceError, InputError, UnsupportedError
from hhfit.inference import Budget
from hhfit.inference.snpe_a import nearest
from hhfit.journal import Memory
from hhfit.prior import Marginal, Prior

FLOW = {"members": 2, "hidden": 24, "embedding": 4, "transforms": 2, "bins": 6, "steps": 300}
QUICK = {
    "npe": FLOW,
    "tsnpe": FLOW | {"steps_between": 200},
    "snpe_c": FLOW | {"steps_between": 200, "atoms": 5},
    "snpe_a": {"epochs": 60},
    "snpe_b": {"epochs": 60, "components": 2},
    "snpe_c_mixture": {"epochs": 15, "components": 1},
    "ibea": {"offspring": 20},
}
METHODS = plugins.names("inference")
ROUNDS = ("snpe_a", "snpe_b", "snpe_c", "snpe_c_mixture", "tsnpe")
CORRELATED = references.LinearGaussian(references.normal(np.ones(2), np.array([[1, 0.8], [0.8, 1]])), 1.0)
X_O = np.array([1.5, -1.5])


def fit(method, problem, x_o, *, simulations=600, rounds=2, seed=0, journal=None, **settings):
    algorithm = inference.get(method, Budget(simulations, rounds), **QUICK.get(method, {}) | settings)
    return algorithm.fit(problem.prior, problem.simulate, x_o, seed, journal or Memory())


@pytest.mark.parametrize("method", METHODS)
def test_samples_repeat_and_lie_inside_the_prior(method):
    problem = references.TwoMoons(references.box(2, 1.0))
    x_o = np.zeros(2)
    settings = {key: 40 for key in ("steps", "steps_between") if key in QUICK.get(method, {})}
    settings |= {"epochs": 3} if "epochs" in QUICK.get(method, {}) else {}
    settings |= {"space": "probit"} if method in ("snpe_a", "snpe_b") else {}
    journal = Memory()
    one = fit(method, problem, x_o, simulations=400, journal=journal, **settings)
    two = fit(method, problem, x_o, simulations=400, **settings)
    theta = one.sample(200, seed=1)
    assert theta.shape == (200, 2)
    assert (theta == two.sample(200, seed=1)).all()
    assert problem.prior.contains(theta).all()
    assert np.isfinite(one.log_prob(theta)).all()
    assert one.log_prob(np.array([[1.5, 0.0]])) == -np.inf
    assert one.names == problem.prior.names
    for log in journal.logs.values():
        json.dumps(log)
        assert log["leaked_mass"] == 0


@pytest.mark.parametrize("method", ROUNDS)
def test_correlated_prior_gives_the_closed_form(method):
    posterior = fit(method, CORRELATED, X_O, simulations=3000, rounds=3)
    theta = posterior.sample(4000, seed=1)
    mean, covariance = CORRELATED.moments(X_O)
    sd = np.sqrt(np.diag(covariance))
    # what 3000 simulations and these small networks leave; the prior's diagonal alone would shift the mean by 0.8 sd
    assert np.abs((theta.mean(axis=0) - mean) / sd).max() < 0.35
    assert np.corrcoef(theta.T)[0, 1] == pytest.approx(covariance[0, 1] / sd.prod(), abs=0.15)
    assert theta.std(axis=0) == pytest.approx(sd, rel=0.25)


@pytest.mark.parametrize("method", ROUNDS)
@pytest.mark.parametrize("kept", [1])
def test_an_interrupted_fit_resumes_to_the_identical_posterior(method, kept):
    journal, again = Memory(), Memory()
    settings = {"epochs": 4} if "epochs" in QUICK[method] else {"steps": 40, "steps_between": 40}
    whole = fit(method, CORRELATED, X_O, journal=journal, **settings)
    for key in [f"round-{number:02d}" for number in range(1, kept + 1)]:
        again.record(key, journal.recall(key), journal.logs[key])
    resumed = fit(method, CORRELATED, X_O, journal=again, **settings)
    theta = whole.sample(50, seed=2)
    assert (theta == resumed.sample(50, seed=2)).all()
    assert (whole.log_prob(theta) == resumed.log_prob(theta)).all()


@pytest.mark.parametrize("method", METHODS)
def test_nothing_usable_is_one_sentence(method):
    class Broken(references.TwoMoons):
        def simulate(self, theta, first):
            good = super().simulate(theta, first)
            return type(good)(good.theta, good.x * np.nan, np.full(len(theta), 5), good.index)

    with pytest.raises(HHFitError, match="usable"):
        fit(method, Broken(references.box(2, 1.0)), np.zeros(2), simulations=200)


def test_division_that_leaves_no_gaussian_is_reported():
    problem = references.Mixture(references.box(1, 10.0), (1.0, -1.0), (1.0, 1.0))
    with pytest.raises(InferenceError, match=r"snpe_a, round \d: the posterior's precision has eigenvalue -"):
        fit("snpe_a", problem, np.array([0.0]), simulations=400, rounds=4, epochs=20)


@pytest.mark.parametrize(
    ("problem", "beyond"),
    [(references.TwoMoons(references.box(2, 1.0)), True), (references.LinearGaussian(references.box(2, 1.0)), False)],
    ids=["moons", "Gaussian"],
)
def test_snpe_a_says_when_gaussians_do_not_do(caplog, problem, beyond):
    x_o = problem.observation(1)
    journal = Memory()
    fit("snpe_a", problem, x_o, journal=journal, simulations=1000, rounds=1, epochs=60)
    assert ("Gaussians do not describe the parameters simulated near the observation" in caplog.text) == beyond
    assert bool(journal.logs["round-01"]["doubts"]) == beyond


@pytest.mark.parametrize(
    ("budget", "rounds"),
    [
        (Budget(7000, 3), [1000, 1000, 5000]),
        (Budget(2000, 2), [500, 1500]),
        (Budget(600, 3), [200, 200, 200]),
        (Budget(3000, 2, 1000), [2000, 1000]),
    ],
)
def test_snpe_a_spends_most_in_its_last_round_unless_told(budget, rounds):
    journal = Memory()
    algorithm = inference.get("snpe_a", budget, epochs=1)
    algorithm.fit(CORRELATED.prior, CORRELATED.simulate, X_O, 0, journal)
    assert [log["simulations"] for log in journal.logs.values()] == rounds


def test_rows_that_lack_other_features_than_the_observation_are_far():
    x = np.array([[0.0, np.nan], [3.0, 0.0], [1.0, 0.0], [np.nan, np.nan]])
    assert nearest(x, np.array([0.0, 0.0]))[:2].tolist() == [2, 1]
    assert nearest(x, np.array([2.0, np.nan]))[0] == 0


def test_natural_space_refuses_a_correlated_box():
    prior = Prior(("a", "b"), ("1", "1"), (Marginal("uniform", 0.0, 1.0),) * 2, np.array([[1, 0.5], [0.5, 1]]))
    with pytest.raises(UnsupportedError, match="probit"):
        fit("snpe_b", references.TwoMoons(prior), np.zeros(2), space="natural")


@pytest.mark.parametrize(
    ("method", "settings", "words"),
    [
        ("snpe_b", {"kernel": "box"}, "unknown kernel"),
        ("snpe_b", {"defensive": 1.0}, "defensive"),
        ("snpe_b", {"kernel": "uniform", "bandwidth": 1e-9}, "bandwidth"),
        ("snpe_a", {"space": "log"}, "unknown space"),
        ("snpe_c", {"atoms": 1}, "atoms"),
    ],
)
def test_wrong_settings_are_refused(method, settings, words):
    with pytest.raises(InputError, match=words):
        fit(method, CORRELATED, X_O, **settings)


def test_poor_weights_are_truncated_and_said(caplog):
    journal = Memory()
    fit("snpe_b", CORRELATED, X_O, journal=journal, least_effective=0.99, kernel="none", epochs=3)
    assert journal.logs["round-02"]["weights_truncated"]
    assert not journal.logs["round-01"]["weights_truncated"]
    assert "truncated" in caplog.text
    assert not journal.logs["round-01"]["doubts"]
    assert "were truncated" in journal.logs["round-02"]["doubts"][0]


@pytest.mark.parametrize("kernel", ["uniform", "gauss", "epanechnikov", "tricube"])
def test_kernel_leaves_far_simulations_out(kernel):
    journal = Memory()
    fit("snpe_b", CORRELATED, X_O, journal=journal, kernel=kernel, bandwidth=0.5, rounds=1, epochs=2)
    assert journal.logs["round-01"]["effective_sample_size"] < 500


def test_atoms_come_from_failed_simulations_too(monkeypatch):
    from hhfit.inference import snpe_c

    seen = []
    original = snpe_c.atomic

    def spying(u, x, from_prior, **more):
        seen.append(len(u))
        return original(u, x, from_prior, **more)

    monkeypatch.setattr(snpe_c, "atomic", spying)
    journal = Memory()
    problem = references.Invalid(Prior(("a",), ("1",), (Marginal("uniform", 0.0, 16.0),)))
    fit("snpe_c", problem, np.array([3.0]), journal=journal, steps=20, steps_between=20)
    assert seen == [300, 600]
    assert journal.logs["round-02"]["trained_on"] < 600


def test_rows_held_apart_stay_apart_in_later_rounds():
    from hhfit.inference.snpe_c import held_apart

    problem = references.Invalid(Prior(("a",), ("1",), (Marginal("uniform", 0.0, 16.0),)))
    gathered = [problem.simulate(problem.prior.sample(50, seed), 50 * seed) for seed in range(3)]
    early, late = held_apart(gathered[:2], 0.1), held_apart(gathered, 0.1)
    assert (late[:100] == early).all()
    assert all(part.usable[late[50 * i : 50 * i + 50]].all() for i, part in enumerate(gathered))
    assert 3 <= late.sum() < 20
