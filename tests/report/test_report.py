"""The report says what the checks found, holds all that it shows, and survives odd fits."""

import re
from dataclasses import replace

import numpy as np
import pytest

from hhfit import diagnostics, report
from hhfit.report._methods import methods
from hhfit.result import Predictive
from hhfit.simulations import Simulations
from hhfit.traces import Status


@pytest.fixture
def page(good_page):
    return good_page


def text_of(path):
    return " ".join(re.sub("<style.*?</style>|<[^>]+>", " ", path.read_text(), flags=re.S).split())


def test_report_is_one_file_without_any_link(page):
    html = page.read_text()
    assert page.name == "report.html"
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    assert "<script" not in html
    assert "url(" not in html


def test_figures_lie_beside_the_report(page):
    written = {path.name for path in (page.parent / "figures").iterdir()}
    assert {"traces.png", "traces.pdf", "pairs.png", "marginals.pdf", "spike_counts.png"} <= written


def test_report_shows_every_sweep_and_parameter(page, fit):
    html = page.read_text()
    for sweep in fit.recording.sweeps:
        assert f"Sweep {sweep}: recorded and predicted" in html
    for name in fit.posterior.names:
        assert f"Marginal posterior of {name}" in html


def test_report_states_verdict_assumptions_and_what_cannot_be_seen(page, fit):
    text = text_of(page)
    assert "Verdict: good" in text
    for sentence in fit.assumptions:
        assert sentence.replace("um2", "µm²") in text
    assert "What no check can see" in text
    assert "Synthetic recording" in text
    assert fit.recording.provenance["sha256"] in text


def test_bad_fit_says_plainly_that_the_model_cannot_do_it(bad_page):
    text = text_of(bad_page)
    assert "Verdict: bad" in text
    assert "DOES NOT REPRODUCE THE SPIKE COUNTS" in text


def test_report_is_written_even_when_every_prediction_failed(make_fit, tmp_path):
    bare = make_fit(sweeps=2, checked=False)
    old = bare.predictive
    status = np.full(len(old.simulations), int(Status.NOT_FINITE))
    nothing = Simulations(old.simulations.theta, old.simulations.x * np.nan, status, old.simulations.index)
    lost = Predictive(nothing, old.response * np.nan, old.spikes * np.nan, old.spikes_recorded)
    bare = replace(bare, predictive=lost)
    text = text_of(report.write(replace(bare, checks=diagnostics.check(bare, seed=0)), tmp_path))
    assert "100 % of the posterior-predictive simulations failed" in text


def test_foreign_recording_is_not_called_synthetic_and_its_name_is_escaped(make_fit, tmp_path):
    bare = make_fit(sweeps=1, checked=False)
    recording = replace(bare.recording, provenance={"name": "<script>alert(1)</script>"})
    bare = replace(bare, recording=recording, truth={})
    page = report.write(replace(bare, checks=diagnostics.check(bare, seed=0)), tmp_path)
    assert "<script>" not in page.read_text()
    assert "ynthetic rec" not in text_of(page)


def test_methods_paragraph_cites_what_it_used(fit):
    paragraph = methods(fit)
    assert "Deistler" in paragraph
    assert "Hines & Carnevale" in paragraph
    assert "4000 parameter sets" in paragraph


def test_report_shows_sweeps_that_were_kept_back(page, fit):
    assert f"Sweep {fit.recording.sweeps[0]}, not fitted" in page.read_text()
    assert "Sweeps that were not fitted" in text_of(page)


def test_report_names_what_moves_when_the_junction_potential_is_wrong(page, fit):
    text = text_of(page)
    assert "What if an assumption were wrong?" in text
    assert re.search(r"ljp \+10 mV moves \w+ by \+", text)
    assert "area x 2 (area is fitted)" in text
    assert "check DIR --sensitivity" not in text


def test_report_shows_the_robust_posterior(page):
    assert "If some features cannot be met" in text_of(page)


def test_report_without_these_says_how_to_get_them(bad_page):
    text = text_of(bad_page)
    assert "Sweeps that were not fitted" not in text
    assert "hhfit check DIR --sensitivity" in text


def test_report_of_a_fit_whose_calibration_was_not_measured_is_written(make_fit, tmp_path):
    page = report.write(make_fit(held_out=5), tmp_path).read_text(encoding="utf-8")
    assert "not measured: only " in page


def test_every_number_of_the_checks_stands_beside_what_it_should_be(page, fit):
    text = text_of(page)
    known = fit.checks["calibration"]
    covered, chance = 100 * known["coverage"]["0.9"], 300 * (0.9 * 0.1 / known["n"]) ** 0.5
    assert f"90 % region of their posterior {covered:.0f} % 90 %, by chance ± {chance:.0f}" in text
    assert "effective sample size) 2000 above 400" in text
    test = fit.checks["out_of_distribution"]
    assert f"drawn from the prior {test['p']:.3g} {test['reference'] + test['held_out']} {test['used']}" in text


def test_page_says_which_feature_informs_which_parameter(good_page, fit, tmp_path):
    found = {"reason": "", "features": ["width", "rest"], "parameters": ["g_na", "g_leak"], "simulations": 900}
    found |= {"alone": [[1.2, 0.0], [0.4, 0.1]], "lost": [[0.9, 0.0], [0.0, 0.0]], "all": [1.5, 0.1]}
    checked = replace(fit, checks={**fit.checks, "attribution": found})
    page = report.write(checked, tmp_path).read_text()
    assert "g_na rests most on width (1.2 bit by itself, 0.9 missed without it)" in page
    assert "no feature informs g_leak" in page
    assert (tmp_path / "figures" / "attribution.pdf").exists()
    assert "Which feature informs" in page
    assert "Which feature informs" not in good_page.read_text()
