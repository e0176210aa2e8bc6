"""The commands that look: inspect, list, doctor."""

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer
from rich.table import Table

from hhfit import library, plugins, readers
from hhfit.cli._console import stderr, stdout
from hhfit.errors import HHFitError, InputError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]

CONTENT = {"models": "models", "features": "features", "protocols": "data/protocols"}
PLUGINS = {"simulators": "simulators", "methods": "inference", "formats": "readers"}
PACKAGES = ("numpy", "scipy", "torch", "sbi", "zuko", "neuron", "brian2", "efel", "numba", "matplotlib", "pyabf", "pynwb")
PACKAGES += ("distributed",)


def list_(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of {', '.join([*CONTENT, *PLUGINS])}.")],
    *,
    as_json: Json = False,
) -> None:
    """List what hhfit brings: models, features, protocols, simulators, methods, formats.

    Example: hhfit list models
    """
    if kind in CONTENT:
        titles = {name: _title(CONTENT[kind], name) for name in library.names(CONTENT[kind])}
    elif kind in PLUGINS:
        titles = {name: _docstring(PLUGINS[kind], name) for name in plugins.names(PLUGINS[kind])}
    else:
        raise InputError(f"unknown kind {kind!r}; available: {', '.join([*CONTENT, *PLUGINS])}")
    if as_json:
        stdout.print_json(json.dumps(titles))
        return
    table = Table(box=None, show_header=False)
    for name, title in titles.items():
        table.add_row(name, title)
    stdout.print(table)


def _title(kind: str, name: str) -> str:
    path = library.find(kind, name)
    return str(library.parse(library.read(path), path.name).get("title", ""))


def _docstring(folder: str, name: str) -> str:
    return (plugins.get(folder, name).__doc__ or "").strip().splitlines()[0]


def doctor(*, as_json: Json = False) -> None:
    """Check that everything hhfit needs is there and works.

    Example: hhfit doctor
    """
    checks = {"python": _python, "c++ compiler": _compiler, "neuron": _neuron, "processors": _processors}
    rows = {name: _tried(check) for name, check in checks.items()}
    rows |= {name: _installed(name) for name in PACKAGES}
    if as_json:
        stdout.print_json(json.dumps({name: {"ok": ok, "detail": detail} for name, (ok, detail) in rows.items()}))
    else:
        table = Table(box=None, show_header=False)
        for name, (ok, detail) in rows.items():
            table.add_row("[green]ok[/]" if ok else "[red]no[/]", name, detail)
        stdout.print(table)
    if not all(ok for ok, _ in rows.values()):
        raise typer.Exit(1)


def _tried(check: Callable[[], str]) -> tuple[bool, str]:
    try:
        return True, check()
    except HHFitError as error:
        return False, str(error)


def _installed(package: str) -> tuple[bool, str]:
    try:
        return True, version(package)
    except PackageNotFoundError:
        return False, f"not installed; pip install {package}"


def _python() -> str:
    return f"{platform.python_version()} at {sys.executable}"


def _compiler() -> str:
    path = shutil.which("c++") or shutil.which("g++")
    if path is None:
        raise InputError("none found; NEURON and Brian2 need one: on Debian, apt-get install g++")
    return path


def _processors() -> str:
    return f"{len(os.sched_getaffinity(0))} usable"
