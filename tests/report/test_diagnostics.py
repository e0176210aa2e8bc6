"""The checks against closed forms, and the verdict against fits that are wrong on purpose."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hhfit import diagnostics
from hhfit.diagnostics._check import _embedded
from hhfit.errors import InputError
from hhfit.posterior import Posterior
from hhfit.prior import Marginal, Prior
from hhfit.result import Predictive, Validation
from hhfit.simulations import Simulations
from hhfit.traces import Status

BOX = Prior(("a", "b"), ("mV", "ms"), (Marginal("uniform", -1.0, 1.0), Marginal("log-uniform", 1.0, 100.0)))


class Lone(Posterior):
    """A posterior that answers for one observation only."""

    def __init__(self, inner):
        self.inner = inner

    @property
    def prior(self):
        return self.inner.prior

    def sample(self, n, seed):
        return self.inner.sample(n, seed)

    def log_prob(self, theta):
        return self.inner.log_prob(theta)


def test_prior_draws_have_no_contraction_and_the_priors_own_boundary_mass():
    samples = BOX.sample(20_000, 0)
    assert np.allclose(diagnostics.contraction(samples, BOX), 0, atol=0.02)
    table = diagnostics.boundary_mass(samples, BOX)
    assert table["mass"] == pytest.approx(table["prior"], abs=0.005)
    assert diagnostics.leaked_mass(samples, BOX) == 0


def test_contraction_of_half_the_range_is_three_quarters():
    samples = BOX.from_cube(0.5 * np.random.default_rng(0).random((20_000, 2)))
    assert np.allclose(diagnostics.contraction(samples, BOX), 0.75, atol=0.01)


def test_leaked_mass_counts_draws_outside():
    samples = BOX.sample(1000, 0)
    samples[:250, 0] = 2.0
    assert diagnostics.leaked_mass(samples, BOX) == 0.25


def test_correlation_is_that_of_the_cube():
    u = np.random.default_rng(0).random((5000, 1)) @ np.array([[1.0, -1.0]]) + [0.0, 1.0]
    matrix = diagnostics.correlations(BOX.from_cube(u), BOX)
    assert matrix[0, 1] == pytest.approx(-1)


def test_spike_counts_agree_within_two_or_a_fifth(fit):
    protocol = fit.recording.protocol
    spikes = np.tile([2.0, 3.0, 24.0, 25.0], (20, 1))
    simulations = Simulations(np.zeros((20, 1)), np.zeros((20, 1)), np.zeros(20, int), np.arange(20))
    predictive = Predictive(simulations, np.zeros((20, 4, 1)), spikes, np.array([0.0, 0.0, 20.0, 20.0]))
    table = diagnostics.spike_agreement(predictive, protocol, np.arange(4))
    assert [row["agrees"] for row in table["sweeps"]] == [True, False, True, False]
    assert table["agreeing"] == 2


def test_failed_draws_do_not_count(fit):
    protocol = fit.recording.protocol
    status = np.r_[np.zeros(10, int), np.full(10, Status.NOT_FINITE)]
    spikes = np.where(status[:, None] == 0, 3.0, np.nan) * np.ones((20, 4))
    simulations = Simulations(np.zeros((20, 1)), np.zeros((20, 1)), status, np.arange(20))
    table = diagnostics.spike_agreement(
        Predictive(simulations, np.zeros((20, 4, 1)), spikes, np.full(4, 3.0)), protocol, np.arange(4)
    )
    assert table["sweeps"][0]["median"] == 3.0


def novelty(x, x_o, names=("u", "v", "w")):
    return diagnostics.novelty(x, x_o, names=names, seed=0)


def test_novelty_is_a_p_value_on_observations_like_the_reference():
    rng = np.random.default_rng(1)
    mix = rng.standard_normal((3, 3))
    x = np.exp(rng.standard_normal((2000, 3)) @ mix)
    p = np.array([novelty(x, row)["p"] for row in np.exp(rng.standard_normal((120, 3)) @ mix)])
    assert 0.39 < p.mean() < 0.61  # the mean of 120 uniform p has sd .026: false alarm below 1e-4
    assert (p < 0.05).sum() < 17  # 6 expected, binomial tail 1e-4


def test_constant_features_do_not_break_novelty_unless_the_recording_differs():
    x = np.c_[np.random.default_rng(0).standard_normal((900, 2)), np.full(900, 3.0)]
    assert novelty(x, np.array([0.1, 0.1, 3.0]))["p"] > 0.05
    different = novelty(x, np.array([0.1, 0.1, 4.0]))
    assert different["p"] < 0.01
    assert different["blame"][0]["name"] == "w"


def test_novelty_finds_a_broken_relation_and_blames_it():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((3000, 3))
    x[:, 1] = x[:, 0] + 0.01 * rng.standard_normal(3000)
    test = novelty(x, np.array([1.0, -1.0, 0.0]))  # each value is ordinary, the pair is not
    assert test["p"] < 0.01
    assert {row["name"] for row in test["blame"]} == {"u", "v"}


def test_novelty_compares_within_the_firing_class():
    rng = np.random.default_rng(4)
    silent = np.c_[np.zeros(1500), np.full(1500, np.nan), rng.standard_normal(1500)]
    firing = np.c_[rng.integers(1, 9, 700), rng.standard_normal(700), 5 + rng.standard_normal(700)]
    names = ("spike_count", "width", "rest")
    test = novelty(np.r_[silent, firing], np.array([3.0, 0.1, 0.0]), names)
    assert test["reference"] + test["held_out"] == 700
    assert test["p"] < 0.01  # a rest of 0 is common, but not among cells that fire
    assert test["blame"][0]["name"] == "rest"


def test_novelty_says_when_it_cannot_tell():
    test = novelty(np.random.default_rng(0).standard_normal((100, 3)), np.zeros(3))
    assert test["p"] is None
    assert "at least" in test["reason"]


def test_exact_posterior_is_calibrated(fit):
    test = fit.checks["calibration"]
    error = np.sqrt(0.09 / test["n"])
    assert abs(test["coverage"]["0.9"] - 0.9) < 4 * error
    assert all(abs(rank - 0.5) < 4 * np.sqrt(1 / 12 / test["n"]) for rank in test["rank"].values())


def test_checks_are_json_and_hold_what_the_summary_promises(fit):
    checks = json.loads(json.dumps(fit.checks, allow_nan=False))
    promised = {"leaked_mass", "boundary_mass", "effective_sample_size", "outcomes", "calibration"}
    promised |= {"out_of_distribution", "features", "spikes", "standardized_distance", "verdict"}
    assert promised <= checks.keys()
    assert checks["outcomes"]["NOT_FINITE"] == pytest.approx(0.02, abs=0.01)


def test_good_fit_has_a_good_verdict(fit):
    assert fit.checks["verdict"]["word"] == "good", fit.checks["verdict"]


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"narrow": 1.5}, "too narrow"),
        ({"shift": 1.0}, "on average"),
        ({"extra_spikes": 6}, "DOES NOT REPRODUCE"),
    ],
)
def test_wrong_fit_has_a_bad_verdict_that_says_why(make_fit, wrong, word):
    verdict = make_fit(**wrong).checks["verdict"]
    assert verdict["word"] == "bad"
    assert any(word in reason["sentence"] for reason in verdict["reasons"] if reason["level"] == "bad")


def test_posterior_for_one_observation_says_that_it_was_not_calibrated(make_fit):
    bare = make_fit(checked=False)
    checks = diagnostics.check(replace(bare, posterior=Lone(bare.posterior)), seed=0)
    assert checks["calibration"]["n"] == 0
    assert any("Calibration could not be measured" in r["sentence"] for r in checks["verdict"]["reasons"])


def change(checks, path, value):
    head, *rest = path
    return {**checks, head: change(checks[head], rest, value) if rest else value}


@pytest.mark.parametrize(
    ("path", "value", "word", "says"),
    [
        (["leaked_mass"], 0.3, "bad", "outside the prior"),
        (["leaked_mass"], 0.005, "doubtful", "outside the prior"),
        (["effective_sample_size"], 40.0, "bad", "40 effective samples"),
        (["effective_sample_size"], 200.0, "doubtful", "200 effective samples"),
        (["boundary_mass", "high", "g_na"], 0.4, "doubtful", "g_na (upper end"),
        (["predictive_failed"], 0.6, "bad", "failed"),
        (["predictive_failed"], 0.2, "doubtful", "failed"),
        (["block", "share"], 0.7, "bad", "In 70 % of the predictions spiking stops on a plateau"),
        (["block", "share"], 0.2, "doubtful", "which the recorded cell does not do"),
        (["out_of_distribution", "p"], 0.002, "doubtful", "Few simulations resemble"),
        (["out_of_distribution", "p"], 0.03, "good", "Few simulations resemble"),
        (["calibration", "coverage", "0.9"], 0.84, "doubtful", "somewhat too narrow"),
        (["calibration", "coverage", "0.9"], 1.0, "good", "wider than it need be"),
        (["calibration", "tarp"], {"distance": 0.2, "p": 1e-5}, "doubtful", "TARP"),
        (["calibration", "rank", "g_na"], 0.57, "doubtful", "Estimates of g_na are low"),
        (["doubts"], ["weights are worth 3 draws"], "doubtful", "Weights are worth 3 draws."),
    ],
)
def test_every_rule_fires(fit, path, value, word, says):
    found, reasons = diagnostics.verdict(change(fit.checks, path, value))
    assert found == word
    assert any(says in reason.sentence for reason in reasons)


def test_doubts_of_the_method_are_those_of_its_last_round(make_fit):
    first, last = {"doubts": ["the first round was poor"]}, {"doubts": ["weights are worth 3 draws"]}
    bare = make_fit(checked=False)
    checks = diagnostics.check(replace(bare, rounds=[first, last]), seed=0)
    assert checks["doubts"] == last["doubts"]
    assert checks["verdict"]["word"] == "doubtful"
    assert diagnostics.check(replace(bare, rounds=[first, {}]), seed=0)["doubts"] == []


def test_block_that_the_cell_shows_too_is_no_fault(fit):
    assert diagnostics.verdict({**fit.checks, "block": {"recorded": True, "share": 0.9}})[0] == "good"


def test_block_is_counted_among_usable_predictions_and_looked_for_in_the_recording(fit):
    old, status = fit.predictive.simulations, np.zeros(60, int)
    status[:30], status[30:40] = Status.BLOCK, Status.NOT_FINITE
    blocked = replace(fit.predictive, simulations=replace(old, status=status))
    assert diagnostics.block(blocked, fit.model, fit.recording) == {"recorded": False, "share": 0.6}
    protocol, response = fit.recording.protocol, fit.recording.response.copy()
    on, off = protocol.windows[-1]
    later = protocol.samples(on + 0.5 * (off - on), off)
    response[-1, later] = np.linspace(-18.0, -20.0, later.stop - later.start)  # fires first, then stays on a plateau
    plateau = replace(fit.recording, response=response)
    assert diagnostics.block(blocked, fit.model, plateau)["recorded"] is True


@pytest.mark.parametrize(("lost", "word"), [(1, "doubtful"), (12, "bad")])
def test_missed_and_undefined_features_are_named(fit, lost, word):
    rows = fit.checks["features"]
    missed = [{**row, "z": 9.0, "error": 2.0} if k < lost else row for k, row in enumerate(rows)]
    undefined = [{**row, "defined": 0.1} if k < lost else row for k, row in enumerate(rows)]
    for changed in (missed, undefined):
        found, reasons = diagnostics.verdict({**fit.checks, "features": changed})
        assert found == word
        place, feature = rows[0]["name"].split(":")
        assert f"{feature} of sweep {fit.recording.sweeps[int(place)]}" in reasons[0].sentence


def test_tarp_sees_a_narrow_posterior_and_passes_an_exact_one(fit, make_fit):
    assert fit.checks["calibration"]["tarp"]["p"] > 1e-3
    assert make_fit(narrow=2.0).checks["calibration"]["tarp"]["p"] < 1e-3


def test_conditional_correlation_sees_what_the_marginal_one_hides():
    rng = np.random.default_rng(0)
    law = Prior(("a", "b", "c"), ("mV",) * 3, (Marginal("normal", 0.0, 1.0),) * 3)
    precision = np.array([[4.0, 1.5, -1.0], [1.5, 3.0, 0.5], [-1.0, 0.5, 2.0]])
    draws = rng.multivariate_normal(np.zeros(3), np.linalg.inv(precision), 40_000)
    expected = -precision / np.sqrt(np.outer(np.diag(precision), np.diag(precision)))
    found = diagnostics.conditional_correlations(draws, law)
    assert np.allclose(found[~np.eye(3, dtype=bool)], expected[~np.eye(3, dtype=bool)], atol=0.02)


def test_sensitivity_reports_the_shift_and_its_size():
    rng = np.random.default_rng(0)
    samples = rng.normal([-60.0, 50.0], [2.0, 5.0], (4000, 2))

    def refit(assumption):
        return np.add(samples, [assumption.change if assumption.name == "ljp" else 0.0, 0.0])

    rows = diagnostics.sensitivity(samples, ["v_t", "g_na"], refit, diagnostics.DESIGN[:3])
    assert [row["assumption"] for row in rows] == ["ljp +10 mV", "ljp -10 mV", "e_na -10 mV"]
    assert rows[0]["largest"] == "v_t"
    assert rows[0]["shift"]["v_t"] == pytest.approx(10)
    assert rows[0]["shift_sd"]["v_t"] == pytest.approx(5, rel=0.05)
    first, second, last = diagnostics.sentences(rows, {"v_t": "mV", "g_na": "mS/cm2"})
    assert "ljp +10 mV moves v_t by +10 mV (+5.0 posterior sd)." in (first, second)
    assert last.startswith("e_na")


def test_sensitivity_names_the_shift_that_stands_out_from_what_the_refits_do_not_know():
    rng = np.random.default_rng(1)
    samples = rng.normal([-60.0, 0.1], [2.0, 0.005], (4000, 2))
    reference = rng.normal([-60.0, 0.1], [2.5, 0.05], (4000, 2))  # a small refit hardly knows g_m

    def refit(assumption):
        return rng.normal([-60.0 + assumption.change, 0.13], [2.5, 0.05], (4000, 2))

    row = diagnostics.sensitivity(samples, ["v_t", "g_m"], refit, diagnostics.DESIGN[:1], reference=reference)[0]
    assert abs(row["shift_sd"]["g_m"]) > abs(row["shift_sd"]["v_t"])
    assert row["largest"] == "v_t"


def test_sensitivity_refuses_another_set_of_parameters():
    with pytest.raises(InputError, match="ljp \\+10 mV"):
        diagnostics.sensitivity(np.zeros((10, 2)), ["a", "b"], lambda _: np.zeros((10, 3)))


def test_exit_code_is_three_when_bad(fit):
    assert diagnostics.exit_code(fit.checks) == 0
    assert diagnostics.exit_code({**fit.checks, "leaked_mass": 0.5}) == 3


def test_robust_posterior_blames_the_corrupted_feature_and_stays_near_the_truth(make_fit):
    fit = make_fit(sweeps=1, seed=3)
    x_o = fit.x_o.copy()
    x_o[3] += 8 * 0.2  # width, off by eight times its natural scale
    names, posterior = fit.feature_names, fit.posterior
    plain = posterior.sample_at(x_o[None], 1000, 0)[0]
    found = diagnostics.robust(posterior, fit.simulations, x_o, names=names, n=1000, seed=0)
    assert max(found.misspecified, key=found.misspecified.get) == "width"
    assert found.misspecified["width"] > 0.9
    assert found.effective >= 50

    def off(samples):
        u = posterior.prior.to_cube(samples) - posterior.prior.to_cube(fit.samples).mean(axis=0)
        return np.abs(u.mean(axis=0)).sum()

    assert off(found.samples) < 0.7 * off(plain)


def test_robust_posterior_needs_simulations_that_fire_alike(fit):
    few = fit.simulations.rows(np.arange(20))
    with pytest.raises(InputError, match="fire as the recording does"):
        diagnostics.robust(fit.posterior, few, fit.x_o, names=fit.feature_names, n=10, seed=0)


def test_vague_prediction_is_noted(fit):
    first, *others = fit.checks["spikes"]["sweeps"]
    spikes = {**fit.checks["spikes"], "sweeps": [{**first, "low": 1.0, "high": 33.0, "recorded": 17.0}, *others]}
    word, reasons = diagnostics.verdict({**fit.checks, "spikes": spikes})
    assert word == "good"
    assert any("vary widely" in reason.sentence for reason in reasons if reason.level == "note")
    assert not any("vary widely" in reason.sentence for reason in diagnostics.verdict(fit.checks)[1])


def kept_back(fit, away=0.0, spikes=0.0):
    """The fit with its own sweeps as those kept back, moved by ``away`` mV and ``spikes``."""
    old = fit.predictive
    recording = replace(fit.recording, response=fit.recording.response + away)
    predictive = replace(old, spikes_recorded=old.spikes_recorded + spikes * (old.spikes_recorded > 0))
    return replace(fit, validation=Validation(recording, fit.x_o, predictive))


def test_sweeps_that_were_kept_back_are_predicted_by_a_good_fit(fit):
    checks = diagnostics.check(kept_back(fit), seed=0)
    assert checks["validation"]["spikes"]["agreeing"] == 4
    assert min(row["p"] for row in checks["validation"]["traces"]) > 0.05
    assert checks["verdict"]["word"] == "good"
    assert any("4 sweeps kept back" in reason["sentence"] for reason in checks["verdict"]["reasons"])


def test_wrong_counts_in_sweeps_that_were_kept_back_make_the_verdict_bad(fit):
    checks = diagnostics.check(kept_back(fit, spikes=9.0), seed=0)
    assert checks["verdict"]["word"] == "bad"
    assert "do not carry over" in checks["verdict"]["reasons"][0]["sentence"]


def test_trace_that_is_off_has_a_small_p(fit):
    rows = diagnostics.check(kept_back(fit, away=15.0), seed=0)["validation"]["traces"]
    assert max(row["p"] for row in rows) < 0.05
    assert min(row["error"] for row in rows) > 10


def test_posterior_that_is_too_narrow_only_near_the_recording_is_found(make_fit):
    fit = make_fit(sweeps=1, checked=False, held_out=1000)
    rows = fit.simulations.rows(np.isin(fit.simulations.index, fit.posterior.held_out))

    class Spoilt(type(fit.posterior)):
        def sample_at(self, x, n, seed):
            good, tight = super().sample_at(x, n, seed), replace(self, narrow=2.5).sample_inner(x, n, seed)
            return np.where(self.near(x)[:, None, None], tight, good)

        def sample_inner(self, x, n, seed):
            return super().sample_at(x, n, seed)

        def near(self, x):
            away = np.linalg.norm((x - self.x_o) / x_scale, axis=1)
            return away < np.nanquantile(np.linalg.norm((rows.x - self.x_o) / x_scale, axis=1), 0.15)

    x_scale = np.nanstd(rows.x, axis=0)
    inner = fit.posterior
    spoilt = Spoilt(inner.law, inner.matrix, inner.x_o, inner.unseen)
    test = diagnostics.calibration(spoilt, rows, fit.x_o, 0)
    good = diagnostics.calibration(inner, rows, fit.x_o, 0)
    assert good["local"]["coverage"]["0.9"] > 0.8  # 100 rows: 3.3 se below 0.9
    assert test["local"]["coverage"]["0.9"] < test["coverage"]["0.9"] - 0.1
    checks = {**diagnostics.check(fit, seed=0), "calibration": test}
    assert any("Near the recording" in reason.sentence for reason in diagnostics.verdict(checks)[1])
    assert not any("Near the recording" in r.sentence for r in diagnostics.verdict({**checks, "calibration": good})[1])


def test_novelty_is_repeated_for_every_later_round(fit):
    rounds = [{"simulations": 2000}, {"simulations": 1200}, {"simulations": 800}]
    tests = diagnostics.check(replace(fit, rounds=rounds), seed=0)["out_of_distribution"]["rounds"]
    assert [row["round"] for row in tests] == [2, 3]
    assert all(row["p"] is None or 0 < row["p"] <= 1 for row in tests)


def test_novelty_is_tested_in_what_the_network_condenses_a_recording_to(fit):
    learned = replace(fit, features=replace(fit.features, embedding={"step": 10.0, "units": 4}))
    assert diagnostics.check(fit, seed=0)["out_of_distribution"]["embedded"] is None

    def p(x_o):
        found = _embedded(replace(learned, x_o=x_o), seed=0)
        assert found["used"] == fit.posterior.prior.n_parameters  # the summary of the closed form is its posterior mean
        return found["p"]

    usual = np.array([p(x_o) for x_o in fit.simulations.x[fit.simulations.usable][:40]])
    assert 0.3 < usual.mean() < 0.7  # the mean of 40 uniform p has sd .046: false alarm below 1e-4
    assert (usual < 0.05).sum() < 9  # 2 expected, binomial tail 1e-4
    middle = np.nanmean(fit.simulations.x, axis=0)
    assert p(middle + 8 * (fit.x_o - middle)) < 0.01


def test_novelty_in_the_summary_uses_the_last_round(fit):
    rounds = [{"simulations": 2000}, {"simulations": 1200}, {"simulations": 800}]
    features = replace(fit.features, embedding={"step": 10.0, "units": 4})
    found = _embedded(replace(fit, rounds=rounds, features=features), seed=0)
    assert found["reference"] + found["held_out"] == fit.simulations.usable[-800:].sum()


def test_error_on_the_rank_scale_does_not_depend_on_the_units():
    rng = np.random.default_rng(1)
    pilot, x = rng.standard_normal((300, 1)), rng.standard_normal((40, 1))

    def errors(change):
        rows = [Simulations(np.zeros((len(v), 1)), change(v), np.zeros(len(v)), np.arange(len(v))) for v in (x, pilot)]
        predictive = Predictive(rows[0], np.zeros((40, 1, 1)), np.zeros((40, 1)), np.zeros(1))
        row = diagnostics.feature_errors(predictive, rows[1], change(np.array([0.3])), names=["f"], scales=["rank"])[0]
        return row["error"], row["distance"], row["z"]

    assert errors(np.exp) == pytest.approx(errors(lambda v: v))
    assert errors(np.exp)[0] == pytest.approx(np.median(x) - 0.3, abs=0.2)
