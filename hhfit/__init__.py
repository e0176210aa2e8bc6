"""Fit Hodgkin-Huxley neuron models to patch-clamp recordings by simulation-based inference."""

__version__ = "0.1.0.dev0"
