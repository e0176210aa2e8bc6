"""A finished run taken up again: report, what if, robust posterior, exports, from the command line."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from hhfit import assumptions, cli, diagnostics, extractors, finished, pipeline
from hhfit import model as models
from hhfit.diagnostics import Assumption
from hhfit.errors import InputError
from hhfit.planning import Settings
from hhfit.preparation import Corrections
from hhfit.protocol import step
from hhfit.recording import Recording
from hhfit.simulators import get

SETTINGS = Settings(
    features="goncalves2020", method="npe", simulations=400, rounds=1, seed=3, samples=200, predictions=10
)
CORRECTIONS = Corrections(ljp=0.0, area=15393.8, sweeps=(0, 1), validation=(2,))


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Three short sweeps of the model with known parameters: synthetic."""
    neuron = models.load("pospischil")
    protocol = step(np.array([-100.0, 500.0, 700.0]), on=10.0, off=60.0, duration=80.0, dt=0.1)
    response = get("batched", neuron, protocol)(neuron.reference[None], 0, np.arange(1)).response[0]
    return Recording(response, protocol, np.arange(3), {"name": "known.csv"})


@pytest.fixture(scope="module")
def run(recording, tmp_path_factory):
    out = tmp_path_factory.mktemp("finished") / "run"
    return out, pipeline.fit(recording, models.load("pospischil"), SETTINGS, CORRECTIONS, out=out, workers=1)


@pytest.fixture
def hhfit(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["hhfit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return call


def summary(out):
    return json.loads((out / "summary.json").read_text())


def test_sweeps_that_were_kept_back_are_predicted(run):
    out, result = run
    assert result.validation.recording.sweeps.tolist() == [2]
    assert summary(out)["checks"]["validation"]["spikes"]["total"] == 1
    assert len(summary(out)["checks"]["validation"]["traces"]) == 1
    assert "Sweep 2, not fitted" in (out / "report.html").read_text()


def test_calibration_rests_on_as_many_simulations_as_the_fit(run):
    assert run[1].checks["calibration"]["n"] > 380  # 400 less those that failed; a tenth is held out


def test_reopened_run_is_the_same(run):
    out, result = run
    again = finished.reopen(out, workers=1)
    assert np.array_equal(again.samples, result.samples)
    assert np.array_equal(again.predictive.response, result.predictive.response, equal_nan=True)
    assert again.checks["verdict"] == result.checks["verdict"]
    assert again.timings == summary(out)["seconds"]


def test_report_is_written_again(run, hhfit):
    out, _ = run
    (out / "report.html").unlink()
    code, printed, _ = hhfit("report", out, "--workers", 1)
    assert code == 0
    assert "report.html" in printed
    assert "Verdict" in (out / "report.html").read_text()
    assert (out / "figures" / "traces.pdf").read_bytes().startswith(b"%PDF")


def test_sensitivity_goes_into_summary_and_report(run, hhfit, monkeypatch):
    out, _ = run
    design = (Assumption("ljp", 10.0, "mV"), Assumption("v_t", 5.0, "mV"))
    monkeypatch.setattr(diagnostics, "DESIGN", design)
    code, printed, _ = hhfit("check", out, "--sensitivity", "--simulations", 150, "--workers", 1)
    assert code in (0, 3)
    found = summary(out)["checks"]["sensitivity"]
    assert [row["assumption"] for row in found["rows"]] == ["ljp +10 mV"]
    assert found["skipped"] == {"v_t +5 mV": "v_t is fitted"}
    assert "ljp +10 mV moves" in printed
    assert "ljp +10 mV moves" in (out / "report.html").read_text()


def test_robust_posterior_is_written_beside_the_plain_one(run, hhfit):
    out, result = run
    code, _, _ = hhfit("check", out, "--robust", "--workers", 1)
    assert code == {"good": 0, "doubtful": 0, "bad": 3}[summary(out)["checks"]["verdict"]["word"]]
    header, *lines = (out / "samples_robust.csv").read_text().splitlines()
    assert header == ",".join(result.posterior.names)
    assert len(lines) == 200
    draws = np.array([line.split(",") for line in lines], float)
    assert result.posterior.prior.contains(draws).all()
    found = summary(out)["checks"]["robust"]
    for name, column in zip(result.posterior.names, draws.T, strict=True):
        assert found["parameters"][name]["mean"] == pytest.approx(column.mean())
    assert 1 < found["effective"] <= 400
    assert "If some features cannot be met" in (out / "report.html").read_text()


def test_robust_posterior_from_too_few_simulations_is_refused(run, hhfit, monkeypatch):
    monkeypatch.setattr(diagnostics._robust, "ENOUGH", 1000.0)
    code, printed, error = hhfit("check", run[0], "--robust", "--workers", 1)
    assert code == 2
    assert printed == ""
    assert "simulations fire as the recording does; a robust posterior needs more" in error


@pytest.mark.parametrize("target", ["neuron", "brian2", "csv"])
def test_export_writes_where_it_is_told(run, hhfit, tmp_path, target):
    out, result = run
    code, printed, _ = hhfit("export", out, "--to", target, "--out", tmp_path / "taken", "--sets", 4, "--workers", 1)
    assert code == 0
    assert "taken" in printed
    table = np.genfromtxt(tmp_path / "taken" / "parameter_sets.csv", delimiter=",", names=True)
    assert len(table) == 4
    assert set(result.posterior.names) <= set(table.dtype.names)
    assert (tmp_path / "taken" / "run.py").exists() == (target != "csv")


def test_one_export_leaves_the_others_alone(run, hhfit):
    out, _ = run
    for target in ("neuron", "brian2", "csv"):
        assert hhfit("export", out, "--to", target, "--sets", 4, "--workers", 1)[0] == 0
    folder = out / "export"
    assert "from neuron import" in (folder / "neuron" / "run.py").read_text()
    assert "brian2" in (folder / "brian2" / "run.py").read_text()
    held = (folder / "neuron" / "parameter_sets.csv").read_text().splitlines()[0]
    free = (folder / "parameter_sets.csv").read_text().splitlines()[0]
    assert len(held.split(",")) > len(free.split(","))


@pytest.mark.parametrize("command", [("check",), ("report",), ("export", "--to", "csv"), ("check", "--robust")])
def test_folder_without_a_finished_run_is_refused(hhfit, tmp_path, command):
    code, _, error = hhfit(command[0], tmp_path, *command[1:])
    assert code == 2
    assert "holds no finished run" in error


def test_changed_junction_potential_moves_recording_and_start(recording):
    model = models.load("pospischil")
    moved, other = assumptions.changed(recording, model, Assumption("ljp", -10.0, "mV"))
    np.testing.assert_allclose(moved.response, recording.response - 10.0)
    assert other.quantities["v_init"].value == model.quantities["v_init"].value - 10.0


def test_changed_capacitance_is_a_factor(recording):
    model = models.load("pospischil")
    assert assumptions.changed(recording, model, Assumption("capacitance", 1.25, "1", relative=True))[1].quantities[
        "capacitance"
    ].value == pytest.approx(1.25)


def test_warmth_speeds_up_every_gate():
    model = models.load("pospischil")
    _, warm = assumptions.changed(None, model, Assumption("temperature", 10.0, "degC"))
    values = {"v": np.array([-40.0])} | {name: np.array([q.value]) for name, q in model.quantities.items()}
    for old, new in zip(model.channels, warm.channels, strict=True):
        for before, after in zip(old.gates, new.gates, strict=True):
            assert after.tau.evaluate(values) == pytest.approx(before.tau.evaluate(values) / 3.0)


def test_assumption_that_the_model_does_not_make_is_skipped():
    model = models.load("pospischil")
    assert assumptions.obstacle(model, Assumption("e_ca", 10.0, "mV")) == "the model has no e_ca"
    assert assumptions.obstacle(model, Assumption("temperature", 5.0, "degC")) == ""


def test_robust_posterior_needs_an_amortised_method(run):
    class Lone:
        prior = run[1].posterior.prior

    with pytest.raises(InputError, match="needs tsnpe or npe"):
        finished.robust(replace(run[1], posterior=Lone()))


def test_robust_posterior_of_samples_is_refused(run):
    learned = replace(run[1], features=extractors.load("learned"))
    with pytest.raises(InputError, match="'learned' holds samples of sweeps, whose errors are not independent"):
        finished.robust(learned)
