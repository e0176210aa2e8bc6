"""Models: what a TOML may say, and what is refused in one sentence."""

import copy

import numpy as np
import pytest

from hhfit import library, model
from hhfit.errors import InputError

TABLE = {
    "quantities": {
        "g": {"value": 1.0, "unit": "mS/cm2", "prior": {"kind": "uniform", "low": 0.1, "high": 2.0}},
        "e": {"value": -70.0, "unit": "mV"},
        "capacitance": {"value": 1.0, "unit": "uF/cm2"},
        "area": {"value": 1000.0, "unit": "um2"},
        "v_init": {"value": -70.0, "unit": "mV"},
    },
    "channels": {"leak": {"type": "leak", "conductance": "g", "reversal": "e"}},
}
GATED = {"conductance": "g", "reversal": "e", "gates": {"n": {"power": 2, "inf": "0.5", "tau": "2"}}}


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
        (("quantities", "g", "value"), -120, "cell.toml: quantities.g is -120 mS/cm2, must be positive"),
        (("quantities", "g", "value"), float("nan"), "g is nan mS/cm2, must be finite"),
        (("quantities", "g", "unit"), "S/m2", "unknown unit 'S/m2'"),
        (("quantities", "g", "prior"), {"kind": "cauchy"}, "quantities.g.prior: unknown prior 'cauchy'"),
        (("quantities", "g", "colour"), 1, "quantities.g: unknown key 'colour'"),
        (("quantities", "v"), {"value": 1, "unit": "1"}, "'v' cannot name a quantity"),
        (("quantities", "dt"), {"value": 1, "unit": "ms"}, "'dt' cannot name a quantity"),
        (("quantities", "area", "unit"), "mV", "area is in mV, must be in um2"),
        (("quantities", "v_init", "equals"), "nowhere", "v_init.equals names 'nowhere', must be one of"),
        (("quantities", "g", "equals"), "e", "has a prior, must have one of the two"),
        (("channels", "leak", "conductance"), "e", "leak.conductance: e is in mV, must be in mS/cm2"),
        (("channels", "leak", "conductance"), "g * q", "channels.leak.conductance names unknown 'q'"),
        (("channels", "leak", "type"), "nothing", "unknown channel 'nothing'; available"),
        (("channels", "k"), {**GATED, "gates": {"n": {"power": 0, "inf": "1"}}}, "power is 0, must be a whole number"),
        (("channels", "k"), {**GATED, "gates": {"n": {"power": 1, "alpha": "1"}}}, "needs alpha and beta, or inf"),
        (("channels", "k"), {**GATED, "gates": {"n": {"power": 1, "inf": "v / (v + 50)"}}}, "not finite at v = -50 mV"),
        (("channels", "k"), {**GATED, "gates": {"n": {"power": 1, "inf": "ca"}}}, "names unknown 'ca'"),
        (("integrator",), "magic", "unknown integrator 'magic'; available: exponential-euler"),
        (("calcium",), {"channels": ["x"], "depth": 1, "tau": 5, "rest": 1e-4}, "calcium.channels names 'x'"),
        (("calcium",), {"channels": ["leak"], "depth": 1, "tau": "v", "rest": 1e-4}, "calcium.tau names unknown 'v'"),
        (("calcium",), {"channels": ["leak"], "depth": 1, "rest": 1e-4}, "cell.toml: calcium: 'tau' is missing"),
        (("calcium",), {"channels": ["leak"], "depth": "e", "tau": 5, "rest": 1}, "depth: e is in mV, must be in um"),
        (("calcium",), {"channels": ["leak"], "depth": 1, "tau": -5, "rest": 1}, "calcium.tau is -5, must be positive"),
        (
            ("calcium",),
            {"channels": ["leak"], "depth": 1, "tau": "1 / 0", "rest": 1},
            "tau is inf, must be positive and",
        ),
        (("quantities", "noise"), {"value": 1, "unit": "mV"}, "quantities.noise is in mV, must be in uA/cm2*ms^0.5"),
        (("quantities", "temperature"), {"value": 1, "unit": "mV"}, "temperature is in mV, must be in degC"),
        (("quantities", "v_init", "equals"), "area", "v_init.equals: area is in um2, must be in mV"),
        (("quantities", "v_init", "equals"), "e / 0", "quantities.v_init.equals is -inf, must be finite"),
        (("quantities", "area", "equals"), "1000 * e", "quantities.area.equals is -70000, must be positive"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(path, value, message):
    with pytest.raises(InputError) as caught:
        model.build(changed(path, value), "cell")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_required_quantity_is_named():
    table = copy.deepcopy(TABLE)
    del table["quantities"]["area"]
    with pytest.raises(InputError, match=r"cell: quantity 'area' \[um2\] is missing"):
        model.build(table, "cell")


@pytest.mark.parametrize("name", library.names("models"))
def test_a_library_model_survives_being_written_out(name):
    loaded = model.load(name)
    assert model.build(model.dump(loaded), name).describe() == loaded.describe()


@pytest.mark.parametrize("name", library.names("models"))
def test_every_number_of_the_library_has_a_source(name):
    loaded = model.load(name)
    assert loaded.source
    assert [q.name for q in loaded.quantities.values() if not q.source] == []
    assert [c.name for c in loaded.channels if not c.source] == []


def test_the_prior_holds_the_reference_of_every_library_model():
    for name in library.names("models"):
        loaded = model.load(name)
        assert loaded.prior.contains(loaded.reference[None]).all(), name


def test_temperature_speeds_rates_by_the_q10():
    cell = model.load("hh52")
    warm = cell.with_values({"temperature": 16.3})
    gate = cell.channels[0].gates[0]
    slow, fast = (
        float(gate.tau.evaluate({"v": -40.0, "temperature": m.quantities["temperature"].value})) for m in (cell, warm)
    )
    assert slow / fast == pytest.approx(3.0)
    inf = [float(gate.inf.evaluate({"v": -40.0, "temperature": t})) for t in (6.3, 16.3)]
    assert inf[0] == pytest.approx(inf[1])


def test_a_channel_without_a_temperature_in_the_model_runs_as_published():
    table = changed(("channels", "na"), {"type": "hh_na", "conductance": "g", "reversal": "e"})
    assert "temperature" not in model.build(table, "cell").channels[1].gates[0].tau.names


def test_a_bound_quantity_follows_and_a_given_value_frees_it():
    cell = model.build(changed(("quantities", "v_init", "equals"), "e - 10 * g"), "cell")
    assert cell.values(np.array([[2.0], [0.5]]))["v_init"] == pytest.approx([-90.0, -75.0])
    assert cell.with_values({"v_init": -60.0}).values(np.array([[2.0]]))["v_init"] == pytest.approx([-60.0])


def test_free_values_are_not_part_of_the_hash_and_fixed_ones_are():
    cell = model.build(TABLE, "cell")
    assert cell.hash == cell.with_values({"g": 1.5}).hash
    assert cell.hash != cell.with_values({"e": -60.0}).hash


def test_unknown_names_in_changes_are_refused():
    cell = model.build(TABLE, "cell")
    with pytest.raises(InputError, match="unknown quantity 'g_x'; available: g, e"):
        cell.with_values({"g_x": 1.0})
    with pytest.raises(InputError, match="no quantity has a prior"):
        _ = cell.with_priors({"g": None}).prior


LINES = """\
title = "cell"

[quantities.g]
value = 1.0
unit = "mS/cm2"

[quantities]
capacitance = { value = 1.0, unit = "uF/cm2" }
area.value = 1000.0
area.unit = "um2"
v_init = { value = -70.0, unit = "mV" }

[channels.na]
type = "traub_na"
conductance = "g"
reversal = "v_init"

[channels.k]
conductance = "g"
reversal = "v_init"

[channels.k.gates.n]
power = 2
inf = "1 / (1 + exp(-v / 9))"
tau = "2"
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'value = 1.0\nunit = "mS',
            'value = -1.0\nunit = "mS',
            "cell.toml:3: quantities.g is -1 mS/cm2, must be positive",
        ),
        ("{ value = -70.0", "{ vlue = -70.0", "cell.toml:11: quantities.v_init: 'value' is missing"),
        ("power = 2", "power = 2.5", "cell.toml:23: channels.k.gates.n.power is 2.5, must be a whole number from 1"),
        ("exp(-v / 9)", "exp(-w / 9)", "cell.toml:24: channels.k.gates.n.inf names unknown 'w'; available: "),
        ("1 + exp(-v / 9)", "v + 50", "cell.toml:24: channels.k.gates.n.inf is not finite at v = -50 mV"),
        (
            "exp(-v / 9)",
            "open(1)",
            "cell.toml:24: channels.k.gates.n.inf: '1 / (1 + open(1))': 'open(1)' is not allowed",
        ),
        ('"g"\nreversal', '"v_init"\nreversal', "cell.toml:15: channels.na.conductance: v_init is in mV"),
        ("traub_na", "traub_nb", "cell.toml:14: channels.na.type: unknown channel 'traub_nb'; available"),
        (
            'conductance = "g"',
            'conductance = "v"',
            "cell.toml:15: channels.na.conductance: v is in mV, must be in mS/cm2",
        ),
        ('tau = "2"', 'tau = "2 / 0"', "cell.toml:25: channels.k.gates.n.tau is not finite at v = -120 mV"),
        ('area.unit = "um2"', 'area.unit = "mV"', "cell.toml:9: quantities.area is in mV, must be in um2"),
        ('area.unit = "um2"', 'area.unit = "m2"', "cell.toml:9: quantities.area has unknown unit 'm2'"),
    ],
)
def test_a_bad_file_is_refused_with_file_line_and_name(tmp_path, old, new, message):
    assert old in LINES
    path = tmp_path / "cell.toml"
    path.write_text(LINES)
    model.load(str(path))
    path.write_text(LINES.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        model.load(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_that_is_no_toml_is_refused_with_its_line(tmp_path):
    path = tmp_path / "cell.toml"
    path.write_text(LINES.replace("power = 2", "power 2"))
    with pytest.raises(InputError, match=r"cell.toml: not valid TOML: .*line 23"):
        model.load(str(path))
