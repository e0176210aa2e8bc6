"""The folder of a run as a whole: what it may hold, who works in it, how it begins."""

import fcntl
import os
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hhfit import __version__
from hhfit.errors import InputError
from hhfit.run import _files

SCHEMA = 3
"""Version of the layout and of what recorded arrays mean; another one is refused."""
NAMES = (
    "fit.toml",
    "recording.npz",
    "validation.npz",
    "simulations",
    "rounds",
    "samples.csv",
    "samples_robust.csv",
    "summary.json",
    "report.html",
)
NAMES += ("figures", "log.txt", "state.json")
"""All that a run directory may hold."""


def settings(folder: Path) -> dict[str, Any]:
    path = folder / "fit.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{folder}: holds no run; begin one with 'hhfit fit RECORDING --out {folder}'") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}; begin again with --overwrite") from None
    if table.get("schema") != SCHEMA:
        raise InputError(
            f"{folder}: its run has schema {table.get('schema')}, hhfit {__version__} reads {SCHEMA}; "
            "use the version of hhfit that made it, or begin again with --overwrite"
        )
    return table


def refuse_existing(folder: Path) -> None:
    held = [name for name in NAMES if (folder / name).exists()]
    if "fit.toml" in held:
        raise InputError(
            f"{folder}: already holds a run; go on with 'hhfit resume {folder}', choose another --out, or pass "
            "--overwrite"
        )
    if held:
        raise InputError(f"{folder}: already holds {held[0]}; choose another folder or pass --overwrite")


def begin(folder: Path, files: Mapping[str, bytes]) -> None:
    # New files reach the disk before old ones go; the last of them makes the folder a run.
    beside = {name: folder / f"{name}.new" for name in files}
    try:
        for name, content in files.items():
            _files.write(beside[name], content, durable=True)
        for name in NAMES:
            remove(folder / name)
        for name, path in beside.items():
            os.replace(path, folder / name)
    finally:
        for path in beside.values():
            path.unlink(missing_ok=True)


def hold(folder: Path) -> int:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise InputError(f"{folder}: another hhfit is working there; wait for it or choose another folder") from None
    return descriptor


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def without_none(value: Any) -> Any:  # noqa: ANN401 - any nesting of mappings and sequences
    if isinstance(value, dict):
        return {key: without_none(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [without_none(entry) for entry in value if entry is not None]
    return value
