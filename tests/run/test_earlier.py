"""Simulations of an earlier run, taken over into a new one."""

import numpy as np
import pytest
from run_samples import flip, ignore, recording, same, simulations

from hhfit.errors import InputError
from hhfit.run import RunDirectory, earlier
from hhfit.simulations import join

SAME = {
    "model_hash": "ab",
    "model": {"area": 3.0},
    "features": {"name": "f", "text": "t"},
    "settings": {"simulator": "neuron", "step": 0.025, "method": "npe", "seed": 1},
}


def begin(folder, settings, measured=None):
    return RunDirectory.create(folder, settings, measured or recording(), overwrite=False, listener=ignore)


def changed(table, section, key, value):
    return {**table, section: {**table[section], key: value}}


def test_simulations_of_an_earlier_run_are_taken_over(tmp_path):
    with begin(tmp_path / "a", SAME) as run:
        run.save(simulations(0, 10), 1)
        run.save(simulations(10, 7), 1)
        run.save(simulations(17, 5), 2)
    theta = np.random.default_rng(5).random((30, 2))
    with begin(tmp_path / "b", changed(SAME, "settings", "seed", 9)) as run:
        assert run.adopted(theta, 0) is theta
        run.adopt(earlier(tmp_path / "a", run.settings, run.recording.protocol))
    with RunDirectory.open(tmp_path / "b", listener=ignore) as run:
        used = run.adopted(theta, 0)
        found, missing = run.stored(used, 0, 1)
        assert same(found[0], join([simulations(0, 10), simulations(10, 7)]))
        assert missing.tolist() == list(range(17, 30))
        assert np.array_equal(used[17:], theta[17:])
        assert np.array_equal(run.adopted(theta[:4], 0), used[:4])
        assert np.array_equal(run.adopted(theta, 30), theta)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({**SAME, "model_hash": "cd", "model": {"area": 4.0}}, "model differs.*: area is 3.0 there and 4.0 here"),
        (changed(SAME, "features", "text", "u"), "feature set differs.*: text is t there and u here"),
        (changed(SAME, "settings", "simulator", "brian2"), "simulator differs.*: it is neuron there and brian2 here"),
        (changed(SAME, "settings", "step", 0.01), "step differs.*: it is 0.025 there and 0.01 here"),
        (changed(SAME, "settings", "method", "abc_mcmc"), "abc_mcmc does not begin"),
    ],
)
def test_simulations_of_another_kind_are_refused(tmp_path, settings, word):
    with begin(tmp_path / "a", SAME) as run:
        run.save(simulations(0, 10), 1)
    with begin(tmp_path / "b", settings) as run, pytest.raises(InputError, match=word):
        run.adopt(earlier(tmp_path / "a", run.settings, run.recording.protocol))


def test_simulations_of_another_command_are_refused(tmp_path):
    with begin(tmp_path / "a", SAME) as run:
        run.save(simulations(0, 10), 1)
    with (
        begin(tmp_path / "b", SAME, recording().select([3])) as run,
        pytest.raises(InputError, match="command differs"),
    ):
        run.adopt(earlier(tmp_path / "a", run.settings, run.recording.protocol))


def test_an_earlier_run_without_simulations_is_refused(tmp_path):
    with begin(tmp_path / "a", SAME):
        pass
    with begin(tmp_path / "b", SAME) as run, pytest.raises(InputError, match="no simulations"):
        run.adopt(earlier(tmp_path / "a", run.settings, run.recording.protocol))


def test_taking_over_changes_nothing_of_the_earlier_run(tmp_path):
    with begin(tmp_path / "a", SAME) as run:
        run.save(simulations(0, 10), 1)
        run.save(simulations(10, 10), 1)
    flip(tmp_path / "a" / "simulations" / "round-01" / "000000010-000000019.npz")
    before = {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()}
    with begin(tmp_path / "b", SAME) as run:
        run.adopt(earlier(tmp_path / "a", run.settings, run.recording.protocol))
        assert len(run.simulations(1)[0]) == 10
    assert {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()} == before
