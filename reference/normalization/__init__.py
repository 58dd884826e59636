"""Functions that divide by the size of what is around."""

from reference._discover import lazy

__getattr__, __dir__ = lazy(__name__)
