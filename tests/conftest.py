"""What several tests share."""

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of real recordings beside the checkout."""
    folder = Path(os.environ.get("HHFIT_RECORDINGS", CHECKOUT.parent / "shared" / "recordings"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder}; set HHFIT_RECORDINGS to their folder")
    return folder
