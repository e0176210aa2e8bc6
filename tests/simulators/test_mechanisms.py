"""Channels in NMODL: NEURON runs them, the others say so, and a bad file is named with its line."""

import numpy as np
import pytest
import tomli_w

from hhfit import model, protocol, simulators
from hhfit.errors import InputError, SimulationError, UnsupportedError
from hhfit.simulators import _cells, _nmodl, _nrnivmodl, _trees

MOD = """\
NEURON {
    SUFFIX shunt
    USEION k READ ek WRITE ik
    RANGE gbar, half
}
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER {
    gbar = 0 (S/cm2)
    half = -40 (mV)
}
ASSIGNED { v (mV) ek (mV) ik (mA/cm2) }
STATE { n }
INITIAL { n = 1 / (1 + exp(-(v - half) / 5)) }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ik = gbar * n * (v - ek)
}
DERIVATIVE states { n' = (1 / (1 + exp(-(v - half) / 5)) - n) / 10 }
"""
STEPS = protocol.step(np.array([300.0]), on=5.0, off=35.0, duration=40.0, dt=0.05)


def table(channel):
    base = model.dump(model.load("pospischil_rs"))
    base["quantities"]["g_k"] = {
        "value": 1.0,
        "unit": "mS/cm2",
        "prior": {"kind": "uniform", "low": 0.0, "high": 5.0},
    }
    base["channels"]["extra"] = channel
    return base


def own(**changes):
    return {
        "mod": "shunt.mod",
        "parameters": {"gbar": "1e-3 * g_k", "half": "v_t"},
        "reversals": {"k": "e_k"},
        **changes,
    }


def load(folder, channel, text=MOD):
    (folder / "shunt.mod").write_text(text)
    (folder / "cell.toml").write_text(tomli_w.dumps(table(channel)))
    return model.load(str(folder / "cell.toml"))


def test_a_channel_in_nmodl_is_the_same_channel_written_as_rates(tmp_path):
    hand = load(tmp_path, own())
    rates = {"n": {"power": 1, "inf": "1 / (1 + exp(-(v - v_t) / 5))", "tau": "10"}}
    ours = model.build(table({"conductance": "g_k", "reversal": "e_k", "gates": rates}), "cell")
    theta = np.vstack([hand.reference, hand.prior.sample(3, seed=1)])
    one, two = (simulators.get("neuron", m, STEPS)(theta, 0).response for m in (hand, ours))
    assert np.abs(one - two).max() < 1e-3
    without = theta.copy()
    without[:, hand.free.index("g_k")] = 0.0
    assert np.abs(simulators.get("neuron", hand, STEPS)(without, 0).response - one).max() > 5.0


def test_two_texts_of_one_name_live_side_by_side_and_one_text_is_loaded_once(tmp_path):
    first = load(tmp_path, own())
    second = load(tmp_path, own(), MOD.replace("/ 10 }", "/ 20 }"))
    assert first.mechanisms[0].suffix != second.mechanisms[0].suffix
    runs = [simulators.get("neuron", m, STEPS) for m in (first, second, first)]
    traces = [run(first.reference[None], 0).response for run in runs]
    assert np.array_equal(traces[0], traces[2])
    assert not np.array_equal(traces[0], traces[1])


@pytest.mark.parametrize("name", ["batched", "brian2"])
def test_the_other_simulators_say_that_they_cannot(tmp_path, name):
    with pytest.raises(UnsupportedError, match=r"cannot run shunt.mod, which is NMODL; take --simulator neuron"):
        simulators.get(name, load(tmp_path, own()), STEPS)


def test_it_survives_being_written_out(tmp_path):
    cell = load(tmp_path, own(regions=[]))
    again = model.build(model.dump(cell), "cell")
    assert again.describe() == cell.describe()
    assert again.hash != load(tmp_path, own(), MOD.replace("/ 10 }", "/ 20 }")).hash


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        (
            own(parameters={"gbr": "g_k"}),
            "extra.parameters.gbr: shunt.mod has no RANGE variable 'gbr'; it has gbar, half",
        ),
        (own(reversals={"na": "e_k"}), "extra.reversals.na: shunt.mod uses no ion 'na'; it uses k"),
        (own(parameters={"gbar": "g_q"}), "channels.extra.parameters.gbar names unknown 'g_q'"),
        (own(regions=["axon"]), "channels.extra.regions: the model has no region 'axon'"),
        (own(colour="red"), "channels.extra: unknown key 'colour'"),
    ],
)
def test_a_bad_table_is_refused_in_one_sentence(tmp_path, channel, message):
    with pytest.raises(InputError) as caught:
        load(tmp_path, channel)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_point_process_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"shunt.mod has no SUFFIX, must be a density mechanism"):
        load(tmp_path, own(), MOD.replace("SUFFIX", "POINT_PROCESS"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("(v - ek)", "(v - ek", r"^shunt.mod:17: nrnivmodl cannot build it: Illegal block$"),
        ("(v - ek)", "(v - nowhere)", r"^shunt.mod:16: nrnivmodl cannot build it: .*nowhere.*$"),
    ],
)
def test_a_file_that_does_not_compile_is_named_with_its_line(tmp_path, old, new, message):
    cell = load(tmp_path, own(), MOD.replace(old, new))
    with pytest.raises(InputError, match=message):
        simulators.get("neuron", cell, STEPS)(cell.reference[None], 0)


def test_a_library_that_holds_something_else_is_named(monkeypatch):
    """NEURON loads a missing or foreign library without a word."""
    cell = model.load("pospischil_rs").with_priors({"g_m": None})
    monkeypatch.setattr(_nmodl, "suffix", lambda model: "hhnothere")
    monkeypatch.setattr(_nrnivmodl, "compiled", lambda *_: "/nowhere/libnrnmech.so")
    monkeypatch.setattr(_trees, "plan", _trees.plan.__wrapped__)
    with pytest.raises(SimulationError, match=r"NEURON did not load /nowhere/libnrnmech.so; delete it and try again"):
        _cells.interpreter(simulators.get("neuron", cell, STEPS))
