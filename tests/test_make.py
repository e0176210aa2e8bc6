"""What the Makefile says when something is missing: one sentence and what to install."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def tools(folder: Path, **programs: str) -> subprocess.CompletedProcess:
    """Run ``make tools`` where nothing but these programs is on the path; each is a shell script."""
    for name, script in programs.items():
        path = folder / name.replace("_", "+")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    environment = {**os.environ, "PATH": str(folder)}
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        environment.pop(name, None)
    make = shutil.which("make")
    if make is None:
        pytest.skip("no make on this machine")
    return subprocess.run([make, "tools"], cwd=ROOT, env=environment, capture_output=True, text=True)


REAL = f'exec "{sys.executable}" "$@"'
WITHOUT_VENV = f'case "$*" in *ensurepip*) exit 1;; esac; {REAL}'
OLD = 'case "$*" in *version_info*) exit 1;; esac; exit 0'


def test_all_there_says_nothing(tmp_path):
    done = tools(tmp_path, python3=REAL, c__="exit 0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("programs", "sentence"),
    [
        ({}, "hhfit needs Python 3.11 or newer; install it"),
        ({"python3": OLD}, "hhfit needs Python 3.11 or newer, python3 is older"),
        ({"python3": WITHOUT_VENV, "c__": "exit 0"}, "apt-get install python3-venv"),
        ({"python3": REAL}, "apt-get install g++"),
    ],
    ids=["no python", "old python", "no venv", "no compiler"],
)
def test_missing_tool_is_named_in_one_sentence(tmp_path, programs, sentence):
    done = tools(tmp_path, **programs)
    assert done.returncode != 0
    assert sentence in done.stdout
    assert done.stdout.count("\n") == 1
