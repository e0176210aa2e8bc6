"""eFEL behaves as hhfit needs it to: settings of the set and no other, odd returns undefined."""

import threading

import efel
import numpy as np
import pytest

from hhfit.errors import InputError
from hhfit.extractors import Feature
from hhfit.extractors.efel import Extractor
from hhfit.protocol import step

PROTOCOL = step(np.array([100.0]), on=50.0, off=150.0, duration=200.0, dt=0.05)


def trace(*times, height=90.0):
    potential = np.full(PROTOCOL.n_times, -70.0) - 0.001 * PROTOCOL.time
    for at in times:
        potential += height * np.exp(-(((PROTOCOL.time - at) / 0.5) ** 2))
    return potential[None, None]


def compute(response, *functions, window="stimulus", **settings):
    features = tuple(Feature(f, "efel", f, window, "none", "1") for f in functions)
    return Extractor(settings)(response, PROTOCOL, features)[0, 0]


def test_spikes_outside_the_stimulus_do_not_count():
    response = trace(20.0, 80.0, 100.0, 180.0)
    np.testing.assert_allclose(compute(response, "spike_count", "time_to_first_spike"), [2, 30], atol=0.11)


@pytest.mark.parametrize(("window", "count"), [("before", 1), ("stimulus", 2), ("after", 1), ("sweep", 4)])
def test_window_decides_which_spikes_count(window, count):
    assert compute(trace(20.0, 80.0, 100.0, 180.0), "spike_count", window=window)[0] == count


def test_settings_of_someone_else_do_not_leak_in():
    efel.set_setting("Threshold", 200.0)
    assert compute(trace(80.0), "spike_count")[0] == 1


def test_settings_of_one_call_do_not_reach_the_next():
    assert compute(trace(80.0), "spike_count", Threshold=50.0)[0] == 0
    assert compute(trace(80.0), "spike_count")[0] == 1


def test_misspelt_setting_is_refused():
    with pytest.raises(InputError, match="no setting 'Treshold'; nearest are Threshold"):
        Extractor({"Treshold": -20.0})


def test_every_odd_return_is_undefined():
    # None, an empty list, a warning of NumPy, and a value of a feature beside them that is defined
    names = ["AP_amplitude", "all_ISI_values", "irregularity_index", "spike_count", "voltage_base"]
    values = compute(trace(80.0), "time_constant", *names)
    np.testing.assert_array_equal(np.isnan(values), [True, False, True, True, False, False])


def test_exception_in_one_feature_leaves_the_others(monkeypatch):
    def explode():
        raise IndexError("trace too short")

    monkeypatch.setattr(efel.pyfeatures, "depol_block_bool", explode)
    values = compute(trace(80.0), "depol_block_bool", "spike_count")
    np.testing.assert_array_equal(values, [np.nan, 1.0])


def test_reductions_of_a_value_per_spike():
    values = compute(
        trace(60.0, 80.0, 120.0), *(f"all_ISI_values{how}" for how in ("", ":mean", ":first", ":last", ":sd"))
    )
    np.testing.assert_allclose(values, [30, 30, 20, 40, 10], atol=0.11)


def test_input_resistance_is_that_of_ohms_law():
    response = np.full((1, 1, PROTOCOL.n_times), -70.0)
    response[..., PROTOCOL.samples(51.0, 151.0)] = -65.0  # no membrane moves at once
    assert compute(response, "ohmic_input_resistance_vb_ssse")[0] == pytest.approx(50.0)


def test_threads_do_not_mix_their_traces():
    wrong = []

    def work(count):
        response = trace(*np.linspace(60, 140, count))
        wrong.extend(n for n in range(20) if compute(response, "spike_count")[0] != count)

    threads = [threading.Thread(target=work, args=(count,)) for count in (1, 3, 5, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
