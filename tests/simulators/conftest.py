"""Simulators as tests call them: CoreNEURON in a process of its own for the mechanisms of every model."""

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import cloudpickle
import pytest

from hhfit import simulators
from hhfit.errors import UnsupportedError
from hhfit.simulators import DEFAULT_STEP, _trees


def call(packed):
    """Run a pickled call in another process."""
    return cloudpickle.loads(packed)()


class Apart:
    """A simulator whose calls run in another process."""

    def __init__(self, pool, simulator):
        self.pool, self.simulator = pool, simulator

    def __call__(self, *arguments, **options):
        packed = cloudpickle.dumps(partial(self.simulator, *arguments, **options))
        try:
            return self.pool.submit(call, packed).result()
        except UnsupportedError as error:
            if "cannot be built" in str(error) and not os.environ.get("CI"):
                pytest.skip(str(error))  # not every NEURON comes with CoreNEURON; where CI runs it does
            raise


@pytest.fixture(scope="session")
def pools():
    """Processes by mechanisms."""
    found = {}
    yield found
    for pool in found.values():
        pool.shutdown()


@pytest.fixture(scope="session")
def get(pools):
    """``simulators.get``, which every test of all simulators takes instead."""

    def made(name, model, protocol, *, step=DEFAULT_STEP):
        simulator = simulators.get(name, model, protocol, step=step)
        if name != "coreneuron":
            return simulator
        key = tuple(sorted(_trees.plan(model).mechanisms))
        if key not in pools:
            pools[key] = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        return Apart(pools[key], simulator)

    return made
