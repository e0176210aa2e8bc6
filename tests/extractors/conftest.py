"""A small integrator for tests: traces of many kinds, written without hhfit's simulators.

Exponential Euler on the equations of Pospischil et al. 2008 (Biol Cybern 99:427), with a slow
inward current of theirs for bursts, and noise.
"""

import numba
import numpy as np
import pytest


@numba.njit(cache=True)
def _ratio(x, y):
    return y if abs(x / y) < 1e-6 else x / (np.exp(x / y) - 1.0)


@numba.njit(cache=True)
def simulate(theta, current, dt, noise, out):
    """Fill ``out`` (N, T) with membrane potentials; theta: g_na g_k g_m g_l e_l v_t tau_max g_ca."""
    rows, times = out.shape
    for row in range(rows):
        g_na, g_k, g_m, g_l, e_l, v_t, tau_max, g_ca = theta[row]
        v = e_l
        m = n = p = q = 0.0
        h, r = 1.0, 0.5
        for i in range(times):
            out[row, i] = v
            u = v - v_t
            a, b = 0.32 * _ratio(13.0 - u, 4.0), 0.28 * _ratio(u - 40.0, 5.0)
            m += (a / (a + b) - m) * (1 - np.exp(-dt * (a + b)))
            a, b = 0.128 * np.exp((17.0 - u) / 18.0), 4.0 / (1 + np.exp((40.0 - u) / 5.0))
            h += (a / (a + b) - h) * (1 - np.exp(-dt * (a + b)))
            a, b = 0.032 * _ratio(15.0 - u, 5.0), 0.5 * np.exp((10.0 - u) / 40.0)
            n += (a / (a + b) - n) * (1 - np.exp(-dt * (a + b)))
            tau = tau_max / (3.3 * np.exp((v + 35) / 20) + np.exp(-(v + 35) / 20))
            p += (1 / (1 + np.exp(-(v + 35) / 10)) - p) * (1 - np.exp(-dt / tau))
            a, b = 0.055 * _ratio(-27.0 - v, 3.8), 0.94 * np.exp((-75.0 - v) / 17.0)
            q += (a / (a + b) - q) * (1 - np.exp(-dt * (a + b)))
            a, b = 4.57e-4 * np.exp((-13.0 - v) / 50.0), 0.0065 / (1 + np.exp((-15.0 - v) / 28.0))
            r += (a / (a + b) - r) * (1 - np.exp(-dt * (a + b)))
            na, k, ca = g_na * m**3 * h, g_k * n**4 + g_m * p, g_ca * q * q * r
            g = na + k + ca + g_l
            inf = (na * 50.0 - k * 90.0 + ca * 120.0 + g_l * e_l + current[row, i]) / g
            v = inf + (v - inf) * np.exp(-dt * g) + noise[row, i]


@pytest.fixture(scope="session")
def zoo():
    """Function that makes traces of many kinds."""
    return _zoo


def _zoo(rows, protocol, seed):
    """Traces of neurons drawn wide: silent, tonic, adapting, bursting, blocked, spontaneous, noisy, cut off.

    Returns:
        Membrane potential [mV], shape ``(rows, S, T)``.
    """
    rng = np.random.default_rng(seed)
    low = np.array([0.5, 0.5, 1e-4, 0.01, -95.0, -75.0, 50.0, 0.0])
    high = np.array([80.0, 15.0, 0.4, 0.4, -45.0, -45.0, 3000.0, 0.0])
    theta = rng.uniform(low, high, (rows, 8))
    theta[::4, 7] = rng.uniform(0.05, 0.4, len(theta[::4]))
    density = rng.uniform(0.3, 3.0, rows)
    density[1::9] *= 10.0
    sigma = np.where(np.arange(rows) % 3 == 0, rng.uniform(0.0, 0.5, rows), 0.0)
    response = np.empty((rows, protocol.n_sweeps, protocol.n_times))
    for sweep in range(protocol.n_sweeps):
        noise = sigma[:, None] * np.sqrt(protocol.dt) * rng.standard_normal((rows, protocol.n_times))
        block = np.empty((rows, protocol.n_times))
        simulate(theta, density[:, None] * protocol.command[sweep] / 100.0, protocol.dt, noise, block)
        response[:, sweep] = block
    cut = np.arange(rows) % 10 == 7
    top = rng.uniform(-30.0, 0.0, (cut.sum(), 1, 1))
    over = response[cut] > top
    response[cut] = np.where(over, top + 1e-3 * (response[cut] - top), response[cut])
    return response
