"""Every rule on every extractor and every bundled feature set."""

import numpy as np
import pytest

from hhfit import library, plugins
from hhfit.errors import InputError
from hhfit.extractors import Feature, FeatureSet, load
from hhfit.extractors._base import SCALES, WINDOWS
from hhfit.protocol import step

EXTRACTORS = plugins.names("extractors")
SETS = library.names("features")
DT = 0.1
PROTOCOL = step(np.array([0.0, 50.0]), on=40.0, off=180.0, duration=240.0, dt=DT)


def spike_train(times, *, rest=-70.0, seed=0):
    """A trace with spikes of 1 ms at given times [ms], afterhyperpolarisation and noise."""
    time = PROTOCOL.time
    lift = np.where((time > 40) & (time < 180), 8.0 * (1 - np.exp(-(time - 40) / 10)), 0.0)
    trace = rest + lift + 0.05 * np.random.default_rng(seed).standard_normal(time.size)
    for at in times:
        trace += 90.0 * np.exp(-(((time - at) / 0.5) ** 2)) - 6.0 * np.exp(-(((time - at - 4) / 2.0) ** 2))
    return trace


@pytest.fixture(scope="module")
def response():
    """Rows: tonic, adapting, one spike, silent, spike before the stimulus; two sweeps each."""
    trains = [np.arange(50, 175, 15), [45, 55, 70, 95, 130], [60], [], [20, 80, 90]]
    return np.stack([np.stack([spike_train([]), spike_train(t, seed=k)]) for k, t in enumerate(trains)])


def features_of(name):
    offered = plugins.get("extractors", name).Extractor.functions()
    return tuple(Feature(f, name, f, "stimulus", "none", unit) for f, unit in offered.items())


def compute(name, response, features=None, protocol=PROTOCOL):
    extractor = plugins.get("extractors", name).Extractor({})
    return extractor(response, protocol, features or features_of(name))


@pytest.fixture(scope="module", params=EXTRACTORS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def values(name, response):
    return compute(name, response)


def test_gives_a_number_per_row_sweep_and_function(name, values, response):
    assert values.shape == (5, 2, len(features_of(name)))
    assert values.dtype == float


def test_never_gives_an_infinite_number(values):
    assert not np.isinf(values).any()


def test_rows_do_not_depend_on_their_order(name, values, response):
    order = np.array([3, 1, 4, 0, 2])
    np.testing.assert_array_equal(compute(name, response[order]), values[order])


def test_a_row_alone_gives_what_it_gives_among_many(name, values, response):
    np.testing.assert_array_equal(compute(name, response[1:2]), values[1:2])


def test_a_sweep_alone_gives_what_it_gives_among_many(name, values, response):
    alone = compute(name, response[:, 1:], protocol=PROTOCOL.select([1]))
    np.testing.assert_array_equal(alone, values[:, 1:])


def test_a_function_alone_gives_what_it_gives_among_all(name, values, response):
    for column in range(0, values.shape[2], 7):
        alone = compute(name, response, features_of(name)[column : column + 1])
        np.testing.assert_allclose(alone[..., 0], values[..., column], rtol=1e-12, atol=1e-14)


def test_no_row_gives_no_value(name):
    empty = np.zeros((0, 2, PROTOCOL.n_times))
    assert compute(name, empty).shape == (0, 2, len(features_of(name)))


def test_leaves_the_response_as_it_is(name, response):
    before = response.copy()
    compute(name, response)
    np.testing.assert_array_equal(response, before)


def test_every_function_is_defined_somewhere(name, values):
    silent_here = np.isnan(values).all(axis=(0, 1))
    assert silent_here.mean() < 0.5


@pytest.mark.parametrize("window", WINDOWS)
def test_computes_every_window(name, response, window):
    features = tuple(Feature(f.name, name, f.function, window, "none", f.unit) for f in features_of(name)[::9])
    assert np.isfinite(compute(name, response, features)).any()


def test_unknown_setting_is_refused_with_the_nearest(name):
    extractor = plugins.get("extractors", name).Extractor
    known = next(iter(extractor.defaults()))
    with pytest.raises(InputError, match=f"{name}: no setting '{known}s'; nearest are {known}"):
        extractor({known + "s": 1.0})


def test_setting_of_the_wrong_type_is_refused(name):
    extractor = plugins.get("extractors", name).Extractor
    known = next(key for key, value in extractor.defaults().items() if isinstance(value, float))
    with pytest.raises(InputError, match=f"{name}: setting {known} is True, must be of type float"):
        extractor({known: True})


def test_every_function_has_a_unit(name):
    assert all(feature.unit for feature in features_of(name))


@pytest.mark.parametrize("bundled", SETS)
def test_bundled_set_computes_with_stored_scales_and_names(bundled, response):
    features = load(bundled)
    x = features(response, PROTOCOL)
    assert x.shape == (5, len(features.names(PROTOCOL))) == (5, len(features.scales(PROTOCOL)))
    assert set(features.scales(PROTOCOL)) <= set(SCALES)
    assert len(set(features.names(PROTOCOL))) == x.shape[1]


@pytest.mark.parametrize("bundled", SETS)
def test_row_that_is_not_finite_is_undefined_and_leaves_the_others(bundled, response):
    broken = response.copy()
    broken[2, 1, 1500:] = np.nan
    features = load(bundled)
    x, clean = features(broken, PROTOCOL), features(response, PROTOCOL)
    assert np.isnan(x[2]).all()
    np.testing.assert_array_equal(np.delete(x, 2, axis=0), np.delete(clean, 2, axis=0))


@pytest.mark.parametrize("bundled", SETS)
def test_set_of_nothing_finite_is_all_undefined(bundled, response):
    x = load(bundled)(np.full_like(response, np.nan), PROTOCOL)
    assert np.isnan(x).all()


def test_set_refuses_an_unknown_setting():
    with pytest.raises(InputError, match=r"mine\.toml: settings: no setting 'spike_prominense'; nearest are"):
        FeatureSet("mine", "", features_of("spikes"), {"spike_prominense": 20.0}, "")


def test_set_refuses_an_unknown_feature_with_the_nearest(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[[features]]\nname = "spike_cuont"\nextractor = "spikes"\n')
    with pytest.raises(InputError, match=r"mine\.toml: features\[0\]: spikes has no feature 'spike_cuont'; .*count"):
        load(str(file))
