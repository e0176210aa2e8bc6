"""Workers: same rows whatever runs them, and a fault costs its own rows alone."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import cloudpickle
import numpy as np
import psutil
import pytest
from distributed import LocalCluster

from hhfit.errors import DependencyError, InputError, SimulationError
from hhfit.simulations import Simulations, join
from hhfit.traces import Status
from hhfit.workers import Task, Workers

cloudpickle.register_pickle_by_value(sys.modules[__name__])

FAULTS = ("segfault", "exit", "hang", "raise", "allocate", "wrong_shape", "other_rows", "not_rows")


@dataclass(frozen=True)
class Faulty(Task):
    """Features are noise keyed by row; a row whose first parameter is -k has fault k."""

    seconds_per_row: float = 0.0
    row_bytes: int = 1000

    def __call__(self, theta, seed, index):
        time.sleep(self.seconds_per_row * len(theta))
        for fault in FAULTS:
            if (theta[:, 0] == -1.0 - FAULTS.index(fault)).any():
                _break(fault)
                if fault == "wrong_shape":
                    return Simulations(theta, np.zeros((len(theta), 5)), np.zeros(len(theta)), index)
                if fault == "other_rows":
                    return Simulations(theta, np.zeros((len(theta), 2)), np.zeros(len(theta)), index + 1)
                if fault == "not_rows":
                    return 3.0
        noise = [np.random.default_rng([seed, i]).standard_normal(2) for i in index]
        return Simulations(theta, theta[:, :1] + np.array(noise), np.zeros(len(theta)), index)

    def lost(self, theta, index, status):
        return Simulations(theta, np.full((len(theta), 2), np.nan), np.full(len(theta), status), index)


@dataclass(frozen=True)
class SlowStart(Faulty):
    """The same, but every process after the first takes 1.5 s to begin with."""

    folder: str = ""

    def __call__(self, theta, seed, index):
        mark = Path(self.folder) / str(os.getpid())
        if not mark.exists():
            time.sleep(1.5 if any(Path(self.folder).iterdir()) else 0.0)
            mark.touch()
        return Faulty.__call__(self, theta, seed, index)


@dataclass(frozen=True)
class Whole(Task):
    """Calls a function that makes the features of all rows; for tests of what runs it."""

    features: object
    row_bytes: int = 1000

    def __call__(self, theta, seed, index):
        return Simulations(theta, self.features(theta), np.zeros(len(theta)), index)

    def lost(self, theta, index, status):
        return Simulations(theta, np.full((len(theta), 1), np.nan), np.full(len(theta), status), index)


def _break(fault):
    match fault:
        case "segfault":
            import ctypes

            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "hang":
            time.sleep(600)
        case "raise":
            raise RuntimeError("a row that raises")
        case "allocate":
            np.ones(2**31)


@pytest.fixture
def dask(monkeypatch):
    """Dask workers start for any work."""
    monkeypatch.setattr("hhfit.workers.PROBES", (1,))
    monkeypatch.setattr("hhfit.workers.WORTH", 0.0)


def rows(n):
    return np.random.default_rng(0).random((n, 3)), np.arange(n)


def run(workers, task, theta, index):
    return join(list(workers.map(task, theta, 7, index)))


def same(a, b):
    return all(np.array_equal(getattr(a, f), getattr(b, f), equal_nan=True) for f in ("theta", "x", "status", "index"))


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.usefixtures("dask")
def test_same_rows_for_any_number_of_workers(count):
    theta, index = rows(500)
    with Workers(0) as here:
        want = run(here, Faulty(), theta, index)
    with Workers(count) as workers:
        assert same(run(workers, Faulty(), theta, index), want)
    assert np.array_equal(want.index, index)


def test_chunks_are_contiguous_and_each_row_comes_once():
    theta, _ = rows(300)
    index = np.r_[np.arange(100), np.arange(150, 350)]
    with Workers(0) as workers:
        parts = list(workers.map(Faulty(), theta, 7, index))
    assert len(parts) > 2
    assert all((np.diff(part.index) == 1).all() for part in parts)
    assert np.array_equal(np.sort(np.concatenate([part.index for part in parts])), index)


def test_no_rows_give_nothing():
    with Workers(2) as workers:
        assert list(workers.map(Faulty(), np.zeros((0, 3)), 7, np.zeros(0, int))) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_its_own_row(fault):
    theta, index = rows(120)
    bad = [40, 77]
    theta[bad, 0] = -1.0 - FAULTS.index(fault)
    with Workers(1, limit=1.0) as workers:
        got = run(workers, Faulty(), theta, index)
    want = np.zeros(120, int)
    want[bad] = Status.TIMEOUT if fault == "hang" else Status.CRASHED
    assert np.array_equal(got.status, want)
    clean = np.flatnonzero(want == 0)
    with Workers(0) as here:
        assert same(got.rows(clean), run(here, Faulty(), theta[clean], index[clean]))
    assert workers.usage.lost == 2


def test_a_slow_start_is_not_held_against_a_row(tmp_path):
    theta, index = rows(120)
    theta[[40, 77], 0] = -2.0  # each ends its process, so that rows beside it begin in a new one
    with Workers(1, limit=1.0) as workers:
        status = run(workers, SlowStart(folder=str(tmp_path)), theta, index).status
    assert np.flatnonzero(status).tolist() == [40, 77]
    assert len(list(tmp_path.iterdir())) > 3


@pytest.mark.usefixtures("dask")
def test_faults_cost_their_own_rows_through_dask():
    theta, index = rows(400)
    theta[[5, 111, 399], 0] = [-1.0, -2.0, -4.0]
    with Workers(2) as workers:
        got = run(workers, Faulty(), theta, index)
    assert np.flatnonzero(got.status == Status.CRASHED).tolist() == [5, 111, 399]


def test_a_hang_in_c_ends_within_its_limit():
    theta, index = rows(1)
    theta[0, 0] = -3.0
    start = time.monotonic()
    with Workers(1, limit=1.0) as workers:
        status = run(workers, Faulty(), theta, index).status
    assert status.tolist() == [Status.TIMEOUT]
    assert time.monotonic() - start < 2 * (1.0 + 5.0)


def test_a_task_that_never_works_raises_its_own_error():
    def wrong(theta):
        raise InputError("the tape is missing")

    with Workers(1) as workers, pytest.raises(InputError, match="the tape is missing"):
        run(workers, Whole(wrong), *rows(100))


def test_a_missing_package_raises_at_once():
    def missing(theta):
        raise DependencyError("pip install it")

    with Workers(1) as workers, pytest.raises(DependencyError, match="pip install it"):
        run(workers, Whole(missing), *rows(100))
    assert workers.usage.calls == 0


def test_an_external_kill_loses_no_row():
    def kill_once(theta):
        flag = Path(os.environ["HHFIT_TEST_FLAG"])
        if not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return theta[:, :1]

    with Workers(1) as workers:
        assert (run(workers, Whole(kill_once), *rows(40)).status == Status.OK).all()


@pytest.fixture(autouse=True)
def _flag(tmp_path, monkeypatch):
    monkeypatch.setenv("HHFIT_TEST_FLAG", str(tmp_path / "flag"))


def test_a_worker_that_leaks_is_replaced():
    def leak(theta):
        leaked = globals().setdefault("leaked", [])
        leaked.append(np.ones(2**25))
        return np.full((len(theta), 1), float(len(leaked)))

    with Workers(1) as workers:
        x = np.concatenate([run(workers, Whole(leak), *rows(1)).x for _ in range(8)])
    assert x.max() < 6


def test_workers_have_one_thread_and_import_little():
    def look(theta):
        heavy = {"torch", "distributed", "neuron", "scipy"} & set(sys.modules)
        assert os.environ["OMP_NUM_THREADS"] == "1"
        return np.full((len(theta), 1), float(len(heavy)))

    with Workers(2) as workers:
        assert (run(workers, Whole(look), *rows(100)).x == 0).all()


def test_what_a_worker_needs_for_a_fit_imports_little():
    def look(theta):
        import hhfit.task  # noqa: F401 - the task of a fit

        heavy = {"torch", "sbi", "distributed", "matplotlib", "pynwb"} & set(sys.modules)
        return np.full((len(theta), 1), float(len(heavy)))

    with Workers(1) as workers:
        assert (run(workers, Whole(look), *rows(3)).x == 0).all()


@pytest.mark.usefixtures("dask")
def test_local_workers_leave_no_port_open():
    own = psutil.Process()
    with Workers(2) as workers:
        run(workers, Faulty(), *rows(100))
        assert [c for c in own.net_connections() if c.status == psutil.CONN_LISTEN] == []


def started(before):
    """Processes that this one has started since; other tests' helpers, such as Python's resource tracker, stay."""
    return set(psutil.Process().children()) - before


def test_nothing_starts_before_the_first_map_and_little_for_a_small_one():
    before = started(set())
    with Workers(4) as workers:
        assert not started(before)
        run(workers, Faulty(), *rows(2000))
        assert len(started(before)) == 1
    assert not started(before)


def test_dask_starts_when_the_work_is_worth_it(monkeypatch, caplog):
    monkeypatch.setattr("hhfit.workers.WORTH", 0.5)
    caplog.set_level("DEBUG", "hhfit")
    before = started(set())
    with Workers(2) as workers:
        theta, index = rows(150)
        assert (run(workers, Faulty(seconds_per_row=0.01), theta, index).status == Status.OK).all()
        assert len(started(before)) == 2
    assert any("Dask workers start" in line for line in caplog.messages)


def test_what_a_task_prints_stays_out_of_our_output(capfd):
    def loud(theta):
        os.write(1, b"noise")
        os.write(2, b"noise")
        return theta[:, :1]

    with Workers(1) as workers:
        run(workers, Whole(loud), *rows(3))
    assert capfd.readouterr() == ("", "")


def test_memory_bounds_a_chunk():
    with Workers(0) as workers:
        parts = list(workers.map(Faulty(row_bytes=2**27), *rows(10)[:1], 7, np.arange(10)))
    assert max(len(part) for part in parts) == 2


@pytest.mark.parametrize("bad", [{"count": -1}, {"count": 1, "limit": 0.0}, {"count": 1, "memory": -1.0}])
def test_impossible_settings_are_refused(bad):
    with pytest.raises(InputError, match=r"must be|both must"):
        Workers(**bad)


def test_a_scheduler_that_does_not_answer_is_refused(monkeypatch):
    from hhfit.workers import _cluster

    monkeypatch.setattr(_cluster, "CONNECT", 0.5)
    with Workers(0, scheduler="tcp://127.0.0.1:9") as workers, pytest.raises(InputError, match=r"tcp://127.0.0.1:9"):
        run(workers, Faulty(), *rows(4))


def test_a_closed_child_starts_no_more():
    from hhfit.workers._isolated import Child, Request

    child = Child(2**32)
    child.close()
    with pytest.raises(SimulationError, match="closed"):
        child.call(Request("a", b"", b"", b"", 1.0, 1.0))


def test_a_child_that_cannot_start_says_why(monkeypatch):
    from hhfit.workers import _isolated

    monkeypatch.setattr(_isolated, "_CODE", "import nothing_of_that_name")
    with Workers(1) as workers, pytest.raises(SimulationError, match=r"cannot start.*nothing_of_that_name"):
        run(workers, Faulty(), *rows(3))


def test_a_child_killed_while_it_starts_is_started_again(monkeypatch):
    from hhfit.workers import _isolated

    once = "import os, pathlib; p = pathlib.Path(os.environ['HHFIT_TEST_FLAG']); n = p.exists(); p.touch()\n"
    once += "if not n: os.kill(os.getpid(), 9)\n"
    monkeypatch.setattr(_isolated, "_CODE", once + _isolated._CODE)
    with Workers(1) as workers:
        assert (run(workers, Faulty(), *rows(3)).status == Status.OK).all()


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.usefixtures("dask")
def test_a_map_that_was_left_does_not_answer_the_next(count):
    theta, index = rows(200)
    with Workers(count) as workers:
        parts = workers.map(Faulty(), theta, 1, index)
        next(parts), next(parts)
        parts.close()
        assert workers.usage.rows < 200
        got = run(workers, Faulty(), theta[:50], index[:50])
    with Workers(0) as here:
        assert same(got, run(here, Faulty(), theta[:50], index[:50]))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.usefixtures("dask")
def test_a_map_may_outlive_its_workers(count):
    with Workers(count) as workers:
        parts = workers.map(Faulty(), *rows(200)[:1], 1, np.arange(200))
        next(parts), next(parts)
    parts.close()
    assert ours(os.getpid()) == []


@pytest.mark.usefixtures("dask")
def test_a_slow_reader_holds_the_work_back():
    def touch(theta):
        with open(os.environ["HHFIT_TEST_FLAG"], "a") as file:
            file.write("x" * len(theta))
        return theta[:, :1]

    with Workers(2) as workers:
        parts = workers.map(Whole(touch, row_bytes=2**26), *rows(400)[:1], 7, np.arange(400))
        assert [len(next(parts)) for _ in range(2)] == [1, 4]
        time.sleep(0.5)
        begun = os.path.getsize(os.environ["HHFIT_TEST_FLAG"])
        assert begun <= 1 + (1 + 4) * 4
        assert sum(len(part) for part in parts) == 400 - 5


@pytest.fixture(scope="module")
def scheduler():
    """A Dask scheduler and two workers in processes of their own, as a cluster has them."""
    folder = tempfile.TemporaryDirectory()
    python = [sys.executable, "-W", "ignore", "-m"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    quiet["env"] = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    file = Path(folder.name) / "scheduler.json"
    own = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)]
    command = ["distributed.cli.dask_scheduler", *own, "--port", "0", "--dashboard-address", "127.0.0.1:0"]
    processes = [subprocess.Popen([*python, *command], **quiet)]
    worker = ["distributed.cli.dask_worker", *own, "--nthreads", "1", "--nworkers", "2"]
    processes.append(subprocess.Popen([*python, *worker, "--local-directory", folder.name], **quiet))
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    yield json.loads(file.read_text())["address"], processes[1].pid
    for process in reversed(processes):
        process.terminate()
        process.wait(30)
    folder.cleanup()


def test_a_running_scheduler_gives_the_same_rows_and_gets_its_workers_back(scheduler):
    address, nanny = scheduler
    theta, index = rows(500)
    theta[17, 0] = -2.0
    with Workers(1) as one, Workers(0, scheduler=address) as cluster:
        assert same(run(cluster, Faulty(), theta, index), run(one, Faulty(), theta, index))
    deadline = time.monotonic() + 10
    while len(ours(nanny)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ours(nanny) == []


def ours(pid):
    """Child processes of ours anywhere below a process."""
    below = psutil.Process(pid).children(recursive=True)
    return [process for process in below if any("hhfit.workers._child" in word for word in process.cmdline())]


def test_a_killed_dask_worker_loses_no_row(scheduler):
    address, nanny = scheduler
    theta, index = rows(800)
    with Workers(0, scheduler=address) as cluster:
        parts = cluster.map(Faulty(seconds_per_row=0.01), theta, 7, index)
        got = [next(parts)]
        child = ours(nanny)[0]
        child.parent().kill()
        got.extend(parts)
    with Workers(0) as here:
        assert same(join(got), run(here, Faulty(), theta, index))


def test_work_that_waits_for_the_first_dask_worker_says_so_once(caplog, monkeypatch):
    monkeypatch.setattr("hhfit.workers._cluster.LOOK", 0.1)
    said = "no worker has joined the scheduler yet"
    with LocalCluster(n_workers=0, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as dask:

        def join_later():
            deadline = time.monotonic() + 30
            while said not in caplog.text and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.5)
            dask.scale(1)

        joining = threading.Thread(target=join_later)
        with Workers(0, scheduler=dask.scheduler_address) as workers:
            joining.start()
            assert len(run(workers, Faulty(), *rows(50))) == 50
        joining.join()
    assert caplog.text.count(said) == 1


PARENT = """
import sys, time, threading, signal
sys.path[:0] = {path!r}
import cloudpickle, numpy as np
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("t", {file!r})
t = module_from_spec(spec); sys.modules["t"] = t; spec.loader.exec_module(t)
print("ready", flush=True)
with t.Workers({count}) as workers:
    for part in workers.map(t.Faulty(seconds_per_row=0.005), np.ones((10000, 3)), 1, np.arange(10000)):
        print(len(part), flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("count", [1, 2])
def test_workers_end_with_their_parent(number, count):
    code = PARENT.format(path=[str(Path(__file__).parent.parent)], file=__file__, count=count)
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    children = []
    while len(children) < count:
        assert parent.stdout.readline()
        children = psutil.Process(parent.pid).children(recursive=True)
    parent.send_signal(number)
    errors = parent.communicate(timeout=5)[1]
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []
    assert number != signal.SIGINT or errors.count("Traceback") == 1, errors
    assert number == signal.SIGINT or errors == ""
