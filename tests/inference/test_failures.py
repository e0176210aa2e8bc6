"""The classifier of failures: what it learns, when it refuses, and that it biases nothing."""

from functools import cache
from itertools import product

import numpy as np
import pytest

from hhfit import inference
from hhfit.errors import InputError
from hhfit.inference import Budget
from hhfit.inference._failures import Classifier, kept, sift, thinning_weights, train
from hhfit.inference._truncation import Cut, Region
from hhfit.journal import Memory
from hhfit.prior import Marginal, Prior
from hhfit.simulations import Simulations
from hhfit.traces import Status

PRIOR = Prior(("a", "b"), ("1", "1"), (Marginal("uniform", 0.0, 1.0), Marginal("uniform", 0.0, 1.0)))
SEED = np.random.SeedSequence(3)
EVEN = np.random.default_rng(9).random((2000, 2))
QUICK = {"members": 1, "hidden": 16, "steps": 60, "steps_between": 60}
METHODS = {
    "tsnpe": QUICK,
    "snpe_c": QUICK,
    "snpe_a": {"epochs": 5},
    "snpe_b": {"epochs": 5},
    "snpe_c_mixture": {"epochs": 5},
}


def rows_of(u, status):
    return Simulations(u, np.zeros((len(u), 1)), status, np.arange(len(u)))


def xor(n, seed=0):
    """Failing where exactly one of two parameters is large, as in the autapse."""
    u = np.random.default_rng(seed).random((n, 2))
    return u, np.where((u[:, 0] > 0.5) != (u[:, 1] > 0.4), Status.RUNAWAY, Status.OK)


@cache
def trained(soft=False):
    """A classifier of an exclusive or, and its log."""
    u, status = xor(1500)
    return train(u, rows_of(u, status), 1e-3, SEED, ahead=EVEN, soft=soft)


def test_it_learns_an_exclusive_or():
    found, log = trained()
    fresh, truth = xor(4000, seed=1)
    right = (found.chance_usable(fresh) > 0.5) == (truth == Status.OK)
    assert right.mean() > 0.97
    assert log["classifier"] == "used"
    assert log["classifier_brier"] < 0.1 * log["classifier_brier_of_base_rate"]
    table = log["classifier_confusion"]
    assert table["runaway"]["runaway"] > 20 * table["runaway"]["ok"]


def test_it_loses_no_more_than_it_may():
    u, status = xor(3000)
    found, log = train(u, rows_of(u, status), 0.01, SEED, ahead=EVEN)
    fresh, truth = xor(20_000, seed=1)
    lost = np.mean(~found.keeps(fresh[truth == Status.OK]))
    assert lost < 0.02
    assert abs(lost - log["classifier_lost_mass"]) < 0.01
    assert np.mean(found.keeps(fresh[truth != Status.OK])) < 0.2


def test_it_spares_a_posterior_where_few_rows_lie():
    """All but one in a thousand usable rows lie elsewhere; the next round would draw near that one."""
    u, status = xor(2000)
    u, status = u[status != Status.OK], status[status != Status.OK]
    rare = np.array([[0.9, 0.1]]) + 0.01 * np.random.default_rng(1).random((1, 2))
    u = np.concatenate([u, 0.4 * np.random.default_rng(2).random((2000, 2)), rare])
    status = np.concatenate([status, np.full(2001, Status.OK)])
    found, _ = train(u, rows_of(u, status), 0.01, SEED, ahead=EVEN)
    assert not found.keeps(rare).any()
    near = rare + 0.01 * np.random.default_rng(3).random((2000, 2))
    careful, _ = train(u, rows_of(u, status), 0.01, SEED, ahead=near)
    assert careful is None or careful.keeps(near).mean() > 0.95


@pytest.mark.parametrize("share", [-0.1, 0.5, float("nan")])
def test_a_share_that_cannot_be_is_refused(share):
    u, status = xor(300)
    with pytest.raises(InputError, match="lost_mass is"):
        train(u, rows_of(u, status), share, SEED, ahead=EVEN)


def test_outcomes_are_told_apart_and_chances_add_up():
    u = np.random.default_rng(0).random((1500, 2))
    status = np.select([u[:, 0] < 0.3, u[:, 0] < 0.6], [Status.SILENT, Status.RUNAWAY], Status.OK)
    found, _ = train(u, rows_of(u, status), 1e-3, SEED, ahead=EVEN)
    assert found.classes.tolist() == [Status.OK, Status.SILENT, Status.RUNAWAY]
    assert found.usable.tolist() == [True, True, False]
    chances = found.chances(np.array([[0.1, 0.5], [0.45, 0.5], [0.9, 0.5]]))
    assert np.allclose(chances.sum(axis=1), 1)
    assert chances.argmax(axis=1).tolist() == [1, 2, 0]


def test_chances_are_calibrated():
    rng = np.random.default_rng(0)
    u = rng.random((3000, 2))
    status = np.where(rng.random(3000) < u[:, 0], Status.OK, Status.RUNAWAY)
    found, _ = train(u, rows_of(u, status), 0.3, SEED, ahead=EVEN)
    fresh = rng.random((4000, 2))
    assert np.abs(found.chance_usable(fresh) - fresh[:, 0]).mean() < 0.06


@pytest.mark.parametrize(
    ("n", "failing", "words"),
    [(100, 50, "100 rows, at least 200"), (400, 5, "5 failed rows"), (400, 395, "5 usable rows")],
)
def test_it_says_when_there_is_too_little(n, failing, words):
    u = np.random.default_rng(0).random((n, 2))
    status = np.where(np.arange(n) < failing, Status.RUNAWAY, Status.OK)
    found, log = train(u, rows_of(u, status), 1e-3, SEED, ahead=EVEN)
    assert found is None
    assert words in log["classifier"]


def test_it_is_not_used_where_it_foretells_nothing():
    rng = np.random.default_rng(0)
    u = rng.random((600, 2))
    found, log = train(
        u, rows_of(u, np.where(rng.random(600) < 0.5, Status.OK, Status.RUNAWAY)), 1e-3, SEED, ahead=EVEN
    )
    assert found is None
    assert log["classifier"].startswith("not used")


def test_what_the_machine_lost_is_counted_and_teaches_nothing():
    u, status = xor(1500)
    lost = np.arange(1500) % 10 == 0
    spoilt = np.where(lost, Status.TIMEOUT, status)
    found, log = train(u, rows_of(u, spoilt), 1e-3, SEED, ahead=EVEN)
    without, _ = train(u[~lost], rows_of(u[~lost], status[~lost]), 1e-3, SEED, ahead=EVEN)
    assert log["lost_by_machine"] == 150
    assert np.array_equal(found.chances(u), without.chances(u))


def test_it_is_the_same_after_storage():
    found, _ = trained()
    again = Classifier.from_arrays(found.arrays() | {"other": np.zeros(2)})
    assert np.array_equal(found.chances(EVEN), again.chances(EVEN))
    assert again.threshold == found.threshold
    assert Classifier.from_arrays({"other": np.zeros(2)}) is None


def test_sifting_has_an_end():
    never = Classifier(np.array([0, 4]), np.array([True, False]), {}, threshold=2.0)
    never.__dict__["keeps"] = lambda u: np.zeros(len(u), bool)
    rng = np.random.default_rng(1)
    u, share = sift(np.random.default_rng(0).random, 10, None, rng)
    assert (len(u), share) == (10, 1.0)
    u, share = sift(lambda n: np.random.default_rng(n).random((n, 2)), 10, never, rng)
    assert (u.shape, share) == ((10, 2), 0.0)
    assert kept(None, u).all()


def test_soft_thinning_cuts_off_nothing_and_its_weights_undo_it():
    found, log = trained(soft=True)
    assert found.keeps(EVEN).all()
    assert log["classifier_lost_mass"] == 0
    rng = np.random.default_rng(5)
    u, share = sift(lambda n: rng.random((n, 2)), 20_000, found, rng)
    assert abs(share - found.acceptance(np.random.default_rng(6).random((20_000, 2))).mean()) < 0.02
    assert abs(share - (1 - log["classifier_cut_off"])) < 0.06
    quarter = (u < 0.5).all(axis=1)
    assert quarter.mean() > 0.3
    weight = thinning_weights(found, u)
    assert abs(weight.mean() - 1) < 1e-12
    assert abs(np.average(quarter, weights=weight) - 0.25) < 4 * np.sqrt((weight**2 * quarter).sum()) / weight.sum()


def test_a_soft_classifier_is_the_same_after_storage():
    found, _ = trained(soft=True)
    again = Classifier.from_arrays(found.arrays())
    assert again.soft
    assert np.array_equal(found.acceptance(EVEN), again.acceptance(EVEN))


class Level:
    """A density that is the same everywhere."""

    def log_prob(self, u, x):
        return np.zeros(len(u))


def test_proposals_of_a_region_are_even_once_weighed():
    found, _ = trained(soft=True)
    cut = Cut(Level(), -1.0, np.array([0.0, 0.25]), np.array([1.0, 1.0]), found)
    u, weight, log = Region(np.zeros(1), 2).cut_by(cut).proposals(20_000, np.random.SeedSequence(7))
    assert u[:, 1].min() > 0.25
    assert log["kept_proposals"] < 0.8
    error = 4 * np.sqrt((weight**2).sum()) / weight.sum()
    usable = (u < [0.5, 0.4]).all(axis=1)
    assert usable.mean() > 0.13
    assert abs(np.average(usable, weights=weight) - 0.1) < error


def simulate(theta, first):
    """Noisy copies of the parameters; those with a sum above 1.1 fail."""
    rng = np.random.default_rng((8, first))
    x = theta + 0.1 * rng.standard_normal(theta.shape)
    failed = theta.sum(axis=1) > 1.1
    status = np.where(failed, Status.RUNAWAY, Status.OK)
    return Simulations(theta, np.where(failed[:, None], np.nan, x), status, first + np.arange(len(theta)))


def fitted(method, journal, **how):
    """Samples of a posterior after three rounds."""
    algorithm = inference.get(method, Budget(900, 3), **METHODS[method], **how)
    return algorithm.fit(PRIOR, simulate, np.array([0.5, 0.5]), 1, journal).sample(200, 1)


def failed_shares(journal):
    return [log["failed_share"] for log in journal.logs.values()]


@cache
def without(method):
    """Shares of simulations that fail in every round where no classifier thins them out."""
    journal = Memory()
    fitted(method, journal, thin=False)
    return failed_shares(journal)


@pytest.mark.parametrize(("method", "soft"), [*product(METHODS, [False]), ("tsnpe", True), ("snpe_b", True)])
def test_every_method_wastes_less_and_resumes_the_same(method, soft):
    journal = Memory()
    samples = fitted(method, journal, soft=soft)
    shares = failed_shares(journal)
    assert journal.logs["round-01"]["classifier"] == "used"
    assert np.array_equal(fitted(method, journal, soft=soft), samples)
    assert shares[0] == without(method)[0]
    assert np.mean(shares[1:]) < 0.6 * np.mean(without(method)[1:]) + 0.01


def test_the_last_round_trains_no_classifier():
    journal = Memory()
    inference.get("tsnpe", Budget(600, 2), **QUICK).fit(PRIOR, simulate, np.array([0.5, 0.5]), 1, journal)
    assert "classifier" in journal.logs["round-01"]
    assert "classifier" not in journal.logs["round-02"]
