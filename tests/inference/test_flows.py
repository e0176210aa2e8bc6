import numpy as np
import pytest
import torch

from hhfit.inference import _shifts, _splines
from hhfit.inference._density import Density
from hhfit.inference._flows import Flows, Shape, initial
from hhfit.inference._scaling import Scaling
from hhfit.sampled import Sampled


def raw(seed, shape, size=2.0):
    return torch.tensor(size * np.random.default_rng(seed).standard_normal(shape))


def random_density(parameters=2, members=3, seed=0, low=0.0, high=1.0):
    x = np.random.default_rng(seed).standard_normal((500, 2))
    scaling = Scaling.of(x)
    shape = Shape(members, parameters, scaling.inputs, 4, hidden=16, embedding=4)
    weights = initial(shape, np.random.SeedSequence(seed))
    rng = np.random.default_rng(seed)
    for name in weights:
        if name.endswith("2.weight"):
            weights[name] = (0.5 * rng.standard_normal(weights[name].shape)).astype(np.float32)
        if name.startswith("flow") and name.endswith("2.weight"):
            # a shift reaches far: as large as the rest it would pile all mass up in a corner that no grid resolves
            per_parameter = weights[name].reshape(*weights[name].shape[:2], parameters, -1)
            per_parameter[..., : _shifts.PARAMETERS] /= 20
    corner = np.ones(parameters)
    return Density(Flows(shape, weights), scaling, low * corner, high * corner)


def test_spline_maps_ends_to_ends_and_back():
    u = torch.linspace(0, 1, 101, dtype=torch.float64)
    parameters = raw(1, (101, _splines.parameters(8)))
    parameters = parameters[:1].expand(101, -1)
    value, _ = _splines.forward(u, parameters, 8)
    assert value[0] == 0
    assert value[-1] == 1
    assert (value.diff() > 0).all()
    torch.testing.assert_close(_splines.inverse(value, parameters, 8), u, atol=1e-9, rtol=0)


def test_spline_slope_is_its_derivative():
    u = torch.rand(500, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()
    value, slope = _splines.forward(u, raw(2, (500, _splines.parameters(8))), 8)
    (derivative,) = torch.autograd.grad(value.sum(), u)
    torch.testing.assert_close(derivative.log(), slope)


def test_zero_parameters_give_the_identity():
    u = torch.rand(50, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    value, slope = _splines.forward(u, torch.zeros(50, _splines.parameters(6), dtype=torch.float64), 6)
    torch.testing.assert_close(value, u)
    torch.testing.assert_close(slope, torch.zeros_like(slope))


def test_density_at_the_edge_is_not_tied_to_the_prior():
    parameters = torch.zeros(1, _splines.parameters(8), dtype=torch.float64)
    parameters[0, -1] = 2.0
    _, slope = _splines.forward(torch.ones(1, dtype=torch.float64), parameters, 8)
    assert slope.item() > 1


def test_shift_maps_ends_to_ends_and_back():
    u = torch.linspace(0, 1, 101, dtype=torch.float64)
    parameters = torch.tensor([[0.05, -0.03]], dtype=torch.float64).expand(101, -1)
    value, _ = _shifts.forward(u, parameters)
    torch.testing.assert_close(value[[0, -1]], torch.tensor([0.0, 1.0], dtype=torch.float64), atol=1e-12, rtol=0)
    assert (value.diff() > 0).all()
    torch.testing.assert_close(_shifts.inverse(value, parameters), u, atol=1e-9, rtol=0)


def test_slope_of_a_shift_is_its_derivative():
    u = torch.rand(500, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).requires_grad_()
    value, slope = _shifts.forward(u, raw(5, (500, 2), 0.05))
    (derivative,) = torch.autograd.grad(value.sum(), u)
    torch.testing.assert_close(derivative.log(), slope)


def test_no_shift_is_the_identity():
    u = torch.rand(50, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
    value, slope = _shifts.forward(u, torch.zeros(50, 2, dtype=torch.float64))
    torch.testing.assert_close(value, u)
    torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-9, rtol=0)


def test_extreme_shifts_stay_finite_in_single_precision():
    u = torch.tensor([0.0, 1e-7, 0.5, 1.0])
    for pair in ([1e3, -1e3], [-1e3, -1e3], [1e3, 1e3], [-1e3, 1e3]):
        value, slope = _shifts.forward(u, torch.tensor([pair]).expand(4, -1))
        assert torch.isfinite(value).all()
        assert torch.isfinite(slope).all()


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.3, 0.7)])
def test_mass_inside_the_box_is_one(low, high):
    density = random_density(low=low, high=high)
    centres = low + (high - low) * (np.arange(200) + 0.5) / 200
    grid = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
    mass = np.exp(density.log_prob(grid, np.array([[0.3, -0.2]]))).mean() * (high - low) ** 2
    assert mass == pytest.approx(1.0, abs=0.01)
    outside = np.array([[low - 0.01, 0.5], [0.5, high + 0.01]])
    assert (density.log_prob(outside, np.array([[0.3, -0.2]])) == -np.inf).all()


def test_samples_follow_the_density():
    density = random_density(seed=4)
    x_o = np.array([0.5, 1.0])
    u = density.sample_one(20_000, x_o, np.random.default_rng(0))
    edges = np.linspace(0, 1, 6)
    found = np.histogram2d(u[:, 0], u[:, 1], bins=[edges, edges])[0] / len(u)
    centres = (np.arange(200) + 0.5) / 200
    grid = np.stack(np.meshgrid(centres, centres, indexing="ij"), axis=-1).reshape(-1, 2)
    mass = np.exp(density.log_prob(grid, x_o[None])).reshape(5, 40, 5, 40).sum(axis=(1, 3)) / 200**2
    # 25 cells, largest sd 0.0036: five of them
    assert np.abs(found - mass).max() < 0.018
    assert ((u >= 0) & (u <= 1)).all()


def test_member_alone_is_the_member_in_the_batch():
    density = random_density(seed=5)
    flows = density.flows
    u = torch.rand(3, 7, 2, generator=torch.Generator().manual_seed(1))
    x = torch.tensor(density.scaling(np.zeros((7, 2)))).expand(3, -1, -1)
    together = flows.log_prob(u, flows.context(x))
    one = slice(1, 2)
    alone = flows.log_prob(u[one], flows.context(x[one], one), one)
    torch.testing.assert_close(alone[0], together[1])


def test_density_survives_its_arrays():
    density = random_density(seed=6)
    again = Density.from_arrays(density.arrays())
    u = np.random.default_rng(0).random((20, 2))
    x = np.array([[np.nan, 0.1]])
    assert (again.log_prob(u, x) == density.log_prob(u, x)).all()


def test_undefined_feature_is_replaced_by_what_was_learned():
    density = random_density(seed=7)
    weights = density.flows.weights()
    weights["missing"] = weights["missing"] + 1.0
    other = Density(Flows(density.flows.shape, weights), density.scaling, density.low, density.high)
    u = np.array([[0.2, 0.8]])
    defined, undefined = np.array([[0.1, 0.1]]), np.array([[np.nan, 0.1]])
    assert other.log_prob(u, defined) == density.log_prob(u, defined)
    assert other.log_prob(u, undefined) != density.log_prob(u, undefined)


def test_scaling_keeps_order_and_marks_the_undefined():
    rng = np.random.default_rng(0)
    x = np.stack([np.exp(3 * rng.standard_normal(1000)), np.full(1000, 4.0), rng.poisson(0.5, 1000)], axis=1)
    x[:10, 0] = np.nan
    x[10, 0] = np.inf
    scaling = Scaling.of(x)
    z = scaling(x)
    assert z.shape == (1000, 9)
    assert np.isnan(z[:11, [0, 3]]).all()
    assert (z[:, 6] == (np.arange(1000) < 11)).all()
    assert np.isfinite(z[11:]).all()
    order = np.argsort(x[11:, 0])
    assert (np.diff(z[11:, 0][order]) > 0).all()
    assert (np.diff(z[11:, 3][order]) >= 0).all()
    assert np.abs(z[11:]).max() < 15


def test_samples_are_told_apart_from_their_sweeps_rest_beside_spikes():
    rng = np.random.default_rng(0)
    command = np.zeros((2, 40))
    command[:, 10:30] = 1.0
    rest, gain = rng.uniform(-90, -40, 300), rng.uniform(0, 5, 300)
    sweeps = rest[:, None, None] + gain[:, None, None] * command + 0.01 * rng.standard_normal((300, 2, 40))
    sweeps[::3, :, 20:22] = 40.0
    x = np.concatenate([rng.standard_normal((300, 1)), sweeps.reshape(300, -1)], axis=1)
    scaling = Scaling.of(x, Sampled(1 + np.arange(80).reshape(2, 40), command, units=4, stride=1))
    inputs = scaling(x)
    assert scaling.inputs == 9
    assert inputs.shape == (300, 89)
    np.testing.assert_allclose(scaling.centre[1:], np.median(rest), atol=0.1)
    assert np.corrcoef(inputs[:, 9 + 15], gain)[0, 1] > 0.95
    assert abs(np.corrcoef(inputs[:, 9 + 15], rest)[0, 1]) < 0.2
    x[0, 5] = np.nan
    assert np.isnan(scaling(x)[0, [1, 4]]).tolist() == [True, True]
