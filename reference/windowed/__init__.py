"""Functions of the windows of a picture, and their adjoints."""

from reference._discover import lazy

__getattr__, __dir__ = lazy(__name__)
