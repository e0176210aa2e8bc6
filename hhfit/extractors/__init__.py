"""Extractors: a response in, features out; recorded and simulated sweeps take the same road."""

from hhfit.extractors._base import Feature
from hhfit.extractors._set import FeatureSet, load, parse

__all__ = ["Feature", "FeatureSet", "load", "parse"]
