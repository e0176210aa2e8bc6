"""Measure that recordings are read right, or refused with a reason.

    python benchmarks/recordings.py [--quick] [--only ROW] [--json] [--seed N] [--folder FOLDER]

One row per given recording (compared with ``expected.json`` beside them), one per pair of formats, one
for a round trip through NWB, and one per format whose files are damaged in thousands of ways.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import _recordings_fuzz
import numpy as np
from scipy.signal import find_peaks

from hhfit import extractors, readers
from hhfit.errors import InputError
from hhfit.protocol import step
from hhfit.recording import Recording
from hhfit.writing import write_nwb

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "recordings"
SLOWEST = 5.0
SCALES = {"nA": 1000.0, "pA": 1.0}
COLUMNS = readers.Given(columns="time_s,current_pA,voltage_mV")


def spikes(trace):
    """The count that the reference values were made with: prominence 20 mV, above -20 mV."""
    return len(find_peaks(trace, prominence=20.0, height=-20.0)[0])


def levels(command, dt):
    """Start, end and level of every stretch away from the first level."""
    edges = np.flatnonzero(np.r_[True, np.diff(command) != 0, True])
    return [(a * dt, b * dt, float(command[a])) for a, b in pairwise(edges) if command[a] != command[0]]


def known_counts(known):
    """The reference counts, each a list over sweeps; there may be two."""
    if "series" in known:
        rows = [one for one in known["series"].values() if "spikes_prominence20" in one]
        return [[one["spikes_prominence20"] for one in sorted(rows, key=lambda one: one["sweep_number"])]]
    lists = [known[key] for key in ("spikes_prominence20", "spikes_efel_thr-20", "spikes") if key in known]
    return [one if isinstance(one, list) else [one] for one in lists]


def known_steps(known):
    """Start, end and level of the steps of every sweep; an empty list where there is no reference."""
    scale = SCALES.get(known.get("command_unit", "pA"), 0.0)
    sweeps = known.get("command_pyabf", known.get("steps", [])) if scale else []
    return [
        None if one == "not steps" else [(s["on_ms"], s["off_ms"], s["level"] * scale) for s in one] for one in sweeps
    ]


def wrong_counts(recording, known):
    """Sweeps whose spikes differ by more than one from every reference."""
    if recording.protocol.clamp != "current":
        return []
    counts = [spikes(trace) for trace in recording.response]
    references = [one for one in known_counts(known) if len(one) == len(counts)]
    return [
        f"sweep {row}: {count} spikes, not {[one[row] for one in references]}"
        for row, count in enumerate(counts)
        if references and min(abs(count - one[row]) for one in references) > 1
    ]


def wrong_steps(protocol, known):
    """Steps that are more than one sample or 1 % off."""
    found = []
    for row, steps in enumerate(known_steps(known)):
        if steps is None:
            continue
        ours = levels(protocol.command[row], protocol.dt)
        if len(ours) != len(steps):
            found.append(f"sweep {row}: {len(ours)} steps, not {len(steps)}")
            continue
        for mine, wanted in zip(ours, steps, strict=True):
            late = max(abs(mine[k] - wanted[k]) for k in (0, 1)) > protocol.dt * 1.001
            if late or abs(mine[2] - wanted[2]) > 0.01 * abs(wanted[2]):
                found.append(f"sweep {row}: step {mine}, not {wanted}")
    return found


def wrong_values(protocol, known):
    """Single values that are more than 1 % off."""
    found = []
    if "step_from_Imemb" in known:
        wanted = np.array(known["step_from_Imemb"])[:, 1]
        off = np.abs(protocol.amplitude - wanted)
        found += [f"steps differ by up to {off.max():.2f} pA"] if (off > np.maximum(0.01 * wanted, 0.31)).any() else []
    for key, value in (("step_pA", protocol.amplitude[0]), ("dt_ms", protocol.dt)):
        if key in known and protocol.n_sweeps == 1 and abs(value - known[key]) > 0.01 * abs(known[key]):
            found.append(f"{key} {value:.4g}, not {known[key]:.4g}")
    return found


def file_row(path, known):
    began = time.perf_counter()
    try:
        recording = readers.read(path)
    except InputError as error:
        seconds = time.perf_counter() - began
        text = str(error)
        holds = seconds < SLOWEST and text.startswith(path.name) and "\n" not in text and ";" in text
        return row(seconds, "s", f"< {SLOWEST:g} s, cause and remedy", holds, f"refused: {text}")
    seconds = time.perf_counter() - began
    protocol = recording.protocol
    wrong = wrong_counts(recording, known) + wrong_steps(protocol, known) + wrong_values(protocol, known)
    detail = f"{protocol.n_sweeps} sweeps, {protocol.clamp} clamp, stimulus: {recording.provenance['stimulus']}"
    holds = seconds < SLOWEST and not wrong
    return row(
        seconds, "s", f"< {SLOWEST:g} s, as expected", holds, detail + ("; " + "; ".join(wrong[:5]) if wrong else "")
    )


def pair_row(one, other):
    """Largest difference between the same recording in two formats, as a share of what is allowed."""
    response = float(np.abs(one.response - other.response).max())
    command = float(np.abs(one.protocol.command - other.protocol.command).max())
    detail = f"response {response:.2g} mV, command {command:.2g} pA"
    value = max(response / 0.01, command / 0.1)
    return row(value, "share", "<= 1 (0.01 mV and 0.1 pA)", value <= 1, detail)


def round_trip_row():
    """Features of sweeps before and after NWB."""
    protocol = step(np.array([-50.0, 0.0, 150.0]), on=50.0, off=250.0, duration=300.0, dt=0.05)
    time_axis = protocol.time
    shape = np.where(time_axis > 50, 1 - np.exp(-(time_axis - 50) / 12), 0.0) * (time_axis < 250)
    response = -70.0 + 0.1 * protocol.command.max(axis=1, keepdims=True) * shape
    for at in (80.0, 130.0, 190.0):
        response[2] += np.maximum(0.0, 100.0 * (1 - np.abs(time_axis - at)))
    response = response.astype("float32").astype(float)
    written = Recording(response, protocol, [0, 1, 2], {"name": "trip"})
    with tempfile.TemporaryDirectory() as folder:
        write_nwb(written, Path(folder) / "trip.nwb", description="synthetic")
        back = readers.read(Path(folder) / "trip.nwb")
    features = extractors.load("goncalves2020")
    values = [features(one.response[None], one.protocol)[0] for one in (written, back)]
    same = np.isclose(*values, rtol=1e-6, atol=1e-9, equal_nan=True)
    return row(int((~same).sum()), "features", "0 differ", same.all(), f"{same.size} features")


def fuzz_row(path, count, seed, header):
    found = _recordings_fuzz.fuzz(path, count, seed, header)
    bad = len(found["wrong"]) + len(found["crashes"])
    holds = not bad and found["slowest"] < _recordings_fuzz.LIMIT and found["memory"] < _recordings_fuzz.ROOM
    detail = (
        f"{count} files: {found['read']} read, {found['refused']} refused, slowest {found['slowest']:.2f} s, "
        f"memory {found['memory'] / 2**20:.0f} MiB; "
        f"{(found['wrong'] + found['crashes'])[:3] if bad else 'no other end'}"
    )
    return row(bad, "files", "0 end otherwise, < 5 s, < 1 GiB", holds, detail)


def fuzz_bases(folder, scratch):
    """An undamaged file of each format, and how many bytes at its start matter most."""
    protocol = step(np.array([-50.0, 50.0]), on=20.0, off=120.0, duration=200.0, dt=0.1)
    recording = Recording(-70 + 0.1 * protocol.command, protocol, [0, 1], {"name": "cell"})
    write_nwb(recording, scratch / "cell.nwb", description="synthetic")
    columns = np.c_[protocol.time, recording.response[0], protocol.command[0]]
    np.savetxt(
        scratch / "cell.csv", columns, fmt="%.4g", delimiter=",", header="time_ms,voltage_mV,current_pA", comments=""
    )
    return {
        "abf 1": (folder / "abf/abf-v1.abf", 6144),
        "abf 2": (folder / "abf/abf-v2.abf", 8192),
        "ibw": (folder / "ibw/B6_Ch3_IDRest_181.ibw", 512),
        "csv": (scratch / "cell.csv", 200),
        "pkl": (folder / "pkl/ephys_cell_569469018_sweep_number_44.pkl", 400),
        "wcp": (folder / "wcp/wcp-file.wcp", 1024),
        "nwb": (scratch / "cell.nwb", 60_000),
    }


def row(value, unit, bar, holds, detail=""):
    return {"value": value, "unit": unit, "bar": bar, "holds": bool(holds), "detail": detail}


def measurements(options, scratch):
    """Name and function of every row."""
    folder = options.folder
    expected = json.loads((folder / "expected.json").read_text())
    for path in sorted(folder.glob("*/*")):
        name = path.relative_to(folder).as_posix()
        known = expected.get(name, {}) | expected.get(name.replace("_Ch3_", "_Ch0_"), {}) | expected.get(name, {})
        yield f"file {name}", lambda path=path, known=known: file_row(path, known)
    yield (
        "pair PYR2 abf nwb",
        lambda: pair_row(readers.read(folder / "abf/PYR2.abf"), readers.read(folder / "nwb/FergusonEtAl2015_PYR2.nwb")),
    )
    yield (
        "pair B6_181 ibw txt",
        lambda: pair_row(
            readers.read(folder / "ibw/B6_Ch3_IDRest_181.ibw"), readers.read(folder / "txt/current.txt", COLUMNS)
        ),
    )
    yield "round trip nwb", round_trip_row
    count = 50 if options.quick else options.files
    for name, (path, header) in fuzz_bases(folder, scratch).items():
        yield f"fuzz {name}", lambda path=path, header=header: fuzz_row(path, count, options.seed, header)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="50 damaged files per format instead of 10000")
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=10_000, help="damaged files per format")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, measure in measurements(options, Path(scratch)):
            if options.only in name:
                began = time.perf_counter()
                one = {"name": name, **measure(), "seconds": round(time.perf_counter() - began, 2)}
                rows.append(one)
                print(
                    f"{'ok ' if one['holds'] else 'BAD'} {name}: {one['value']:.4g} {one['unit']}; {one['detail']}",
                    file=sys.stderr,
                )
    machine = f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}"
    document = {"benchmark": "recordings", "machine": machine, "rows": rows}
    if options.json:
        print(json.dumps(document, indent=1))
    else:
        print(f"{sum(one['holds'] for one in rows)} of {len(rows)} rows hold")
    return 0 if all(one["holds"] for one in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
