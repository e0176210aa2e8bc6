"""The run directory: whole at any moment, and honest about what is damaged."""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from run_samples import SETTINGS, create, flip, ignore, recording, same, simulations

from hhfit.errors import InputError
from hhfit.run import RunDirectory, _files
from hhfit.run._folder import NAMES, SCHEMA
from hhfit.simulations import Simulations, join


@pytest.fixture
def run(tmp_path):
    with create(tmp_path / "run") as opened:
        yield opened


def part_of(run):
    return next((run.folder / "simulations" / "round-01").glob("*.npz"))


def test_sweeps_kept_back_come_back(tmp_path):
    kept = recording().select([3])
    with create(tmp_path / "run", validation=kept):
        pass
    with RunDirectory.open(tmp_path / "run", listener=ignore) as run:
        np.testing.assert_array_equal(run.validation.response, kept.response)
        assert run.validation.sweeps.tolist() == [3]


def test_new_run_without_sweeps_kept_back_forgets_those_of_the_old_one(tmp_path):
    with create(tmp_path / "run", validation=recording().select([3])):
        pass
    with create(tmp_path / "run", overwrite=True) as run:
        assert run.validation is None
    assert not (tmp_path / "run" / "validation.npz").exists()


def test_settings_and_recording_come_back(tmp_path):
    with create(tmp_path / "run"):
        pass
    with RunDirectory.open(tmp_path / "run", listener=ignore) as run:
        assert run.settings == {key: value for key, value in SETTINGS.items() if value is not None}
        stored, want = run.recording, recording()
    assert np.array_equal(stored.response, want.response)
    assert np.array_equal(stored.protocol.command, want.protocol.command)
    assert np.array_equal(stored.sweeps, want.sweeps)
    assert (stored.protocol.dt, stored.protocol.clamp) == (want.protocol.dt, "current")
    assert stored.protocol.windows == want.protocol.windows
    assert stored.provenance == want.provenance


def test_a_folder_with_a_run_is_refused(tmp_path):
    with create(tmp_path / "run"):
        pass
    with pytest.raises(InputError, match=r"hhfit resume .*--overwrite"):
        create(tmp_path / "run")


def test_a_folder_with_one_of_our_names_is_refused(tmp_path):
    (tmp_path / "figures").mkdir()
    with pytest.raises(InputError, match="holds figures"):
        create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]


def test_overwrite_leaves_nothing_of_the_run_before(tmp_path):
    with create(tmp_path) as run:
        run.save(simulations(0, 5), 1)
        run.record("round-01", {}, {})
        run.write_summary({})
    (tmp_path / "mine.txt").write_text("keep")
    with create(tmp_path, overwrite=True) as run:
        assert run.simulations(1) == []
        assert run.recall("round-01") is None
        assert not (tmp_path / "summary.json").exists()
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_nothing_is_written_when_settings_cannot_be(tmp_path):
    with pytest.raises(InputError, match="cannot be written"):
        RunDirectory.create(tmp_path / "run", {"a": object()}, recording(), overwrite=False, listener=ignore)
    assert not (tmp_path / "run").exists()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="is a file"):
        create(tmp_path / "run")


def test_a_folder_without_a_run_cannot_be_opened(tmp_path):
    with pytest.raises(InputError, match="holds no run"):
        RunDirectory.open(tmp_path, listener=ignore)


def test_another_schema_is_refused(tmp_path):
    with create(tmp_path):
        pass
    path = tmp_path / "fit.toml"
    path.write_text(path.read_text().replace(f"schema = {SCHEMA}", "schema = 99"))
    with pytest.raises(InputError, match="schema 99"):
        RunDirectory.open(tmp_path, listener=ignore)


def test_a_damaged_recording_is_named(tmp_path):
    with create(tmp_path):
        pass
    flip(tmp_path / "recording.npz")
    with pytest.raises(InputError, match=r"recording.npz: damaged"):
        RunDirectory.open(tmp_path, listener=ignore)


def test_one_process_at_a_time(run):
    with pytest.raises(InputError, match="another hhfit"):
        RunDirectory.open(run.folder, listener=ignore)


def test_the_lock_ends_with_the_run(tmp_path):
    with create(tmp_path):
        pass
    with RunDirectory.open(tmp_path, listener=ignore):
        pass


def test_parts_come_back_in_order(run):
    for first in (20, 0, 10):
        run.save(simulations(first, 10), 1)
    run.save(simulations(30, 5), 2)
    assert same(join(run.simulations(1)), join([simulations(first, 10) for first in (0, 10, 20)]))
    assert same(run.simulations(2)[0], simulations(30, 5))


def test_a_part_that_is_not_contiguous_is_refused(run):
    with pytest.raises(InputError, match="contiguous"):
        run.save(simulations(0, 10).rows(np.array([0, 2])), 1)


def cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def empty(path):
    path.write_bytes(b"")


def other_values(path):
    arrays = _files.unpack(path)
    arrays["theta"] = arrays["theta"] + 1
    np.savez(path, sha256=np.array("0" * 64), **arrays)


def other_columns(path):
    path.write_bytes(_files.pack({"theta": np.zeros((3, 2))}))


def other_shapes(path):
    arrays = _files.unpack(path)
    path.write_bytes(_files.pack({**arrays, "x": arrays["x"][:2]}))


def renamed(path):
    path.rename(path.with_name("000000005-000000012.npz"))


DAMAGES = [flip, cut, empty, other_values, other_columns, other_shapes, renamed]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_part_is_named_and_made_again(run, damage, caplog):
    run.save(simulations(0, 10), 1)
    run.save(simulations(20, 10), 1)
    damage(sorted((run.folder / "simulations" / "round-01").glob("*.npz"))[0])
    with caplog.at_level(logging.WARNING):
        assert [part.index[0] for part in run.simulations(1)] == [20]
    assert "damaged" in caplog.text
    run.save(simulations(0, 10), 1)
    assert [part.index[0] for part in run.simulations(1)] == [0, 20]


def test_overlapping_parts_count_once(run, caplog):
    run.save(simulations(0, 10), 1)
    run.save(simulations(5, 10), 1)
    assert [part.index[0] for part in run.simulations(1)] == [0]
    assert "repeats simulation 5" in caplog.text


def test_stored_tells_what_is_missing(run):
    theta = np.random.default_rng(0).random((30, 2))
    part = simulations(105, 10)
    run.save(Simulations(theta[5:15], part.x, part.status, part.index), 1)
    found, missing = run.stored(theta, 100, 1)
    assert same(found[0], Simulations(theta[5:15], part.x, part.status, part.index))
    assert np.array_equal(missing, np.r_[np.arange(5), np.arange(15, 30)])
    nothing, missing = run.stored(theta, 200, 1)
    assert nothing == []
    assert len(missing) == 30


def test_stored_simulations_of_other_parameters_are_refused(run):
    run.save(simulations(0, 10), 1)
    with pytest.raises(InputError, match="other parameters"):
        run.stored(np.zeros((10, 2)), 0, 1)


def test_rounds_come_back(run):
    arrays = {"net.0.weight": np.eye(3, dtype=np.float32), "file": np.arange(4), "empty": np.zeros((0, 2))}
    run.record("round-01", arrays, {"loss": np.float32(1.5), "bad": np.inf, "epochs": np.int64(3), "curve": [1, 2]})
    back = run.recall("round-01")
    assert back.keys() == arrays.keys()
    assert all(np.array_equal(back[k], arrays[k]) and back[k].dtype == arrays[k].dtype for k in arrays)
    assert run.logs == {"round-01": {"loss": 1.5, "bad": None, "epochs": 3, "curve": [1, 2]}}


def test_a_round_recorded_again_replaces_the_first(run):
    run.record("round-01", {"a": np.zeros(2)}, {})
    run.record("round-01", {"a": np.ones(2)}, {})
    assert run.recall("round-01")["a"].tolist() == [1.0, 1.0]


def test_a_round_that_was_not_recorded_is_none(run):
    assert run.recall("round-02") is None


@pytest.mark.parametrize("damage", [flip, cut, empty])
def test_a_damaged_round_is_named_and_done_again(run, damage, caplog):
    run.record("round-01", {"a": np.arange(50.0)}, {})
    damage(run.folder / "rounds" / "round-01" / "arrays.npz")
    assert run.recall("round-01") is None
    assert "arrays.npz: damaged" in caplog.text


def test_objects_are_never_pickled(run):
    with pytest.raises(InputError, match="cannot be stored"):
        run.record("round-01", {"a": np.array([{}], object)}, {})
    assert run.recall("round-01") is None


@pytest.mark.parametrize("key", ["../evil", "", ".hidden", "a/b"])
def test_a_key_is_a_plain_name(run, key):
    with pytest.raises(InputError, match="must be made of"):
        run.record(key, {}, {})


def test_the_same_arrays_give_the_same_bytes():
    arrays = {"a": np.arange(3.0)}
    assert _files.pack(arrays) == _files.pack(arrays)


def test_samples_come_back_to_the_last_digit(run):
    samples = np.random.default_rng(2).random((50, 2)) * np.pi
    run.write_samples(["g_na", "g_k"], samples)
    names, back = run.read_samples()
    assert names == ["g_na", "g_k"]
    assert np.array_equal(back, samples)


def test_summary_is_strict_json(run):
    run.write_summary({"p": np.nan, "n": np.int64(3), "q": np.arange(2.0)})
    json.loads((run.folder / "summary.json").read_text(), parse_constant=pytest.fail)
    assert run.read_summary() == {"p": None, "n": 3, "q": [0.0, 1.0]}


def state_of(folder):
    return json.loads((folder / "state.json").read_text())


def test_state_says_where_it_is_and_the_listener_hears_it(tmp_path):
    heard = []
    with create(tmp_path, listener=lambda *words: heard.append(words)) as run:
        run.progress("round 2: simulating", 10, 20, "5 per s")
        assert state_of(tmp_path)["sentence"] == "in round 2: simulating: 10 of 20"
    assert heard == [("round 2: simulating", 10, 20, "5 per s")]


@pytest.mark.parametrize(
    ("error", "want"),
    [
        (KeyboardInterrupt(), "stopped in round 2: 1400 of 2000 (on request)"),
        (InputError("no such thing"), "failed in round 2: 1400 of 2000 (no such thing)"),
    ],
)
def test_state_says_where_and_why_it_stopped(tmp_path, error, want):
    with contextlib.suppress(KeyboardInterrupt, InputError), create(tmp_path) as run:
        run.progress("round 2", 1400, 2000, "")
        raise error
    assert state_of(tmp_path)["sentence"] == want
    assert want in (tmp_path / "log.txt").read_text()
    with RunDirectory.open(tmp_path, listener=ignore) as run:
        assert run.state == want


def test_a_finished_run_says_so(tmp_path):
    with create(tmp_path) as run:
        run.progress("report", 1, 1, "")
        run.finish()
    assert state_of(tmp_path)["sentence"] == "done"


def test_a_missing_or_damaged_state_stops_nothing(tmp_path):
    with create(tmp_path):
        pass
    (tmp_path / "state.json").write_text("{")
    with RunDirectory.open(tmp_path, listener=ignore) as run:
        assert run.state == "stopped in an unknown stage"


def test_the_log_holds_what_hhfit_says_and_ends_with_the_run(tmp_path):
    with create(tmp_path):
        logging.getLogger("hhfit.somewhere").info("because of %s", "this")
    logging.getLogger("hhfit.somewhere").warning("not this")
    text = (tmp_path / "log.txt").read_text()
    assert "hhfit.somewhere: because of this" in text
    assert "not this" not in text


def test_the_log_holds_where_stages_began_and_ended(tmp_path):
    with create(tmp_path) as run:
        for done in range(1, 6):
            run.progress("round 1: simulating", done, 5, f"{done} failed")
    text = (tmp_path / "log.txt").read_text()
    assert "round 1: simulating: 1 of 5 1 failed" in text
    assert "round 1: simulating: 5 of 5 5 failed" in text
    assert "3 of 5" not in text


def test_only_known_names_are_written(run):
    run.save(simulations(0, 3), 1)
    run.record("round-01", {}, {})
    run.write_samples(["a"], np.zeros((1, 1)))
    run.write_summary({})
    run.progress("a", 1, 1, "")
    assert {path.name for path in run.folder.iterdir()} <= set(NAMES)


LIMITED = """
import resource, signal, sys
sys.path[:0] = {path!r}
import numpy as np
from hhfit.run import RunDirectory
from hhfit.simulations import Simulations
from hhfit.errors import HHFitError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with RunDirectory.open({folder!r}, listener=print) as run:
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    rows = Simulations(np.zeros((900, 2)), np.zeros((900, 3)), np.zeros(900), np.arange(900, 1800))
    for call in (lambda: run.save(rows, 1), lambda: run.record("round-01", {{"a": np.zeros(2000)}}, {{}})):
        try:
            call()
        except HHFitError as error:
            print(error)
"""


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path):
    with create(tmp_path) as run:
        run.save(simulations(0, 900), 1)
        run.record("round-01", {"a": np.ones(3)}, {})
    code = LIMITED.format(path=[str(Path(__file__).parents[2])], folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert len(said) == 2
    assert all("cannot be written: File too large" in line for line in said)
    with RunDirectory.open(tmp_path, listener=ignore) as run:
        assert same(run.simulations(1)[0], simulations(0, 900))
        assert run.recall("round-01")["a"].tolist() == [1.0, 1.0, 1.0]
        assert not list(tmp_path.rglob("*.writing"))


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(InputError, match=r"no run can be written there: Permission denied$"):
        create(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_failed_overwrite_leaves_the_run_before(tmp_path, monkeypatch):
    with create(tmp_path) as run:
        run.save(simulations(0, 5), 1)

    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(InputError, match="No space left"):
            create(tmp_path, overwrite=True)
    with RunDirectory.open(tmp_path, listener=ignore) as run:
        assert same(run.simulations(1)[0], simulations(0, 5))


WRITER = """
import sys
sys.path[:0] = {path!r}
import numpy as np
from hhfit.run import RunDirectory
from hhfit.simulations import Simulations
with RunDirectory.open({folder!r}, listener=lambda *words: None) as run:
    first = sum(len(part) for part in run.simulations(1))
    print("open", flush=True)
    while True:
        index = np.arange(first, first + 100)
        run.save(Simulations(index[:, None] + np.zeros((100, 2)), np.ones((100, 40)), np.zeros(100), index), 1)
        run.record(f"round-{{first}}", {{"a": index}}, {{"first": first}})
        run.progress("round 1", first, 1e9, "")
        first += 100
"""


def test_kill_at_any_moment_leaves_whole_parts(tmp_path):
    with create(tmp_path):
        pass
    code = WRITER.format(path=[str(Path(__file__).parents[2])], folder=str(tmp_path))
    finished = 0
    for kills, delay in enumerate(np.random.default_rng(4).uniform(0.0, 0.15, 8), start=1):
        writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert writer.stdout.readline() == b"open\n"
        with contextlib.suppress(subprocess.TimeoutExpired):
            writer.wait(delay)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        with RunDirectory.open(tmp_path, listener=ignore) as run:
            parts = run.simulations(1)
            assert not list(tmp_path.rglob("*.damaged"))
            index = join(parts).index if parts else np.zeros(0, int)
            assert np.array_equal(index, np.arange(len(index)))
            assert len(index) >= finished
            assert len(run.logs) >= len(parts) - kills
            assert all(run.recall(key) is not None for key in run.logs)
            finished = len(index)
    assert finished > 0
