"""What several tests share."""

import os
import signal
from pathlib import Path

import pytest

from hhfit import report

# A shell has SIGINT ignored in what it runs in the background, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of real recordings beside the checkout."""
    folder = Path(os.environ.get("HHFIT_RECORDINGS", CHECKOUT.parent / "shared" / "recordings"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder}; set HHFIT_RECORDINGS to their folder")
    return folder


@pytest.fixture
def unillustrated(monkeypatch) -> None:
    """Fits leave out the report, for tests of what comes before it; others write and read it."""
    monkeypatch.setattr(report, "write", lambda result, folder: folder / "report.html")
