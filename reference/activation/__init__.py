"""Neuron activation functions: applied to each entry, or to each row."""

from reference._discover import lazy

__getattr__, __dir__ = lazy(__name__)
