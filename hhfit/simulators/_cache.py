"""Where generated code is kept, and the compiler that some of it needs."""

import os
import shutil
from pathlib import Path

from hhfit.errors import DependencyError


def folder(simulator: str) -> Path:
    """Folder of one simulator's generated code in the user's cache, made if it is not there."""
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hhfit" / simulator
    path.mkdir(parents=True, exist_ok=True)
    return path


def need_compiler(what: str) -> None:
    """Raise unless there is a C++ compiler.

    Raises:
        DependencyError: If there is none.
    """
    if not (shutil.which("c++") or shutil.which("g++")):
        raise DependencyError(f"{what} needs a C++ compiler to build the model; on Debian: apt-get install g++")
