"""A trained network used again for other recordings."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hhfit import finished, pipeline
from hhfit import model as models
from hhfit.cli import _fit as command
from hhfit.errors import InputError
from hhfit.planning import Settings
from hhfit.preparation import Corrections, prepare
from hhfit.prior import Marginal
from hhfit.protocol import step
from hhfit.recording import Recording

SETTINGS = Settings(
    features="goncalves2020", method="npe", simulations=240, rounds=1, seed=3, samples=50, predictions=10
)
CORRECTIONS = Corrections(ljp=-10.0, area=12000.0)


def cell(resistance: float = 80.0, rest: float = -65.0, seed: int = 1, last: float = 50.0) -> Recording:
    """Two short sweeps of an RC circuit [MOhm, mV], silent: synthetic."""
    protocol = step(np.array([-100.0, last]), on=20.0, off=80.0, duration=100.0, dt=0.1)
    rise = 1 - np.exp(-np.clip(protocol.time - 20, 0, 60) / 10)
    fall = np.exp(-np.clip(protocol.time - 80, 0, None) / 10)
    noise = np.random.default_rng(seed).normal(0, 0.05, (2, protocol.n_times))
    response = rest + resistance / 1000 * np.array([[-100.0], [last]]) * rise * fall + noise
    return Recording(response, protocol, [4, 7], {"name": "rc.csv"})


OTHER = cell(120.0, -67.0, seed=2)


@pytest.fixture(scope="module")
def neuron() -> models.Model:
    return models.load("pospischil")


@pytest.fixture(scope="module")
def trained(neuron, tmp_path_factory):
    """The run that trained the network, and its result."""
    out = tmp_path_factory.mktemp("trained") / "run"
    return out, pipeline.fit(cell(), neuron, SETTINGS, CORRECTIONS, out=out, workers=2)


@pytest.fixture(scope="module")
def untouched(trained):
    """What the run that trained the network held before others used it."""
    return contents(trained[0])


@pytest.fixture(scope="module")
def second(trained, untouched, neuron, tmp_path_factory):
    """The run of another recording that took the network over, its result, its stages, and what it simulated."""
    out, told = tmp_path_factory.mktemp("second") / "run", []
    settings = replace(SETTINGS, network=str(trained[0]), simulations=5000)
    with pytest.MonkeyPatch.context() as patch:
        asked = watched(patch)
        result = pipeline.fit(
            OTHER, neuron, settings, CORRECTIONS, out=out, workers=1, progress=lambda *words: told.append(words[0])
        )
    return out, result, told, asked


@pytest.fixture
def copied(second, tmp_path):
    """A copy of that run."""
    return Path(shutil.copytree(second[0], tmp_path / "copied"))


@pytest.fixture
def reuse(trained, neuron, tmp_path):
    """Fit a recording with the trained network."""

    def fit(recording, *, model=neuron, corrections=CORRECTIONS, out="again", changed=None, **options):
        settings = replace(SETTINGS, network=str(trained[0]), **(changed or {}))
        return pipeline.fit(recording, model, settings, corrections, out=tmp_path / out, workers=1, **options)

    return fit


def watched(patch: pytest.MonkeyPatch) -> list[int]:
    """Parameter sets that are stored as simulations of a round from now on."""
    asked: list[int] = []
    save = pipeline.RunDirectory.save

    def spy(run, rows, round_number):
        asked.append(len(rows))
        save(run, rows, round_number)

    patch.setattr(pipeline.RunDirectory, "save", spy)
    return asked


@pytest.fixture
def simulated(monkeypatch):
    """Parameter sets that are stored as simulations of a round."""
    return watched(monkeypatch)


@pytest.mark.usefixtures("unillustrated")
def test_same_recording_gives_the_same_samples(trained, reuse):
    again = reuse(cell())
    np.testing.assert_array_equal(again.samples, trained[1].samples)
    np.testing.assert_array_equal(again.simulations.x, trained[1].simulations.x)


def test_second_recording_is_fitted_without_training(trained, second):
    _, result, told, asked = second
    assert asked == [240]  # those taken over: none came from the workers
    assert not [stage for stage in told if "simulating" in stage or "round 1: training" in stage]
    assert "posterior prediction" in told
    assert result.checks["calibration"]["n"] > 0
    np.testing.assert_array_equal(result.simulations.theta, trained[1].simulations.theta)
    expected = trained[1].posterior.at(result.x_o).sample(50, SETTINGS.seed)
    np.testing.assert_array_equal(result.samples, expected)
    assert not np.array_equal(result.samples, trained[1].samples)


def test_run_says_where_its_network_came_from(trained, second):
    out, result, *_ = second
    source = str(trained[0])
    summary = json.loads((out / "summary.json").read_text())
    assert summary["settings"]["network"] == source
    assert summary["rounds"][0]["network"] == source
    assert f"taken from the run {source}, where it learned from 240 simulations" in " ".join(summary["assumptions"])
    assert f'network = "{source}"' in (out / "fit.toml").read_text()
    assert source in (out / "report.html").read_text()
    words = " ".join(result.assumptions)
    assert "Simulations start at -75." in words
    assert "this recording starts at -7" in words
    assert result.model.hash == trained[1].model.hash


@pytest.mark.usefixtures("unillustrated")
@pytest.mark.parametrize("stage", ["sampling the posterior", "posterior prediction", "checking"])
def test_interrupted_run_resumes_to_the_same_samples_without_its_source(trained, second, neuron, tmp_path, stage):
    source = tmp_path / "source"
    shutil.copytree(trained[0], source)

    def interrupt(now, done, total, note):
        if now == stage:
            raise KeyboardInterrupt

    settings = replace(SETTINGS, network=str(source))
    with pytest.raises(KeyboardInterrupt):
        pipeline.fit(OTHER, neuron, settings, CORRECTIONS, out=tmp_path / "cut", workers=1, progress=interrupt)
    shutil.rmtree(source)
    resumed = pipeline.resume(tmp_path / "cut", workers=1)
    np.testing.assert_array_equal(resumed.samples, second[1].samples)


@pytest.mark.usefixtures("unillustrated")
@pytest.mark.parametrize("lost", ["rounds/round-01", "simulations/adopted.npz"])
def test_network_that_was_not_copied_is_copied_on_resume(second, copied, simulated, lost):
    path = copied / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    resumed = pipeline.resume(copied, workers=1)
    np.testing.assert_array_equal(resumed.samples, second[1].samples)
    assert simulated == [240]  # those taken over: none came from the workers


def test_lost_network_whose_source_is_gone_is_not_trained_in_silence(trained, copied, tmp_path):
    text = (copied / "fit.toml").read_text()
    (copied / "fit.toml").write_text(text.replace(str(trained[0]), str(tmp_path / "source")))
    shutil.rmtree(copied / "rounds")
    with pytest.raises(InputError, match="source: holds no run"):
        pipeline.resume(copied, workers=1)


@pytest.mark.usefixtures("unillustrated")
def test_finished_run_is_opened_again_and_lends_its_network_on(trained, second, neuron, tmp_path):
    again = finished.reopen(second[0], workers=1)
    np.testing.assert_array_equal(again.samples, second[1].samples)
    settings = replace(SETTINGS, network=str(second[0]))
    third = pipeline.fit(cell(), neuron, settings, CORRECTIONS, out=tmp_path / "third", workers=1)
    np.testing.assert_array_equal(third.samples, trained[1].samples)


def test_source_is_left_as_it_was(trained, second, untouched):
    assert contents(trained[0]) == untouched


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"tolerance": 0.1}, "tolerance differs.*: it is 0.05 there and 0.1 here"),
        ({"fail_on": "runaway"}, "rule of what failed differs.*: it is runaway,diverging there and runaway here"),
        ({"features": "subthreshold"}, "feature set differs"),
        ({"step": 0.01}, "step differs.*and 0.01 here"),
        ({"simulator": "neuron"}, "simulator differs.*: it is batched there and neuron here"),
    ],
)
def test_other_settings_are_refused(reuse, tmp_path, changed, words):
    with pytest.raises(InputError, match=words):
        reuse(cell(), changed=changed)
    assert not (tmp_path / "again").exists()


def test_another_method_is_refused(trained):
    with pytest.raises(InputError, match="method is tsnpe, --network needs --method npe"):
        replace(SETTINGS, method="tsnpe", network=str(trained[0]))


def test_another_model_prior_or_area_is_refused(reuse, neuron):
    with pytest.raises(InputError, match=r"model differs.*capacitance.value is 1.0 there and 2.0 here"):
        reuse(cell(), model=neuron.with_values({"capacitance": 2.0}))
    with pytest.raises(InputError, match=r"model differs.*g_na.prior.high is 80.0 there and 90.0 here"):
        reuse(cell(), model=neuron.with_priors({"g_na": Marginal("uniform", 0.5, 90.0)}))
    with pytest.raises(InputError, match=r"model differs.*area.value is 12000.0 there and 13000.0 here"):
        reuse(cell(), corrections=replace(CORRECTIONS, area=13000.0))


def test_another_command_or_choice_of_sweeps_is_refused(reuse):
    with pytest.raises(InputError, match="command differs"):
        reuse(cell(last=60.0))
    with pytest.raises(InputError, match="command differs"):
        reuse(cell(), corrections=replace(CORRECTIONS, sweeps=(4,)))


def test_run_of_another_method_or_without_a_network_is_refused(trained, neuron, tmp_path):
    def use(folder):
        settings = replace(SETTINGS, network=str(folder))
        pipeline.fit(cell(), neuron, settings, CORRECTIONS, out=tmp_path / "again", workers=1)

    with pytest.raises(InputError, match="nothing: holds no run"):
        use(tmp_path / "nothing")
    other = tmp_path / "other"
    shutil.copytree(trained[0], other)
    text = (other / "fit.toml").read_text()
    (other / "fit.toml").write_text(text.replace('method = "npe"', 'method = "tsnpe"'))
    with pytest.raises(InputError, match="its method is tsnpe; only the network of an npe run"):
        use(other)
    (other / "fit.toml").write_text(text)
    shutil.rmtree(other / "rounds")
    with pytest.raises(InputError, match="not trained to the end; finish it with 'hhfit resume"):
        use(other)


def test_damaged_network_is_refused(trained, neuron, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(trained[0], other)
    path = other / "rounds" / "round-01" / "arrays.npz"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="damaged"):
        pipeline.fit(
            cell(), neuron, replace(SETTINGS, network=str(other)), CORRECTIONS, out=tmp_path / "again", workers=1
        )


def test_network_excludes_simulations_of_an_earlier_run(trained, reuse):
    with pytest.raises(InputError, match="--from and --network exclude each other"):
        reuse(cell(), earlier=str(trained[0]))


def test_run_of_the_network_is_not_overwritten_by_its_user(trained, neuron):
    settings = replace(SETTINGS, network=str(trained[0]))
    with pytest.raises(InputError, match="is the run that the network comes from"):
        pipeline.fit(cell(), neuron, settings, CORRECTIONS, out=trained[0], overwrite=True, workers=1)
    assert (trained[0] / "summary.json").is_file()


def test_priors_narrowed_by_a_recording_are_those_of_the_network(neuron):
    first = prepare(long_cell(400.0), neuron, Corrections(area=12000.0))
    second = prepare(long_cell(500.0), neuron, Corrections(area=12000.0))
    assert first.model.quantities["g_leak"].prior != second.model.quantities["g_leak"].prior
    like = prepare(long_cell(500.0), neuron, Corrections(area=12000.0), first.model)
    assert like.model.hash == first.model.hash
    said = [sentence for sentence in like.assumptions if "prior of g_leak" in sentence]
    assert len(said) == 1
    assert "as when the network was trained" in said[0]


def test_prior_of_the_area_is_that_of_the_network(neuron):
    first = prepare(long_cell(400.0), neuron, Corrections(fit_area=True))
    like = prepare(long_cell(500.0), neuron, Corrections(fit_area=True), first.model)
    assert like.model.hash == first.model.hash
    assert "prior that the network was trained under" in like.assumptions[0]


def long_cell(resistance: float) -> Recording:
    """An RC circuit of 20 ms at -70 mV [MOhm], whose passive response can be measured: synthetic."""
    protocol = step(np.array([-20.0, -10.0, 10.0]), on=100.0, off=400.0, duration=900.0, dt=0.1)
    rise = 1 - np.exp(-np.clip(protocol.time - 100, 0, 300) / 20)
    fall = np.exp(-np.clip(protocol.time - 400, 0, None) / 20)
    response = -70 + resistance / 1000 * protocol.amplitude[:, None] * rise * fall
    return Recording(response, protocol, [1, 2, 3], {"name": "rc.abf"})


def test_option_reaches_the_fit(trained, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(pipeline, "fit", lambda *given, **named: seen.append(given[2]))
    monkeypatch.setattr(command, "show", lambda *given: None)
    path = tmp_path / "cell.csv"
    time = np.arange(0, 400, 0.1)
    inside = (time >= 100) & (time < 300)
    table = np.column_stack([time, -70 - 5.0 * inside, -50.0 * inside])
    np.savetxt(path, table, delimiter=",", header="time_ms,voltage_mv,current_pa", comments="")
    command.fit(str(path), method="npe", network=str(trained[0]), out=str(tmp_path / "run"))
    assert seen[0].network == str(trained[0])
