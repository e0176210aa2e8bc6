"""Measure that runs survive: isolation, kills, faults, hosts, throughput, memory.

    python benchmarks/runs.py [--quick] [--only ROW] [--json] [--seed N]

Ratios are medians over rounds in which the things compared take turns.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import _runs_hosts
import _runs_kills as kills_module
import _runs_tasks as tasks
import numpy as np
import psutil

import hhfit.workers
from hhfit import extractors, model, plugins
from hhfit.run._parts import Parts
from hhfit.simulations import join
from hhfit.traces import Status
from hhfit.workers import Workers

LIMIT = 5.0
"""Seconds that a call may take in the rows with faults."""


def rows_of(n, parameters=8, seed=0):
    return np.random.default_rng(seed).random((n, parameters)), np.arange(n)


def mapped(workers, task, theta, index, seed=1):
    return join(list(workers.map(task, theta, seed, index)))


def same(a, b):
    return all(np.array_equal(getattr(a, f), getattr(b, f), equal_nan=True) for f in ("theta", "x", "status", "index"))


def timed(function, *arguments):
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def row(value, unit, bar, holds, detail=""):
    return {"value": value, "unit": unit, "bar": bar, "holds": bool(holds), "detail": detail}


def load_throughput(options):
    """Throughput of two workers against one for a load of 2 ms per row, chunk sizes chosen by hhfit."""
    return ratio_of_rates(tasks.spin(2.0), *rows_of(1500 if options.quick else 3000), 1.8)


def ratio_of_rates(task, theta, index, bar, rounds=5):
    """Wall time of one worker over that of two, median over rounds in which they take turns, all of them warm."""
    with Workers(2) as two, Workers(1) as one:
        for workers in (one, two):
            mapped(workers, task, theta[: len(theta) // 4], index[: len(theta) // 4])
        ratios, busy, cpu, own = [], [], [], []
        for k in range(rounds):
            took = {}
            for workers in (one, two) if k % 2 else (two, one):
                before = workers.usage.busy_s
                took[workers] = costed(mapped, workers, task, theta, index)
                if workers is two:
                    busy.append((two.usage.busy_s - before) / 2 / took[two][0])
            ratios.append(took[one][0] / took[two][0])
            cpu.append(took[two][1] / took[one][1])
            own.append(took[two][2] / took[two][1])
    ratio = statistics.median(ratios)
    detail = f"{len(theta)} simulations; workers busy {np.median(busy):.0%}; CPU for two workers {np.median(cpu):.3f} "
    detail += f"of that for one, {np.median(own):.1%} of it here; load {os.getloadavg()[0]:.1f}; "
    return row(ratio, "ratio", f">= {bar}", ratio >= bar, detail + f"rounds {np.round(ratios, 2).tolist()}")


def costed(function, workers, *arguments):
    """Wall seconds of a map, CPU seconds of this process and the workers together, and of this process."""
    own, theirs = time.process_time(), workers.usage.cpu_s
    wall, _ = timed(function, workers, *arguments)
    own = time.process_time() - own
    return wall, own + workers.usage.cpu_s - theirs, own


def missing(why, bar):
    return {"value": None, "unit": "", "bar": bar, "holds": False, "detail": why}


def start(options):
    """From nothing to the first result of two workers, Dask imported in a fresh interpreter."""
    code = (
        f"import sys, time; sys.path[:0] = {sys.path!r}; import numpy as np; import _runs_tasks as t; "
        "import hhfit.workers as w; w.PROBES, w.WORTH = (1,), 0.0; s = time.perf_counter()\n"
        "with w.Workers(2) as w:\n"
        "    m = w.map(t.Spin(1), np.ones((100, 2)), 1, np.arange(100)); next(m); next(m)\n"
        "    print(time.perf_counter() - s)\n"
    )
    took = [float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) for _ in "123"]
    return row(statistics.median(took), "s", "< 4", max(took) < 4, "median of 3, the slowest counts")


def isolation(options):
    """Cost of a child process against the same work in this process, chunk sizes chosen alike."""
    task, (theta, index) = tasks.spin(2.0), rows_of(1000 if options.quick else 4000)
    with Workers(0) as here, Workers(1) as child:
        mapped(child, task, *rows_of(10))
        ratios = []
        for _ in range(3):
            alone, _ = timed(mapped, here, task, theta, index)
            ratios.append(timed(mapped, child, task, theta, index)[0] / alone)
    ratio = statistics.median(ratios)
    return row(ratio, "ratio", "<= 1.10", ratio <= 1.10, f"2 ms per row; rounds {np.round(ratios, 3).tolist()}")


def dask_cost(options):
    """Throughput of two workers against one where memory holds chunks down to 10 ms of work."""
    task = tasks.spin(10.0 / 32)
    theta, index = rows_of(32 * 400)
    bytes_of_32 = 2**28 // 32
    task = type(task)(task.loops_per_row, row_bytes=bytes_of_32)
    with Workers(2) as two, Workers(1) as one:
        for workers in (one, two):
            mapped(workers, task, theta[:320], index[:320])
        ratios = []
        for _ in range(3):
            alone, _ = timed(mapped, one, task, theta, index)
            ratios.append(alone / timed(mapped, two, task, theta, index)[0])
    ratio = statistics.median(ratios)
    return row(
        ratio, "ratio", ">= 1.7", ratio >= 1.7, f"2 workers to 1, chunks of 10 ms; {np.round(ratios, 2).tolist()}"
    )


def same_rows(options):
    """Rows that differ between this process, 1, 2 and 4 workers, and chunk sizes."""
    theta, index = rows_of(3000)
    with Workers(0) as workers:
        want = mapped(workers, tasks.Spin(100), theta, index)
    differ = 0
    for count in (1, 2, 4):
        for row_bytes in (2**28 // 7, 1000):
            with Workers(count) as workers:
                differ += not same(mapped(workers, tasks.Spin(100, row_bytes=row_bytes), theta, index), want)
    return row(differ, "runs", "0", differ == 0, "6 runs against one in this process")


def faults_in_load(options):
    return faults_in(tasks.spin(3.0), ("segfault", "exit", "hang", "raise", "leak", "wrong shape"), options, 8)


def faults_in(task, kinds, options, parameters):
    """Rows wrongly marked when 1 % of the rows are faulty; clean rows must be what they are without faults."""
    n = 1000 if options.quick else 10_000
    theta, index = rows_of(n, parameters)
    broken = tasks.faults(n, 0.01, kinds, options.seed)
    with Workers(2) as workers:
        clean_s, clean = timed(mapped, workers, task, theta, index)
    with Workers(2, limit=LIMIT, memory=2.0) as workers:
        faulty_s, got = timed(mapped, workers, tasks.WithFaults(task, broken), theta, index)
    want = tasks.expected(n, broken)
    fine = want == Status.OK
    for leak in (i for i, fault in broken.items() if fault == "leak" and got.status[i] == Status.TIMEOUT):
        want[leak] = Status.TIMEOUT  # on a busy machine its time may end before its memory
    wrong = int((got.status != np.where(fine, clean.status, want)).sum()) + (not same(got.rows(fine), clean.rows(fine)))
    detail = f"{n} rows, {len(broken)} faulty; {faulty_s:.0f} s, without faults {clean_s:.0f} s"
    return row(wrong, "rows", "0", wrong == 0, detail)


def hang(options):
    """A lone row that hangs: time beyond its limit, for each of its two tries."""
    theta, index = rows_of(1)
    with Workers(1, limit=2.0) as workers:
        took, got = timed(mapped, workers, tasks.WithFaults(tasks.Spin(1), {0: "hang"}), theta, index)
    over = took / 2 - 2.0
    return row(over, "s", "<= 5", got.status[0] == Status.TIMEOUT and over <= 5, "limit 2 s, two tries")


def worker_kills(options):
    """Rows that differ after 20 kill -9 of workers during one run."""
    task, (theta, index) = tasks.Rest(3000), rows_of(8000)
    with Workers(0) as workers:
        want = mapped(workers, tasks.Spin(0), theta, index)
    kills, stop, random = [], threading.Event(), np.random.default_rng(options.seed)

    def kill():
        while len(kills) < 20 and not stop.wait(random.uniform(0.05, 0.6)):
            children = psutil.Process().children()
            if children:
                victim = children[random.integers(len(children))]
                kills.append(victim.pid)
                victim.kill()

    killer = threading.Thread(target=kill)
    with Workers(2) as workers:
        killer.start()
        got = mapped(workers, task, theta, index)
        stop.set()
        killer.join()
    holds = same(got, want) and len(kills) == 20
    return row(int((got.status != want.status).sum()), "rows", "0 after 20 kills", holds, f"{len(kills)} kills")


def two_hosts(options):
    """Rows that differ when one of two Dask worker hosts is cut off for 30 s."""
    cut_s = 8.0 if options.quick else 30.0
    task, (theta, index) = tasks.Rest(5000), rows_of(4000 if options.quick else 12_000)
    with Workers(0) as workers:
        want = mapped(workers, tasks.Spin(0), theta, index)
    if os.geteuid() != 0:
        return missing("network namespaces need root", "0, and it ends")
    with _runs_hosts.Hosts() as hosts, Workers(0, scheduler=hosts.scheduler) as workers:
        took, got = timed(hosts.cut_during, cut_s, lambda: mapped(workers, task, theta, index))
    wrong = 0 if same(got, want) else len(theta)
    return row(wrong, "rows", "0, and it ends", wrong == 0, f"cut off for {cut_s:g} s; {took:.0f} s in all")


def run_kills(options):
    """Complaints after kill -9 of whole fits at random moments, each resumed to its end."""
    kills, simulations = (5, 200) if options.quick else (30, 400)
    with tempfile.TemporaryDirectory() as folder:
        quiet = Path(folder) / "quiet"
        kills_module.Fitting(quiet, resume=False, simulations=simulations).end()
        want = kills_module.outcome(quiet)
        where, complaints, done = kills_module.killed_often(folder, kills, simulations, options.seed)
        for run in done:
            complaints += [
                f"{run.name}: {name} differs" for name in kills_module.differ(kills_module.outcome(run), want)
            ]
    detail = f"{sum(where.values())} kills in {len(done)} runs, while {where}; {complaints or 'nothing differs'}"
    return row(len(complaints), "faults", "0", not complaints, detail)


def interrupt(options):
    """Seconds from Ctrl-C or SIGTERM until no process is left, and the run can be resumed."""
    worst, said = 0.0, []
    for name, number in kills_module.SIGNALS.items():
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            took, alive, sentence = kills_module.interrupted(run, number, 200)
            worst = max(worst, 99.0 if alive else took)
            last = kills_module.Fitting(run, resume=True, simulations=200).end()
            said.append(f"{name}: {took:.1f} s, {sentence!r}, resumed to {last!r}")
    return row(worst, "s", "<= 5", worst <= 5 and all("'end'" in line for line in said), "; ".join(said))


def disk_full(options):
    """A disk of 3 MB that fills during a fit, and is made larger before the fit is resumed."""
    if os.geteuid() != 0:
        return missing("a small file system needs root", "one sentence, nothing lost")
    with tempfile.TemporaryDirectory() as folder:
        quiet, disk = Path(folder) / "quiet", Path(folder) / "disk"
        kills_module.Fitting(quiet, resume=False, simulations=200).end()
        with kills_module.small_disk(disk, "1500k") as enlarge:
            said = kills_module.Fitting(disk / "run", resume=False, simulations=200).end()
            held = kills_module.finished(disk / "run")
            enlarge("64m")
            last = kills_module.Fitting(disk / "run", resume=True, simulations=200).end()
            lost = [path.name for path, content in held.items() if path.read_bytes() != content]
            wrong = kills_module.differ(kills_module.outcome(disk / "run"), kills_module.outcome(quiet))
    holds = said.startswith("error") and "No space left" in said and last == "end" and not lost and not wrong
    said = said.replace(folder, "")
    return row(
        len(lost) + len(wrong), "faults", "one sentence, nothing lost", holds, f"{said!r}; {len(held)} parts kept"
    )


def _simulate(simulator):
    if simulator not in plugins.names("simulators"):
        return None
    return tasks.Simulate(simulator, model.load("pospischil"), tasks.step(), extractors.load("goncalves2020"))


def _prior(task, n):
    return task.model.prior.sample(n, seed=3), np.arange(n)


def throughput(simulator, bar, n):
    def measure(options):
        task = _simulate(simulator)
        if task is None:
            return missing(f"there is no simulator {simulator!r}", f">= {bar}")
        return ratio_of_rates(task, *_prior(task, n // 4 if options.quick else n), bar)

    return measure


def million(options):
    """Peak memory of all processes together while very many simulations run and are saved; cost per simulation."""
    n = 100_000 if options.quick else 1_000_000
    task = _simulate("batched")
    if task is None:
        return missing("there is no simulator 'batched'", "< 3 GiB")
    costs = []
    with tempfile.TemporaryDirectory() as folder, Workers(2) as workers, Peak() as peak:
        parts = Parts(Path(folder) / "round-01")
        mapped(workers, task, *_prior(task, 4000))
        for size in (10_000, n):
            spent, (theta, index) = time.process_time() + workers.usage.cpu_s, _prior(task, size)
            start, kept = time.perf_counter(), []
            for rows in workers.map(task, theta, 1, index + (size == n) * 10_000):
                parts.save(rows)
                kept.append(rows)
            whole = join(kept)
            wall = time.perf_counter() - start
            costs.append((time.process_time() + workers.usage.cpu_s - spent) / size)
        disk = sum(path.stat().st_size for path in Path(folder).rglob("*.npz"))
    growth = costs[1] / costs[0] - 1
    detail = f"{len(whole)} simulations in {wall:.0f} s wall, {disk / 2**20:.0f} MiB on disk; CPU per simulation "
    detail += f"{costs[0] * 1e3:.3f} ms at 10000, {growth:+.1%} at {n}; load {os.getloadavg()[0]:.1f}"
    return row(peak.bytes / 2**30, "GiB", "< 3, cost +-10 %", peak.bytes < 3 * 2**30 and abs(growth) <= 0.1, detail)


class Peak:
    """Largest resident memory of this process and its children together, looked at ten times a second."""

    def __enter__(self):
        self.bytes, self._stop = 0, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _look(self):
        own = psutil.Process()
        while not self._stop.wait(0.1):
            with contextlib.suppress(psutil.NoSuchProcess):
                tree = [own, *own.children(recursive=True)]
                self.bytes = max(self.bytes, sum(process.memory_info().rss for process in tree))


def faults_of(simulator):
    def measure(options):
        task = _simulate(simulator)
        if task is None:
            return missing(f"there is no simulator {simulator!r}", "0")
        return faults_in(task, tasks.FAULTS[:6], options, len(task.model.free))

    return measure


ROWS = {
    "start": start,
    "isolation": isolation,
    "throughput": load_throughput,
    "small_chunks": dask_cost,
    "same_rows": same_rows,
    "hang": hang,
    "faults": faults_in_load,
    "worker_kills": worker_kills,
    "two_hosts": two_hosts,
    "run_kills": run_kills,
    "interrupt": interrupt,
    "disk_full": disk_full,
    "throughput_neuron": throughput("neuron", 1.8, 1500),
    "throughput_batched": throughput("batched", 1.7, 10_000),
    "million": million,
    "faults_neuron": faults_of("neuron"),
    "faults_batched": faults_of("batched"),
    "faults_brian2": faults_of("brian2"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and less certain")
    parser.add_argument("--only", choices=ROWS, help="measure one row")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--seed", type=int, default=1, help="where faults and kills fall")
    options = parser.parse_args()
    hhfit.workers.PROBES, hhfit.workers.WORTH = (1,), 0.0  # Dask starts for any work: it is what is measured
    rows = []
    for name, measure in ROWS.items():
        if options.only in (None, name):
            seconds, result = timed(measure, options)
            rows.append({"name": name, **result, "seconds": round(seconds, 1)})
            if not options.json:
                print(
                    "{name:20} {value!s:>22} {unit:6} bar {bar:18} {holds!s:6} {seconds:7} s  {detail}".format(
                        **rows[-1]
                    )
                )
    if options.json:
        machine = (
            f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        )
        print(json.dumps({"benchmark": "runs", "machine": machine, "rows": rows}, indent=2))
    return 0 if all(r["holds"] for r in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
