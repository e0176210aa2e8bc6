"""The compiled kernels never leave their arrays, whatever the trace and the settings."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import numpy as np
from hhfit.extractors import Feature
from hhfit.extractors.spikes import Extractor
from hhfit.protocol import Protocol

rng = np.random.default_rng(1)
for turn in range(100):
    samples, dt = int(rng.choice([19, 25, 100, 400, 2000])), float(rng.choice([0.01, 0.05, 0.25]))
    shape = (20, 1, samples)
    response = [
        rng.normal(-50, 40, shape),
        np.cumsum(rng.normal(0, 5, shape), 2) - 60,
        np.round(rng.normal(-20, 15, shape)),
        rng.choice([-70.0, -20.0, 30.0], shape),
        -70 + 100 * (np.sin(np.arange(samples) * dt * rng.uniform(0.1, 3, (20, 1, 1))) > 0.8),
    ][turn % 5]
    on, off = (0.0, samples * dt) if turn % 7 == 0 else rng.uniform([0, 0.55], [0.5, 1.0]) * samples * dt
    protocol = Protocol(rng.normal(0, 1, (1, samples)), dt, np.array([on]), np.array([off]))
    settings = {
        "spike_prominence": float(rng.choice([0.0, 5.0, 20.0])),
        "interp_step": float(rng.choice([0.1, 0.013, dt])),
        "strict_stiminterval": bool(turn % 2),
        "coarsest_step": 1.0,
        "DerivativeThreshold": float(rng.choice([10.0, 1.0, -50.0])),
        "DerivativeWindow": int(rng.choice([1, 3, 8])),
        "AP_phaseslope_range": int(rng.choice([0, 2, 30])),
    }
    for window in ("stimulus", "before", "after", "sweep"):
        features = tuple(Feature(f, "spikes", f, window, "none", "1") for f in Extractor.functions())
        assert not np.isinf(Extractor(settings)(response, protocol, features)).any()
"""


@pytest.mark.slow
def test_kernels_stay_inside_their_arrays(tmp_path):
    checked = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=checked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
