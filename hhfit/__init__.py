"""Fit Hodgkin-Huxley neuron models to patch-clamp recordings by simulation-based inference.

recording = hhfit.read("cell7.abf")
neuron = hhfit.load_model("pospischil")
result = hhfit.fit(recording, neuron, out="runs/cell7")
samples = result.posterior.sample(1000, seed=1)
"""

from importlib import import_module

__version__ = "0.1.0.dev0"

__all__ = ["Corrections", "Settings", "fit", "load_features", "load_model", "read", "resume"]

_HOMES = {
    "Corrections": ("hhfit.preparation", "Corrections"),
    "Settings": ("hhfit.planning", "Settings"),
    "fit": ("hhfit.pipeline", "fit"),
    "load_features": ("hhfit.extractors", "load"),
    "load_model": ("hhfit.model", "load"),
    "read": ("hhfit.readers", "read"),
    "resume": ("hhfit.pipeline", "resume"),
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: ``import hhfit`` itself loads next to nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'hhfit' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
