"""Damage a recording in thousands of ways and read it, in a process of its own."""

import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from hhfit import readers
from hhfit.errors import HHFitError

LIMIT = 5.0
"""Seconds of processor time that one file may take."""

STUCK = 30.0
"""Seconds after which a process that says nothing is ended: a loop in a C library does not hear a timer."""

EVERY = 1000
"""Files between two words on how far it is."""

ROOM = 2**30
"""Memory [bytes] that reading may take beyond the size of the file."""

EXTREMES = np.array([0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF], "<u8")


class TooLongError(BaseException):
    """One file took more than ``LIMIT``."""


def mutated(content, rng, header):
    """The content with one to eight damages, most of them in its first ``header`` bytes."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        reach = min(header, len(data)) if rng.random() < 0.7 else len(data)
        if reach < 2:
            break
        place = int(rng.integers(reach))
        kind = rng.integers(7)
        if kind == 0:
            data[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[place] = int(rng.integers(256))
        elif kind == 2:
            width = int(rng.choice([1, 2, 4, 8]))
            data[place : place + width] = int(rng.choice(EXTREMES)).to_bytes(8, "little")[:width]
        elif kind == 3:
            data[place : place + int(rng.integers(1, 64))] = b""
        elif kind == 4:
            data[place:place] = rng.bytes(int(rng.integers(1, 64)))
        elif kind == 5:
            other = int(rng.integers(len(data)))
            data[place : place + 16] = data[other : other + 16]
        else:
            del data[max(place, 1) if rng.random() < 0.1 else len(data) - int(rng.integers(1, 2000)) :]
    return bytes(data)


def fuzz(path, count, seed, header):
    """Read ``count`` damaged copies; returns how each ended and the worst time and memory.

    Args:
        path: Undamaged file.
        count: Copies.
        seed: Of the damage.
        header: Bytes at the start that are damaged most.
    """
    total = {"read": 0, "refused": 0, "wrong": [], "slowest": 0.0, "memory": 0, "crashes": []}
    done = 0
    while done < count:
        here, there = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(
            target=_work, args=(path, done, count, seed, header, there)
        )
        process.start()
        there.close()
        while True:
            if not here.poll(STUCK):
                process.kill()
                break
            try:
                index, kind, detail, seconds, memory = here.recv()
            except EOFError:
                break
            done = index + 1
            if done % EVERY == 0:
                print(f"  {done} of {count}", file=sys.stderr, flush=True)
            total["slowest"] = max(total["slowest"], seconds)
            total["memory"] = max(total["memory"], memory)
            if kind == "wrong":
                total["wrong"].append((index, detail))
            else:
                total[kind] += 1
        process.join()
        if process.exitcode != 0:
            total["crashes"].append((done, process.exitcode))
            done += 1
    return total


def _work(path, first, count, seed, header, pipe):
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    resource.setrlimit(resource.RLIMIT_AS, (16 * 2**30, 16 * 2**30))
    signal.signal(signal.SIGPROF, _late)
    content = path.read_bytes()
    readers.read(path)
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        for other in path.parent.glob("*"):
            if other != path and other.is_file() and other.suffix == path.suffix == ".ibw":
                (Path(folder) / other.name).write_bytes(other.read_bytes())
        for index in range(first, count):
            copy = Path(folder) / path.name
            copy.write_bytes(mutated(content, np.random.default_rng((seed, index)), header))
            signal.setitimer(signal.ITIMER_PROF, LIMIT)
            began = time.process_time()
            kind, detail = _outcome(copy)
            signal.setitimer(signal.ITIMER_PROF, 0)
            memory = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start)
            pipe.send((index, kind, detail, time.process_time() - began, memory))
    sys.stdout.flush()


def _late(*_):
    raise TooLongError


def _outcome(copy):
    try:
        readers.read(copy)
    except HHFitError as error:
        text = str(error)
        return ("refused", "") if copy.name.split("_Ch")[0] in text and "\n" not in text else ("wrong", text)
    except BaseException as error:
        return "wrong", f"{type(error).__name__}: {error}"[:300]
    return "read", ""
