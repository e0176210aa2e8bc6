"""Tables of numbers in text: time, voltage and current, with units in the names of the columns."""

import re
from io import StringIO
from pathlib import Path

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.readers._assemble import Sweeps, assemble
from hhfit.readers._given import Given
from hhfit.readers._guard import reads
from hhfit.recording import Recording
from hhfit.units import factor, measures

_UNIT = r"ms|msec|s|sec|us|mv|v|uv|pa|na|ua|a"
_COLUMN = re.compile(
    rf"^(?:(?P<word>time|t|voltage|vm|v|current|im|i)|(?P<name>.*?))(?P<before>\d*)[ _]*"
    rf"(?:[\[(](?P<bracketed>{_UNIT})[\])]|(?<![a-z])(?P<bare>{_UNIT}))[ _]*#?(?P<after>\d*)$",
    re.IGNORECASE,
)
_KINDS = {"t": "ms", "v": "mV", "i": "pA", "c": "pA"}
_KIND_OF = {"ms": "t", "mV": "v", "pA": "i"}
MOST_PREAMBLE = 100
"""Lines of words that may stand over the names of the columns."""
COLUMNS = "time_ms,voltage_mV,current_pA (for more sweeps voltage_mV_1,current_pA_1 and so on)"
IGNORED = "-"
"""Name of a column that is not read."""
_NUMBER = re.compile(r"^[\s,;]*[-+]?(\d|\.\d|nan|inf)", re.IGNORECASE)

Columns = dict[tuple[str, int], tuple[int, str]]


def read(path: Path, given: Given) -> Recording:
    """Read one sweep per pair of voltage and current columns.

    Raises:
        InputError: If the columns are unknown, a number is missing, or time is not even.
    """
    with reads(path, "text"):
        lines = [line for line in _text(path).splitlines() if line.strip() and not line.lstrip().startswith(("#", "%"))]
        if not lines:
            raise InputError("holds no line of numbers; check that the file is complete")
        first = next((k for k, line in enumerate(lines[:MOST_PREAMBLE]) if _NUMBER.match(line)), 1)
        names = given.columns or (lines[first - 1] if first else "")
        table = _numbers(lines[first:], path.name)
        if not names:
            raise InputError(
                f"has {table.shape[1]} columns and no header, so what they hold is unknown; "
                f"pass --columns with their names and units, such as {COLUMNS}"
            )
        words = _split(names)
        if len(words) != table.shape[1]:
            raise InputError(
                f"has {table.shape[1]} columns of numbers under {len(words)} names; give one name for each"
            )
        return assemble(sweeps(table, _columns(words, path.name), path.name, given), given)


def _text(path: Path) -> str:
    """Content of a text file, whichever way its letters are stored."""
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def sweeps(table: Array, columns: Columns, name: str, given: Given) -> Sweeps:
    """Sweeps from a table of numbers, shape ``(rows, columns)``, and what its columns are."""
    dt = given.interval if ("t", 0) not in columns else step(_scaled(table, columns, ("t", 0), name), name)
    if np.isnan(dt):
        raise InputError(f"{name}: has no time column; add time_ms, or pass --interval with the sampling step in ms")
    numbers = sorted(number for kind, number in columns if kind == "v")
    if not numbers:
        raise InputError(f"{name}: has no voltage column; it needs the columns {COLUMNS}")
    voltages = [_scaled(table, columns, ("v", number), name, given.voltage_scale) for number in numbers]
    missing = [number for number in numbers if ("i", number) not in columns]
    reason = f"sweep {missing[0]} has no current column, so its stimulus is unknown" if missing else ""
    currents = [] if missing else [_scaled(table, columns, ("i", number), name) for number in numbers]
    known = {"stimulus": "current column of the file"}
    return Sweeps(name, "current", dt, numbers, voltages, currents, reason, measured=True, provenance=known)


def step(time: Array, name: str) -> float:
    """Sampling step of an even time axis, in its unit."""
    steps = np.diff(time)
    if len(steps) == 0 or not np.isfinite(steps).all():
        raise InputError(
            f"{name}: the time column must hold at least two finite numbers; check that the file is complete"
        )
    dt = float(time[-1] - time[0]) / len(steps)
    if dt <= 0 or not (np.abs(steps - dt) <= 0.02 * dt + 4e-7 * np.abs(time).max()).all():
        worst = int(np.argmax(np.abs(steps - dt)))
        raise InputError(
            f"{name}: time steps by {steps[worst]:g} ms at row {worst + 1}, on average by {dt:g} ms, must rise evenly; "
            "resample the recording"
        )
    return dt


def _split(line: str) -> list[str]:
    separator = next((mark for mark in ("\t", ";", ",") if mark in line), None)
    return [word.strip().strip('"').strip() for word in line.split(separator)]


def _numbers(lines: list[str], name: str) -> Array:
    if not lines:
        raise InputError(f"{name}: holds a header and no numbers; check that the file is complete")
    text = "\n".join(lines)
    if any(mark in lines[0] for mark in ("\t", ";")):
        text = text.replace(",", ".")  # tabs or semicolons separate, so a comma is the decimal mark
    for mark in ("\t", ";", ","):
        text = text.replace(mark, " ")
    try:
        return np.loadtxt(StringIO(text), ndmin=2)
    except ValueError as error:
        reason = str(error).split(";")[0][:100]
        raise InputError(
            f"{name}: a row is not numbers ({reason}); export it again with a point as decimal mark"
        ) from None


def _columns(names: list[str], name: str) -> Columns:
    """Kind (t, v, i) and sweep of every column, to its place and unit."""
    found: Columns = {}
    for place, text in enumerate(names):
        if text == IGNORED:
            continue
        match = _COLUMN.match(text)
        if match is None:
            raise InputError(
                f"{name}: column {text!r} is not understood; name the columns {COLUMNS}, in the file or with "
                f"--columns, where {IGNORED!r} leaves one out"
            )
        unit = match["bracketed"] or match["bare"]
        kind = match["word"][0].lower() if match["word"] else _kind(unit)
        key = {"c": "i"}.get(kind, kind), int(match["after"] or match["before"] or 0)
        if key in found:
            raise InputError(f"{name}: column {text!r} stands for the same as another; number them, as in voltage_mV_1")
        found[key] = place, unit
    return found


def _kind(unit: str) -> str:
    """Kind of a column that has a name of its own, by its unit."""
    return next(kind for to, kind in _KIND_OF.items() if measures(unit, to))


def _scaled(table: Array, columns: Columns, key: tuple[str, int], name: str, scale: float = float("nan")) -> Array:
    place, unit = columns[key]
    try:
        return np.asarray(table[:, place] * (factor(unit, _KINDS[key[0]]) if np.isnan(scale) else scale))
    except InputError as error:
        raise InputError(f"{name}: column {place + 1}: {error}") from None
