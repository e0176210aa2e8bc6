"""Whole fits in processes that are killed, interrupted, or run out of disk."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil

from hhfit import example
from hhfit.run import _files

CODE = "import sys; sys.path[:0] = {path!r}; from hhfit.cli import main; main()"


class Fitting:
    """``hhfit fit`` of the example, or its ``hhfit resume``, in a process of its own."""

    def __init__(self, folder, resume, simulations):
        fit = ["fit", str(example.folder() / f"{example.NAME}.nwb"), "--out", str(folder), "--ljp", "0"]
        fit += [
            "--area",
            str(example.truth()["area"]),
            "--simulations",
            str(simulations),
            "--rounds",
            "2",
            "--seed",
            "3",
            "--overwrite",
        ]
        words = ["resume", str(folder)] if resume else fit
        self._state, self._start = Path(folder) / "state.json", time.time()
        command = [sys.executable, "-W", "ignore", "-c", CODE.format(path=sys.path), *words, "--workers", "2"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def reach(self, stage):
        """Wait until it is in a stage, or has ended; the stage that it is in then."""
        now = "starting"
        while self.process.poll() is None and stage not in now:
            time.sleep(0.02)
            with contextlib.suppress(OSError, ValueError):
                if self._state.stat().st_mtime > self._start:
                    now = json.loads(self._state.read_text())["stage"]
        return now

    def tree(self):
        """It and all its children."""
        with contextlib.suppress(psutil.NoSuchProcess):
            own = psutil.Process(self.process.pid)
            return [own, *own.children(recursive=True)]
        return []

    def kill_tree(self):
        """Kill -9 all of it."""
        for process in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.communicate()

    def end(self):
        """Wait for its end: ``"end"`` when it is done, otherwise the last thing it said."""
        said = self.process.communicate()[1].strip().splitlines()
        return "end" if self.process.returncode == 0 else said[-1]


def outcome(folder):
    """Everything that must not depend on what happened on the way."""
    parts = [_files.unpack(path) for path in sorted(Path(folder).glob("simulations/*/*.npz"))]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in ("theta", "x", "status", "index")}
    return {**columns, "samples": np.frombuffer((Path(folder) / "samples.csv").read_bytes(), np.uint8)}


def differ(a, b):
    """Names of what differs."""
    return [name for name in a if not np.array_equal(a[name], b[name], equal_nan=name in ("theta", "x"))]


def finished(folder):
    """Parts that are there, by path, with their bytes."""
    return {path: path.read_bytes() for path in Path(folder).glob("simulations/*/*.npz")}


STAGES = ("starting", "round 1: simulating", "round 1: simulating", "round 1: training", "round 2: simulating")
STAGES += ("round 2: training", "sampling the posterior", "posterior prediction", "checking", "report")
"""What a fit of two rounds says it does, in order; it is killed in each."""


def killed_often(folder, kills, simulations, seed):
    """Kill a fit in every stage; when it has ended, begin another.

    Returns:
        How often it was killed in each stage, complaints, and the folders of the runs that ended.
    """
    random, where, complaints, done = np.random.default_rng(seed), {}, [], []
    while sum(where.values()) < kills:
        run = Path(folder) / f"run{len(done)}"
        for target in STAGES[: kills - sum(where.values())]:
            held = finished(run)
            fitting = Fitting(run, resume=(run / "fit.toml").exists(), simulations=simulations)
            stage = "starting" if target == "starting" else fitting.reach(target)
            time.sleep(random.uniform(0.0, 3.0 if stage in ("starting", "round 1: training", "report") else 1.0))
            fitting.kill_tree()
            where[stage] = where.get(stage, 0) + 1
            now = finished(run)
            complaints += [f"{path.name} was lost or changed" for path in held if now.get(path) != held[path]]
        last = Fitting(run, resume=(run / "fit.toml").exists(), simulations=simulations).end()
        complaints += [last] if last != "end" else []
        done.append(run)
    return where, complaints + [path.name for path in Path(folder).rglob("*.damaged")], done


def interrupted(folder, number, stage, resume, simulations):
    """Send a signal in a stage: seconds until everything has ended, and what is left."""
    fitting = Fitting(folder, resume=resume, simulations=simulations)
    fitting.reach(stage)
    time.sleep(0.2)
    tree, start = fitting.tree(), time.monotonic()
    fitting.process.send_signal(number)
    psutil.wait_procs(tree[1:], timeout=10)
    fitting.process.communicate(timeout=30)
    took = time.monotonic() - start
    alive = [process for process in tree if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    return took, alive, json.loads((Path(folder) / "state.json").read_text())["sentence"]


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of so many bytes; needs root. Gives a function that makes it larger."""
    Path(folder).mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield lambda bigger: subprocess.run(["mount", "-o", f"remount,size={bigger}", str(folder)], check=True)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        shutil.rmtree(folder)


SIGNALS = {"SIGINT": signal.SIGINT, "SIGTERM": signal.SIGTERM}
