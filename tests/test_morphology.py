"""Morphologies: what is refused in one sentence, and what an SWC file becomes."""

import copy

import numpy as np
import pytest

from hhfit import model
from hhfit.errors import InputError, UnsupportedError
from hhfit.preparation import Corrections, prepare
from hhfit.protocol import step
from hhfit.simulators import get

TABLE = {
    "quantities": {
        "g": {"value": 0.1, "unit": "mS/cm2", "prior": {"kind": "uniform", "low": 0.05, "high": 0.2}},
        "e": {"value": -70.0, "unit": "mV"},
        "ra": {"value": 100.0, "unit": "ohm*cm"},
        "capacitance": {"value": 1.0, "unit": "uF/cm2"},
        "v_init": {"value": -70.0, "unit": "mV"},
    },
    "channels": {"leak": {"type": "leak", "conductance": "g", "reversal": "e"}},
    "morphology": {
        "axial_resistance": "ra",
        "sections": {
            "soma": {"length": 20, "diameter": 20},
            "trunk": {"parent": "soma", "region": "dendrite", "length": 100, "diameter": 2},
            "twig": {"parent": "trunk", "region": "dendrite", "length": 50, "diameter": 1},
        },
        "regions": {"dendrite": {"capacitance": 2, "channels": {"leak": "2 * g"}}},
    },
}
SWC = "1 1 0 0 0 8 -1\n2 3 0 8 0 1 1\n3 3 0 40 0 1 2\n4 3 20 60 0 1 3\n5 3 -20 60 0 1 3\n"


def changed(path, value):
    table = copy.deepcopy(TABLE)
    place = table
    for key in path[:-1]:
        place = place.setdefault(key, {})
    place[path[-1]] = value
    return table


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("sections", "trunk", "parent"),
            "twig",
            "morphology.sections.trunk: sections trunk -> twig -> trunk form a loop",
        ),
        (("sections", "trunk", "parent"), "axon", "sections.trunk: parent is 'axon', must be one of soma, trunk, twig"),
        (("sections", "trunk", "parent"), "", "sections.trunk: has no parent, as 'soma' has none"),
        (("sections", "soma", "region"), "axon", "sections.soma: the root is in region 'axon', must be in 'soma'"),
        (("sections", "twig", "at"), 1.5, "sections.twig.at is 1.5, must lie between 0"),
        (("sections", "twig", "diameter"), 0, "sections.twig.diameter is 0, must be positive"),
        (("sections", "twig", "length"), "lenght", "sections.twig.length names unknown 'lenght'"),
        (("sections", "twig", "colour"), "red", "sections.twig: unknown key 'colour'"),
        (
            ("sections", "twig"),
            {"points": [[0, 0, 0, 1]], "parent": "trunk"},
            "sections.twig.points must be two or more",
        ),
        (("sections",), {}, "morphology.sections is empty"),
        (("regions", "axon"), {}, "regions.axon: no section is in region 'axon'; there are dendrite, soma"),
        (
            ("regions", "dendrite", "channels"),
            {"na": 1},
            "regions.dendrite.channels.na: unknown channel; available: leak",
        ),
        (("regions", "dendrite", "channels"), {"leak": "e"}, "channels.leak: e is in mV, must be in mS/cm2"),
        (("regions", "dendrite", "capacitance"), "ra", "dendrite.capacitance: ra is in ohm*cm, must be in uF/cm2"),
        (("axial_resistance",), "e", "morphology.axial_resistance: e is in mV, must be in ohm*cm"),
        (("sections", "twig", "length"), "e", "sections.twig.length: e is in mV, must be in um"),
        (("sections", "twig", "diameter"), "ra", "sections.twig.diameter: ra is in ohm*cm, must be in um"),
        (("regions", "dendrite", "channels"), {"leak": "g / 0"}, "dendrite.channels.leak is inf, must be finite"),
        (("axial_resistance",), "ra / 0", "morphology.axial_resistance is inf, must be positive and finite"),
        (("d_lambda",), -1, "morphology.d_lambda is -1, must be positive"),
    ],
)
def test_a_bad_morphology_is_refused_in_one_sentence(path, value, message):
    with pytest.raises(InputError) as caught:
        model.build(changed(("morphology", *path), value), "cell")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'parent = "soma"',
            'parent = "twig"',
            r"cell.toml:\d+: .*sections.trunk: sections trunk -> twig -> trunk form a",
        ),
        (
            '"2 * g"',
            '"2 * h"',
            r"cell.toml:\d+: morphology.regions.dendrite.channels.leak names unknown 'h'; available:",
        ),
        ('"2 * g"', '"e"', r"cell.toml:\d+: morphology.regions.dendrite.channels.leak: e is in mV, must be in mS/cm2"),
        ('"2 * g"', '"g / 0"', r"cell.toml:\d+: morphology.regions.dendrite.channels.leak is inf, must be finite"),
        ("length = 100", 'length = "e"', r"cell.toml:\d+: morphology.sections.trunk.length: e is in mV, must be in um"),
    ],
)
def test_a_bad_morphology_in_a_file_is_refused_with_its_line(tmp_path, old, new, message):
    import tomli_w

    text = tomli_w.dumps(TABLE)
    assert text.count(old) == 1
    path = tmp_path / "cell.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=message) as caught:
        model.load(str(path))
    assert "\n" not in str(caught.value)
    line = int(str(caught.value).split(":")[1])
    table = "regions.dendrite.channels" if "regions" in str(caught.value) else "sections.trunk"
    assert text.splitlines()[line - 1].startswith((f"[morphology.{table}]", old.split(" =")[0], "leak"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("3 3 0 40 0 1 2", "3 3 0 40 0 1 4", "cell.swc:3: sample 3 is its own ancestor: a loop, must be a tree"),
        ("3 3 0 40 0 1 2", "3 3 0 40 0 1 9", "cell.swc:3: sample 3 hangs on sample 9, which is missing"),
        ("3 3 0 40 0 1 2", "3 3 0 40 0 1 -1", "cell.swc:3: sample 3 is a second root, after sample 1 in line 1"),
        ("1 1 0", "1 3 0", "cell.swc:1: sample 1, the root, is in the dendrite, must be soma"),
        ("5 3 -20", "5 9 -20", "cell.swc:5: sample 5 has unknown region type 9, must be one of 1 soma"),
        ("5 3 -20", "4 3 -20", "cell.swc:5: sample 4 is there twice, first in line 4"),
        ("5 3 -20 60 0 1 3", "5 3 -20 60 0 0 3", "cell.swc:5: sample 5 has radius 0 um, must be positive"),
        ("5 3 -20 60 0 1 3", "5 3 -20 60", "cell.swc:5: '5 3 -20 60' is not number type x y z radius parent"),
        ("5 3 -20", "5 1 -20", "cell.swc:5: sample 5 of the soma hangs on a dendrite"),
    ],
)
def test_a_bad_swc_file_is_refused_with_its_line(tmp_path, old, new, message):
    assert old in SWC
    with pytest.raises(InputError) as caught:
        _load(tmp_path, SWC.replace(old, new))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_swc_file_becomes_sections_between_its_branchings(tmp_path):
    cell = _load(tmp_path, SWC)
    shape = {s.name: (s.parent, s.at, len(s.points)) for s in cell.morphology.sections}
    assert shape == {
        "soma": ("", 1.0, 2),
        "dendrite_0": ("soma", 0.5, 2),
        "dendrite_1": ("dendrite_0", 1.0, 2),
        "dendrite_2": ("dendrite_0", 1.0, 2),
    }
    soma = cell.morphology.sections[0]
    assert soma.area({}) == pytest.approx(4 * np.pi * 8**2)
    assert cell.morphology.area({}) == pytest.approx(4 * np.pi * 8**2 + 2 * np.pi * (32 + 2 * np.hypot(20, 20)))


def test_a_morphology_survives_being_written_out(tmp_path):
    for cell in (_load(tmp_path, SWC), model.build(TABLE, "cell")):
        again = model.build(model.dump(cell), cell.name)
        assert again.describe() == cell.describe()
        assert again.hash == cell.hash


def test_the_hash_knows_the_shape():
    longer = model.build(changed(("morphology", "sections", "twig", "length"), 51), "cell")
    assert longer.hash != model.build(TABLE, "cell").hash


def test_a_region_has_its_own_conductances_and_lacks_those_that_are_0():
    cell = model.build(changed(("morphology", "regions", "dendrite", "channels"), {"leak": 0}), "cell")
    assert [c.name for c in cell.region("soma").channels] == ["leak"]
    assert cell.region("dendrite").channels == ()
    assert model.build(TABLE, "cell").region("dendrite").channels[0].conductance.text == "2 * g"


def test_a_simulator_of_points_says_who_runs_trees():
    steps = step(np.array([50.0]), on=1.0, off=2.0, duration=3.0, dt=0.1)
    with pytest.raises(UnsupportedError, match=r"one compartment only, .* take --simulator batched or neuron"):
        get("brian2", model.build(TABLE, "cell"), steps)


def test_a_fit_takes_the_area_from_the_morphology_and_from_nowhere_else():
    from hhfit import example

    cell = model.build(TABLE, "cell")
    said = " ".join(prepare(example.load(), cell, Corrections()).assumptions)
    assert f"area {np.pi * (400 + 200 + 50):.0f} um2 follows from the morphology" in said
    with pytest.raises(InputError, match="leave --area and --fit-area out"):
        prepare(example.load(), cell, Corrections(area=500.0))


def _load(folder, text):
    import tomli_w

    table = copy.deepcopy(TABLE)
    table["morphology"] = {"axial_resistance": "ra", "swc": "cell.swc"}
    (folder / "cell.swc").write_text(text)
    (folder / "cell.toml").write_text(tomli_w.dumps(table))
    return model.load(str(folder / "cell.toml"))
