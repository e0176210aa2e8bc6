"""Ctrl-C and SIGTERM: what is said, and how soon."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CODE = """
import atexit, sys, time
sys.path[:0] = {path!r}
from pathlib import Path
from hhfit.cli._console import errors_end
from hhfit.cli._fit import running

atexit.register(time.sleep, 30)  # an interpreter that takes long to end
with errors_end(), running(Path("runs/cell7")):
    print("ready", flush=True)
    time.sleep(30)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_says_how_to_go_on_and_ends_at_once(number):
    code = CODE.format(path=[str(Path(__file__).parents[2])])
    command = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert command.stdout.readline() == "ready\n"
    start = time.monotonic()
    command.send_signal(number)
    errors = command.communicate(timeout=20)[1]
    assert time.monotonic() - start < 5
    assert command.returncode == 1
    assert errors == "hhfit: interrupted; hhfit resume runs/cell7 goes on from where it stopped\n"
