"""Functions that move entries to other places."""

from reference._discover import lazy

__getattr__, __dir__ = lazy(__name__)
