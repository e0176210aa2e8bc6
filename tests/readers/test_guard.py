"""What becomes of errors while a file is read."""

import warnings

import pytest

from hhfit.errors import DependencyError, InputError
from hhfit.readers import _guard, _signals


@pytest.mark.parametrize(
    "error", [ValueError("bad\nvalue"), MemoryError(), RecursionError("deep"), KeyError("x"), OSError(5, "io")]
)
def test_any_error_becomes_one_sentence_with_the_name(tmp_path, error):
    with (
        pytest.raises(InputError, match=r"^cell.abf: cannot be read as ABF") as raised,
        _guard.reads(tmp_path / "cell.abf", "ABF"),
    ):
        raise error
    assert "\n" not in str(raised.value)


def test_own_errors_keep_their_words_and_lose_control_characters(tmp_path):
    with pytest.raises(InputError, match=r"^cell.abf: unit is \?p A$"), _guard.reads(tmp_path / "cell.abf", "ABF"):
        raise InputError("unit is \x03p\nA")


def test_missing_package_says_how_to_install_it(tmp_path):
    with pytest.raises(DependencyError, match="pip install nonesuch"), _guard.reads(tmp_path / "cell.abf", "ABF"):
        _signals.require("nonesuch.part", "cells")


def test_warnings_of_libraries_stay_inside(tmp_path):
    with _guard.reads(tmp_path / "cell.abf", "ABF"):
        warnings.warn("old", DeprecationWarning, stacklevel=1)


def test_absurd_sizes_are_refused(tmp_path):
    (tmp_path / "cell.abf").write_bytes(bytes(1000))
    _guard.need_room(tmp_path / "cell.abf", 1e6)
    for size in (1e12, -1.0, float("nan")):
        with pytest.raises(InputError, match="damaged or cut short"):
            _guard.need_room(tmp_path / "cell.abf", size)
