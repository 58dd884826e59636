"""A console for pipes and odd terminals."""

from __future__ import annotations

import rich.console

NARROWEST, USUAL = 20, 80  # columns: enough for most words, and what is taken for less, as COLUMNS=0


class Console(rich.console.Console):
    """As wide as can be read, and a reader that has gone is told to the caller."""

    def __init__(self, *, stderr: bool) -> None:
        super().__init__(stderr=stderr, highlight=False, soft_wrap=True)
        if self.width < NARROWEST:
            self.width = USUAL

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError; the base class would exit with 1, the status of a finding."""
        raise BrokenPipeError
