"""Find and parse the content that ships with hhfit: models, feature sets, protocols."""

import tomllib
from pathlib import Path
from typing import Any

from hhfit.errors import InputError


def folder(kind: str) -> Path:
    """Folder of bundled content: ``"models"``, ``"features"`` or ``"data"``.

    It lies beside this module in an installed package and one level up in a checkout.
    """
    here = Path(__file__).resolve().parent
    for parent in (here, here.parent):
        if (parent / kind).is_dir():
            return parent / kind
    raise InputError(f"hhfit is installed without its {kind!r} folder; install it again")


def names(kind: str) -> list[str]:
    """Bundled names of a kind, such as ``"models"``, ``"models/channels"``, ``"features"``.

    Example:
        >>> "pospischil" in names("models")
        True
    """
    return sorted(path.stem for path in (folder(kind.split("/")[0]).parent / kind).glob("*.toml"))


def find(kind: str, name: str) -> Path:
    """Path of a bundled name, or of a TOML file when ``name`` is a path.

    Raises:
        InputError: If there is no such name or file.
    """
    if name.endswith(".toml") or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise InputError(f"{name}: no such file; give a TOML file or one of {', '.join(names(kind))}")
        return path
    if name not in names(kind):
        singular = kind.split("/")[-1].removesuffix("s")
        raise InputError(f"unknown {singular} {name!r}; available: {', '.join(names(kind))}")
    return folder(kind.split("/")[0]).parent / kind / f"{name}.toml"


def parse(text: str, where: str) -> dict[str, Any]:
    """Parse a TOML text.

    Args:
        text: The text.
        where: What to call it in a message.

    Raises:
        InputError: If it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not valid TOML: {error}") from None


def read(path: Path) -> str:
    """Text of a file in UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text: {error}") from None
