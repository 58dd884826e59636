"""Functions that end in a number for each example."""

from reference._discover import lazy

__getattr__, __dir__ = lazy(__name__)
