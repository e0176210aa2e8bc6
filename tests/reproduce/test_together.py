"""Figures are made in several processes as they are in one."""

import os

import pytest

from hhfit.errors import InputError
from hhfit.reproduce._together import each


def made(name, progress):
    """The name, and the process that made it."""
    progress(f"{name}: making", 1, 2, "half way")
    if name == "bad":
        raise InputError("bad is no figure")
    return name, os.getpid()


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order_and_progress_comes_through(workers):
    said = []
    results = list(each(made, ["2a", "1b", "5"], workers, lambda *what: said.append(what)))
    assert [name for name, _ in results] == ["2a", "1b", "5"]
    assert (os.getpid() in {process for _, process in results}) == (workers == 1)
    assert sorted(said) == [(f"{name}: making", 1, 2, "half way") for name in ("1b", "2a", "5")]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_ends_all(workers):
    with pytest.raises(InputError, match="bad is no figure"):
        list(each(made, ["1b", "bad"], workers, lambda *_: None))
