"""Shared libraries of mechanisms: built by nrnivmodl once, kept in the user's cache."""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hhfit.errors import DependencyError, InputError, SimulationError
from hhfit.simulators._cache import folder, need_compiler

LIBRARY = "*/libnrnmech.*"
"""Where nrnivmodl puts what it builds."""


class _BrokenError(Exception):
    """What nrnivmodl printed before it gave up."""


def compiled(suffix: str, text: str, file: str = "") -> Path:
    """Shared library of a mechanism, compiled once and kept in the user's cache; ``file`` is whose text it is."""
    try:
        return _kept(suffix, {suffix: text}, LIBRARY)
    except _BrokenError as broken:
        raise _complaint(str(broken), text, file) from None


def _kept(name: str, texts: Mapping[str, str], pattern: str, *options: str) -> Path:
    base = folder("neuron")
    target = base / name
    with open(base / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not list(target.glob(pattern)):
            shutil.rmtree(target, ignore_errors=True)
            _build(texts, target, *options)
    (library,) = target.glob(pattern)
    return library


def _build(texts: Mapping[str, str], target: Path, *options: str) -> None:
    need_compiler("NEURON")
    command = shutil.which("nrnivmodl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if command is None:
        raise DependencyError("nrnivmodl is missing; pip install neuron")
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        work = Path(scratch) / "build"
        work.mkdir()
        for suffix, text in texts.items():
            (work / f"{suffix}.mod").write_text(text)
        done = subprocess.run([command, *options], cwd=work, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise _BrokenError(f"{done.stdout}\n{done.stderr}")
        with contextlib.suppress(OSError):
            os.replace(work, target)


def _complaint(output: str, text: str, file: str) -> InputError | SimulationError:
    """What nrnivmodl complained of, in one sentence; a file of the user's is wrong input."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reason = next((line for line in lines if re.search(r"\berror: |\bat line \d+", line, re.IGNORECASE)), lines[-1])
    reason = re.sub(r".*?\berror: ", "", reason, flags=re.IGNORECASE)
    if not file:
        return SimulationError(f"nrnivmodl could not build the model: {reason}")
    if found := re.search(r" at line (\d+) in file .*", reason):
        line, reason = int(found.group(1)), reason[: found.start()]
    else:
        word = re.search(r"[\u2018'](\w+)[\u2019']", reason)
        hits = [n for n, row in enumerate(text.splitlines(), 1) if word and re.search(rf"\b{word.group(1)}\b", row)]
        line = hits[0] if hits else 0
    return InputError(f"{file}{f':{line}' if line else ''}: nrnivmodl cannot build it: {reason}")
