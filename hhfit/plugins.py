"""Plug-in folders: the name of a file is the public name of what it holds."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

from hhfit.errors import InputError

_SINGULAR = {"readers": "format", "simulators": "simulator", "extractors": "extractor", "inference": "method"}


def names(folder: str) -> list[str]:
    """Public names in a plug-in folder.

    Example:
        >>> "_base" in names("simulators")  # helpers begin with an underscore
        False
    """
    files = (Path(__file__).parent / folder).glob("*.py")
    return sorted(path.stem for path in files if not path.stem.startswith("_"))


def get(folder: str, name: str) -> ModuleType:
    """The module of one plug-in.

    Raises:
        InputError: If there is no such plug-in.
    """
    if name not in names(folder):
        raise InputError(f"unknown {_SINGULAR[folder]} {name!r}; available: {', '.join(names(folder))}")
    return import_module(f"hhfit.{folder}.{name}")
