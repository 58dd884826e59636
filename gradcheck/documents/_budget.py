"""What a search for causes may cost, counted so that it ends at the same place on any machine."""

from __future__ import annotations

from dataclasses import dataclass

_PLACE = 80  # terms that take as long as writing down one place of an edited formula
_READING = 6_000  # and as reading an edited formula


@dataclass(slots=True)
class Budget:
    """Evaluated terms that are left; other work counts as the terms that take as long."""

    left: float

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self.left <= 0

    def drafted(self, places: int) -> None:
        """Count an edited formula with so many places."""
        self.left -= _PLACE * places

    def compared(self, terms: float) -> None:
        """Count a formula that was read and evaluated."""
        self.left -= _READING + terms
