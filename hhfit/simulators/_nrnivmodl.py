"""Shared libraries of mechanisms: built by nrnivmodl once, kept in the user's cache."""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hhfit.errors import DependencyError, InputError, SimulationError, UnsupportedError
from hhfit.simulators._cache import folder, need_compiler

LIBRARY = "*/libnrnmech.*"
"""Where nrnivmodl puts what it builds."""

CORE = "*/libcorenrnmech.*"
"""Where it puts what it builds for CoreNEURON."""


class _BrokenError(Exception):
    """What nrnivmodl printed before it gave up."""


def compiled(suffix: str, text: str, file: str = "") -> Path:
    """Shared library of a mechanism, compiled once and kept in the user's cache; ``file`` is whose text it is."""
    try:
        return _kept(suffix, {suffix: text}, LIBRARY)
    except _BrokenError as broken:
        raise _complaint(str(broken), text, file) from None


def core(texts: Mapping[str, str], name: str) -> Path:
    """CoreNEURON's library of mechanisms, by their name, for the model called ``name``; kept like theirs.

    Raises:
        UnsupportedError: If it cannot be built.
    """
    try:
        return _kept(core_folder(texts).name, texts, CORE, "-coreneuron")
    except _BrokenError as broken:
        reason = _reason(str(broken))
        raise UnsupportedError(f"{name}: CoreNEURON cannot be built ({reason}); take --simulator neuron") from None


def core_folder(texts: Mapping[str, str]) -> Path:
    """Where CoreNEURON's library of mechanisms is kept, built or not: each NEURON needs its own."""
    import neuron

    parts = [neuron.__version__, *(texts[suffix] for suffix in sorted(texts))]
    digest = hashlib.sha256("".join(parts).encode()).hexdigest()[:12]
    return folder("neuron") / f"core{digest}"


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
        # A process that has imported NEURON has set this to a folder where CoreNEURON's compiler finds no units.
        clean = {name: value for name, value in os.environ.items() if name != "NMODLHOME"}
        done = subprocess.run([command, *options], cwd=work, env=clean, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise _BrokenError(f"{done.stdout}\n{done.stderr}")
        with contextlib.suppress(OSError):
            os.replace(work, target)


def _complaint(output: str, text: str, file: str) -> InputError | SimulationError:
    """What nrnivmodl complained of, in one sentence; a file of the user's is wrong input."""
    reason = _reason(output)
    if not file:
        return SimulationError(f"nrnivmodl could not build the model: {reason}")
    if found := re.search(r" at line (\d+) in file .*", reason):
        line, reason = int(found.group(1)), reason[: found.start()]
    else:
        word = re.search(r"[\u2018'](\w+)[\u2019']", reason)
        hits = [n for n, row in enumerate(text.splitlines(), 1) if word and re.search(rf"\b{word.group(1)}\b", row)]
        line = hits[0] if hits else 0
    return InputError(f"{file}{f':{line}' if line else ''}: nrnivmodl cannot build it: {reason}")


def _reason(output: str) -> str:
    if refused := re.findall(r"\[error\] :: (.+)", output):
        return str(refused[-1]).strip()
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reason = next(
        (line for line in lines if re.search(r"\berror: |\bat line \d+|\bwhat\(\): ", line, re.IGNORECASE)), lines[-1]
    )
    return re.sub(r".*?(\berror: |\bwhat\(\): +)", "", reason, flags=re.IGNORECASE)
