"""Every outcome is named on the raw trace, and good traces are left in peace."""

import numpy as np
import pytest

from hhfit import model as models
from hhfit import simulators
from hhfit.errors import InputError
from hhfit.outcomes import Limits, judge
from hhfit.protocol import step
from hhfit.simulations import Simulations
from hhfit.traces import FAILED, Status, failures

PROTOCOL = step(np.array([300.0]), on=50.0, off=250.0, duration=300.0, dt=0.025)
TIME = PROTOCOL.time
MIDDLE = PROTOCOL.samples(120.0, 300.0)


def spiking():
    """Rest at -70 mV, a step to -55 mV with spikes of 1 ms every 20 ms."""
    v = -70.0 + 15.0 * (1 - np.exp(-np.clip(TIME - 50.0, 0, None) / 10)) * (TIME >= 50)
    v = v - 15.0 * (1 - np.exp(-np.clip(TIME - 250.0, 0, None) / 10)) * (TIME >= 250)
    for peak in np.arange(70.0, 250.0, 20.0):
        v = v + 90.0 * np.exp(-0.5 * ((TIME - peak) / 0.4) ** 2)
    return v


def named(v, protocol=PROTOCOL, limits=Limits()):  # noqa: B008 - frozen
    return Status(int(judge(np.asarray(v)[None, None], protocol, limits)[0]))


def changed(change):
    v = spiking()
    v[MIDDLE] = change(v[MIDDLE], TIME[MIDDLE] - TIME[MIDDLE][0])
    return v


def test_spikes_on_a_steady_baseline_are_ok():
    assert named(spiking()) is Status.OK


def test_no_spike_is_silent_and_no_failure():
    assert named(np.minimum(spiking(), -55.0) + 1e-3 * np.sin(TIME)) is Status.SILENT
    assert Status.SILENT not in FAILED


def test_a_spike_before_the_stimulus_is_spontaneous():
    assert named(spiking() + 90.0 * np.exp(-0.5 * ((TIME - 30.0) / 0.4) ** 2)) is Status.SPONTANEOUS


def test_a_plateau_after_spikes_is_a_block():
    plateau = np.where((TIME > 100) & (TIME < 250), -35.0 + 0.5 * np.sin(TIME), spiking())
    assert named(plateau) is Status.BLOCK


def test_a_plateau_without_spikes_is_silent():
    assert named(-70.0 + 35.0 * ((TIME > 50) & (TIME < 250)) + 0.1 * np.sin(TIME)) is Status.SILENT


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_says_so(value):
    assert named(changed(lambda v, t: np.full_like(v, value))) is Status.NOT_FINITE


@pytest.mark.parametrize("value", [1e300, 201.0, -201.0])
def test_what_no_cell_can_reach_is_a_runaway(value):
    assert named(changed(lambda v, t: np.where(t > 10, value, v))) is Status.RUNAWAY


@pytest.mark.parametrize("kilohertz", [0.1, 0.5, 2.0, 20.0])
def test_a_growing_oscillation_diverges(kilohertz):
    wave = changed(lambda v, t: v + 0.1 * np.exp(t / 20.0).clip(max=1200.0) * np.cos(2 * np.pi * kilohertz * t))
    assert named(wave) is Status.DIVERGING


def test_a_baseline_that_drifts_diverges():
    assert named(spiking() + 30.0 * np.exp(-TIME / 20.0)) is Status.OK
    assert named(spiking() - 0.9 * np.minimum(TIME, 50.0)) is Status.DIVERGING


def test_a_voltage_that_stands_still_has_a_solver_that_stopped():
    assert named(changed(lambda v, t: np.full_like(v, v[0]))) is Status.SOLVER
    assert named(np.full_like(TIME, -70.0)) is Status.SOLVER, "it does not answer the step"


def test_a_cell_at_its_resting_point_does_not_stand_still():
    v = -70.0 + 10.0 * ((TIME >= 50.05) & (TIME < 250.05)) * (1 - np.exp(-np.clip(TIME - 50.05, 0, None) / 0.5))
    v = v + 10.0 * (TIME >= 250.05) * np.exp(-np.clip(TIME - 250.05, 0, None) / 0.5)
    assert (np.diff(v[PROTOCOL.samples(0, 50)]) == 0).all()
    assert named(v) is Status.SILENT


def test_a_wrong_length_has_a_solver_that_stopped():
    assert judge(spiking()[None, None, :-1], PROTOCOL)[0] == Status.SOLVER


def test_the_worst_sweep_names_the_row():
    two = step(np.array([0.0, 300.0]), on=50.0, off=250.0, duration=300.0, dt=0.025)
    quiet = -70.0 + 0.1 * np.sin(TIME)
    assert judge(np.stack([quiet, spiking()])[None], two)[0] == Status.OK, "one sweep has spikes"
    assert judge(np.stack([quiet, np.full_like(TIME, np.nan)])[None], two)[0] == Status.NOT_FINITE


def test_a_short_trace_of_a_simulator_is_marked(monkeypatch):
    neuron = models.load("hh52")
    engine = simulators.get("batched", neuron, PROTOCOL)
    whole = type(engine)._simulate
    monkeypatch.setattr(
        type(engine), "_simulate", lambda self, *given: (whole(self, *given)[0][:, :, :-5], whole(self, *given)[1])
    )
    traces = engine(neuron.prior.sample(3, 1), 1)
    assert (traces.status == Status.SOLVER).all()
    assert np.isnan(traces.response).all()


def test_limits_come_from_the_models_table():
    table = models.dump(models.load("hh52")) | {"outcomes": {"plateau": {"value": -60.0, "unit": "mV"}}}
    neuron = models.build(table, "mine")
    assert neuron.limits == Limits(plateau=-60.0)
    assert models.build(models.dump(neuron), "mine").limits == neuron.limits
    assert neuron.hash != models.load("hh52").hash
    level = np.where((TIME > 100) & (TIME < 250), -50.0 + 0.5 * np.sin(TIME), spiking())
    assert (named(level), named(level, limits=neuron.limits)) == (Status.OK, Status.BLOCK)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"plateu": {"value": 1, "unit": "mV"}}, "outcomes.plateu is unknown"),
        ({"plateau": {"value": 1, "unit": "V"}}, 'must be { value = ..., unit = "mV" }'),
        ({"plateau": -40.0}, 'must be { value = ..., unit = "mV" }'),
        ({"plateau": {"value": "x", "unit": "mV"}}, "must be a number"),
        ({"still": {"value": 0, "unit": "ms"}}, "must be positive"),
        ({"floor": {"value": -300.0, "unit": "mV"}}, "must be in this order"),
        ({"floor": {"value": float("nan"), "unit": "mV"}}, "must be finite"),
    ],
)
def test_bad_limits_name_file_and_key(table, words):
    with pytest.raises(InputError) as error:
        models.build(models.dump(models.load("hh52")) | {"outcomes": table}, "mine")
    assert words in str(error.value)
    assert "mine.toml" in str(error.value)


def test_what_fails_is_chosen():
    status = np.array([Status.OK, Status.SILENT, Status.RUNAWAY, Status.NOT_FINITE])
    rows = Simulations(np.zeros((4, 1)), np.zeros((4, 1)), status, np.arange(4))
    assert rows.usable.tolist() == [True, True, False, False]
    strict = Simulations(rows.theta, rows.x, status, rows.index, failures(["silent"]))
    assert strict.usable.tolist() == [True, False, True, False]
    assert strict.rows(np.array([1, 2])).usable.tolist() == [False, True]


@pytest.mark.parametrize("name", ["ok", "slient"])
def test_an_unknown_outcome_is_refused(name):
    with pytest.raises(InputError, match=f"'{name}', must be among silent"):
        failures([name])


def test_no_given_recording_is_called_a_failure(recordings):
    from hhfit import readers

    for file in ("*ME_9_CC*.nwb", "171116sh_0018.abf"):
        found = list(recordings.rglob(file))
        assert found, file
        recording = readers.read(found[0])
        status = [
            judge(recording.response[None, [k]], recording.protocol.select([k]))[0]
            for k in range(recording.protocol.n_sweeps)
        ]
        assert not set(map(Status, map(int, status))) & FAILED


def test_settings_refuse_an_unknown_outcome():
    from hhfit.planning import Settings

    assert Status.BLOCK in Settings(fail_on="silent, block").failures
    assert Settings().failures == FAILED
    with pytest.raises(InputError, match="fail_on names the outcome 'slient'"):
        Settings(fail_on="slient")


def test_settings_refuse_to_lose_most_of_what_is_usable():
    from hhfit.planning import Settings

    with pytest.raises(InputError, match=r"lost_mass is 0.5, must be from 0 to below 0.5"):
        Settings(lost_mass=0.5)
