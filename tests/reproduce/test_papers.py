"""Figures are made, kept, resumed and put in a table."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from hhfit import references, reproduce
from hhfit.errors import InferenceError, InputError
from hhfit.inference import Budget
from hhfit.reproduce import _against_abc, _papers
from hhfit.reproduce._figure import HOLDS, MISSED, Result, judged
from hhfit.reproduce._work import Work


@pytest.fixture
def paper(monkeypatch):
    """A paper of one figure with two parts, and how often each was computed."""
    calls = {"first": 0, "second": 0, "stop": False}

    def run(work):
        def compute(name, n):
            calls[name] += 1
            if name == "second" and calls["stop"]:
                raise KeyboardInterrupt
            work.count(n)
            return {"value": np.array([n + work.seed])}

        first = work.part("first", lambda: compute("first", work.size(10, 100)))
        second = work.part("second", lambda: compute("second", 5))
        value = float(first["value"][0] + second["value"][0])
        return Result("A caption.", (judged("sum", "15", f"{value:g}", value == 15),), {"value": np.array(value)})

    def draw(result):
        figure = Figure()
        figure.subplots().plot([float(result.arrays["value"])] * 2)
        return {"toy": figure}

    monkeypatch.setitem(_papers.PAPERS, "paper", {"toy": "A toy"})
    monkeypatch.setattr(_papers, "_module", lambda paper, name: SimpleNamespace(run=run, draw=draw))
    return calls


def test_a_figure_is_drawn_and_tabled(paper, tmp_path):
    (done,) = reproduce.run("paper", out=tmp_path, quick=True)
    assert (done.simulations, done.rows[0].verdict) == (15, HOLDS)
    for name in ("paper-toy.pdf", "paper-toy.png", "paper-toy.npz", "numbers/paper-toy.json"):
        assert (tmp_path / name).stat().st_size > 0
    text = (tmp_path / "REPRODUCTION.md").read_text()
    assert "| sum | 15 | 15 | holds |" in text
    assert "quick budget, seed 0, 15 simulations" in text


def test_a_finished_figure_is_not_made_again(paper, tmp_path):
    made = [list(reproduce.run("paper", out=tmp_path, quick=True)) for _ in range(2)]
    assert made[0] == made[1]
    assert paper["first"] == paper["second"] == 1


@pytest.mark.parametrize("change", [{"quick": False}, {"quick": True, "seed": 1}])
def test_another_budget_or_seed_is_made_anew(paper, tmp_path, change):
    list(reproduce.run("paper", out=tmp_path, quick=True))
    (done,) = reproduce.run("paper", out=tmp_path, **change)
    assert paper["first"] == 2
    assert done.rows[0].verdict == MISSED
    assert json.loads((tmp_path / "numbers" / "paper-toy.json").read_text())["quick"] == change["quick"]


def test_an_interruption_costs_only_the_part_it_hit(paper, tmp_path):
    paper["stop"] = True
    with pytest.raises(KeyboardInterrupt):
        list(reproduce.run("paper", out=tmp_path, quick=True))
    paper["stop"] = False
    (done,) = reproduce.run("paper", out=tmp_path, quick=True)
    assert (paper["first"], paper["second"], done.simulations) == (1, 2, 15)


def test_parts_that_were_kept_still_count(tmp_path):
    def compute(work):
        work.count(7)
        return {"value": np.arange(3)}

    for _ in range(2):
        work = Work(tmp_path, True, 0)
        assert work.part("one", lambda w=work: compute(w))["value"].tolist() == [0, 1, 2]
        assert work.simulations == 7


@pytest.mark.parametrize(("paper_name", "figure"), [("nobody2020", ""), ("papamakarios2016", "9z")])
def test_unknown_names_are_refused(paper_name, figure, tmp_path):
    with pytest.raises(InputError, match="available: "):
        list(reproduce.run(paper_name, [figure] if figure else [], out=tmp_path))


def test_every_figure_of_every_paper_has_its_module():
    for paper, titles in reproduce.PAPERS.items():
        for figure in titles:
            module = _papers._module(paper, figure)
            assert callable(module.run)
            assert callable(module.draw)


def test_the_last_round_may_be_larger():
    assert Budget(7000, 6, 2000).per_round == [1000] * 5 + [2000]
    with pytest.raises(InputError, match="last is 1980"):
        Budget(2000, 2, 1980)


def test_the_committed_table_is_made_of_the_rows_beside_it():
    folder = Path(__file__).parents[2] / "notebooks"
    order = [(paper, figure) for paper, titles in reproduce.PAPERS.items() for figure in titles]
    assert reproduce.table(reproduce.stored(folder, order)) == (folder / "REPRODUCTION.md").read_text()


def test_divisions_that_all_fail_are_a_result(tmp_path, monkeypatch):
    reference, tried = references.Mixture(references.box(1, 10.0)), []
    problem = _against_abc.Problem(
        reference.prior, reference.simulate, np.zeros(1), lambda _: 0.0, "KL [nat]", (1, 50), 100, 1
    )

    def fails(*_, seed, **__):
        tried.append(seed)
        raise InferenceError("no positive precision")

    work = Work(tmp_path, quick=True, seed=0)
    monkeypatch.setattr(work, "fit", fails)
    draws = np.random.default_rng(0).standard_normal((50, 1))
    parts = {method: {"n": np.array([30]), "score": np.array([0.5]), "draws": draws} for method in _against_abc.LABELS}
    parts["snpe_a"] = _against_abc._snpe_a(work, problem)
    found = {f"{method}.{key}": value for method, part in parts.items() for key, value in part.items()}
    assert tried == [100 * i for i in range(10)]
    first, *others = _against_abc.rows(problem, found)
    assert first.ours == "10, every seed tried"
    assert [row.verdict for row in others[:3]] == [MISSED] * 3
    names = {"truth": np.empty(0), "exact": draws, "bounds": reference.prior.interval}
    arrays = found | {f"problem.{name}": value for name, value in names.items()}
    arrays |= {"problem.names": np.array(["theta"]), "problem.metric": np.array("KL [nat]")}
    left, right = _against_abc.drawn(arrays).subfigs
    assert {line.get_label() for line in left.axes[0].lines} == set(
        (_against_abc.LABELS | {"snpe_a": "SNPE-A: failed"}).values()
    )
    assert {text.get_text() for text in right.axes[0].get_legend().get_texts()} == {
        "SMC ABC",
        "TSNPE (modern)",
        "exact",
    }
