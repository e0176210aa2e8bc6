"""The whole road, from a recording to a run directory, on small budgets."""

import json
import re
import tomllib
from dataclasses import replace

import numpy as np
import pytest

from hhfit import model as models
from hhfit import pipeline
from hhfit.errors import InputError, UnsupportedError
from hhfit.planning import Settings
from hhfit.preparation import Corrections
from hhfit.protocol import step
from hhfit.recording import Recording
from hhfit.run import RunDirectory

SETTINGS = Settings(features="goncalves2020", simulations=240, rounds=2, seed=3, samples=50, predictions=10)
CORRECTIONS = Corrections(ljp=-10.0, area=12000.0)


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Two short sweeps of an RC circuit, silent: synthetic."""
    protocol = step(np.array([-100.0, 50.0]), on=20.0, off=80.0, duration=100.0, dt=0.1)
    rise = 1 - np.exp(-np.clip(protocol.time - 20, 0, 60) / 10)
    fall = np.exp(-np.clip(protocol.time - 80, 0, None) / 10)
    noise = np.random.default_rng(1).normal(0, 0.05, (2, protocol.n_times))
    response = -65 + 0.08 * np.array([[-100.0], [50.0]]) * rise * fall + noise
    return Recording(response, protocol, [4, 7], {"name": "rc.csv"})


@pytest.fixture(scope="module")
def neuron() -> models.Model:
    return models.load("pospischil")


@pytest.fixture(scope="module")
def finished(recording, neuron, tmp_path_factory):
    """A run directory and its result."""
    out = tmp_path_factory.mktemp("fit") / "run"
    return out, pipeline.fit(recording, neuron, SETTINGS, CORRECTIONS, out=out, workers=2)


def test_run_directory_holds_everything(finished):
    out, _ = finished
    names = {path.name for path in out.iterdir()}
    assert names >= {"fit.toml", "recording.npz", "simulations", "rounds", "samples.csv", "summary.json"}
    assert names >= {"report.html", "figures", "log.txt", "state.json"}


@pytest.mark.parametrize(
    "words",
    [
        r"assumed: ",
        r"round 1: simulating: \d+ of 120 [\d.e+]+ per s, \d+\.\d% failed",
        r"one process is enough: .* s of work are left",
        r"round-01: training ended after \d+ epochs; weights of epoch",
        r"round-02: parameters were drawn by \w+",
        r"sampling the posterior: 0 of 50",
        r"report: 1 of 1",
    ],
)
def test_log_says_what_was_decided_and_why(finished, words):
    out, _ = finished
    assert re.search(words, (out / "log.txt").read_text())


def test_samples_are_written_with_every_digit(finished):
    out, result = finished
    written = np.loadtxt(out / "samples.csv", delimiter=",", skiprows=1)
    np.testing.assert_array_equal(written, result.samples)
    assert result.posterior.prior.contains(result.samples).all()


def test_summary_is_json_and_says_what_design_asks(finished):
    out, _ = finished
    summary = json.loads((out / "summary.json").read_text())
    assert summary["checks"]["leaked_mass"] == 0
    assert summary["checks"]["verdict"]["word"] in ("good", "doubtful", "bad")
    assert summary["simulations_used"] == 240
    assert summary["units"]["g_na"] == "mS/cm2"
    assert summary["seconds"]["simulation"]["wall_s"] > 0


def test_assumptions_are_said(finished):
    text = " ".join(finished[1].assumptions)
    assert "-10 mV" in text
    assert "12000 um2 was given" in text
    assert "temperature" in text
    assert "4, 7" in text


def test_junction_potential_shifts_the_recording(finished, recording):
    np.testing.assert_allclose(finished[1].recording.rest, recording.rest - 10.0, atol=1e-9)


def test_fit_toml_rebuilds_the_same_model(finished):
    out, result = finished
    table = tomllib.loads((out / "fit.toml").read_text())
    assert models.build(table["model"], table["model_name"]).hash == result.model.hash == table["model_hash"]


@pytest.mark.usefixtures("unillustrated")
def test_same_seed_gives_the_same_samples_for_any_number_of_workers(finished, recording, neuron, tmp_path):
    again = pipeline.fit(recording, neuron, SETTINGS, CORRECTIONS, out=tmp_path / "run", workers=1)
    np.testing.assert_array_equal(again.samples, finished[1].samples)
    np.testing.assert_array_equal(again.simulations.x, finished[1].simulations.x)


@pytest.mark.usefixtures("unillustrated")
def test_another_seed_gives_other_samples(finished, recording, neuron, tmp_path):
    settings = pipeline.replace(SETTINGS, seed=4, rounds=1, simulations=60)
    other = pipeline.fit(recording, neuron, settings, CORRECTIONS, out=tmp_path / "run", workers=1)
    assert not np.array_equal(other.samples, finished[1].samples)


class Interruption:
    """Presses Ctrl-C when a stage has come some way."""

    def __init__(self, stage: str, done: float) -> None:
        self.stage, self.done = stage, done

    def __call__(self, stage: str, done: float, total: float, note: str) -> None:
        if stage.startswith(self.stage) and done >= self.done:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("stage", "done"), [("round 1: simulating", 50), ("round 2", 20), ("posterior prediction", 1)])
def test_interrupted_run_says_where_and_resumes_to_the_same_samples(finished, recording, neuron, tmp_path, stage, done):
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        pipeline.fit(recording, neuron, SETTINGS, CORRECTIONS, out=out, workers=1, progress=Interruption(stage, done))
    state = json.loads((out / "state.json").read_text())
    assert state["status"] == "stopped"
    assert state["stage"].startswith(stage)
    resumed = pipeline.resume(out, workers=1)
    np.testing.assert_array_equal(resumed.samples, finished[1].samples)


def test_run_is_refused_where_one_is(finished, recording, neuron):
    out, _ = finished
    before = (out / "samples.csv").read_bytes()
    with pytest.raises(InputError, match="--overwrite"):
        pipeline.fit(recording, neuron, SETTINGS, CORRECTIONS, out=out)
    assert (out / "samples.csv").read_bytes() == before


def test_recording_without_a_defined_feature_is_refused(recording, neuron, tmp_path):
    features = tmp_path / "spikes_only.toml"
    features.write_text('[[features]]\nname = "time_to_first_spike"\nextractor = "spikes"\n')
    with pytest.raises(InputError, match="no feature"):
        pipeline.fit(
            recording, neuron, pipeline.replace(SETTINGS, features=str(features)), CORRECTIONS, out=tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()


def test_sweeps_kept_back_survive_a_resume(recording, neuron, tmp_path):
    settings = pipeline.replace(SETTINGS, method="npe", rounds=1, simulations=60)
    corrections = replace(CORRECTIONS, sweeps=(4,), validation=(7,))
    planned = pipeline.plan(recording, neuron, settings, corrections, {})
    with pytest.raises(KeyboardInterrupt):
        pipeline.start(
            planned, tmp_path / "run", overwrite=False, earlier="", pool=pipeline.workforce(1, ""), progress=interrupt
        )
    with RunDirectory.open(tmp_path / "run", listener=pipeline.ignore) as run:
        again = pipeline.from_table(run.settings, run.recording, run.validation)
    assert again.prepared.recording.sweeps.tolist() == [4]
    assert again.prepared.validation.sweeps.tolist() == [7]
    np.testing.assert_array_equal(again.prepared.validation.response, planned.prepared.validation.response)


def interrupt(stage, done, total, note):
    raise KeyboardInterrupt


@pytest.mark.parametrize("method", ["tsnpe", "snpe_a", "snpe_b", "snpe_c", "snpe_c_mixture"])
def test_what_may_be_lost_reaches_the_method(recording, neuron, method):
    settings = replace(SETTINGS, method=method, lost_mass=0.02)
    planned = pipeline.plan(recording, neuron, settings, CORRECTIONS, {})
    assert planned.inference(method, settings.budget).lost_mass == 0.02


@pytest.mark.usefixtures("unillustrated")
def test_area_is_fitted_on_request(recording, neuron, tmp_path):
    settings = pipeline.replace(SETTINGS, rounds=1, simulations=60)
    result = pipeline.fit(recording, neuron, settings, Corrections(fit_area=True), out=tmp_path / "run", workers=1)
    assert "area" in result.posterior.names
    assert "fitted as a parameter" in result.assumptions[0]


@pytest.mark.usefixtures("unillustrated")
def test_simulations_of_an_earlier_fit_begin_a_new_one(finished, recording, neuron, tmp_path):
    out, before = finished
    settings = replace(SETTINGS, simulations=400, seed=8)
    told = []
    again = pipeline.fit(
        recording,
        neuron,
        settings,
        CORRECTIONS,
        out=tmp_path / "run",
        earlier=str(out),
        workers=1,
        progress=lambda *words: told.append(words),
    )
    np.testing.assert_array_equal(again.simulations.theta[:120], before.simulations.theta[:120])
    np.testing.assert_array_equal(again.simulations.x[:120], before.simulations.x[:120])
    assert len(again.simulations) == 400
    first = min(done for stage, done, _, _ in told if stage == "round 1: simulating")
    assert first > 120


def test_simulations_of_another_model_are_refused(finished, recording, neuron, tmp_path):
    other = neuron.with_values({"capacitance": 2.0})
    with pytest.raises(InputError, match=r"model differs.*capacitance.value is 1.0 there and 2.0 here"):
        pipeline.fit(recording, other, SETTINGS, CORRECTIONS, out=tmp_path / "run", earlier=str(finished[0]), workers=1)


def test_method_that_cannot_learn_from_samples_is_refused(recording, neuron, tmp_path):
    settings = pipeline.replace(SETTINGS, features="learned", method="snpe_b")
    with pytest.raises(UnsupportedError, match="'snpe_b' trains no network on samples of sweeps; use npe or tsnpe"):
        pipeline.fit(recording, neuron, settings, CORRECTIONS, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("features", [pytest.param("learned", marks=pytest.mark.slow), "spiking_learned"])
def test_fit_with_a_learned_summary_is_checked_on_few_features(recording, neuron, tmp_path, features):
    settings = pipeline.replace(SETTINGS, features=features, simulations=100)
    result = pipeline.fit(recording, neuron, settings, CORRECTIONS, out=tmp_path / "run", workers=1)
    per_sweep = len(result.checked) / recording.protocol.n_sweeps
    assert per_sweep == (12 if features == "spiking_learned" else pytest.approx(12, abs=1))
    assert len(result.checks["features"]) == len(result.checked)
    assert "gated recurrent units" in (tmp_path / "run" / "report.html").read_text()
