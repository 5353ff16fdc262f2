"""What a benchmark says: a number, the number it has to keep to, and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its target."""

    name: str
    value: float
    limit: float
    form: str = "{:.2f}"  # how both numbers are written, with their unit
    at_least: bool = False  # the limit is the lowest good value, not the highest
    notes: tuple[str, ...] = ()  # what the number was made of

    @property
    def holds(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def target(self) -> str:
        return f"{'at least' if self.at_least else 'at most'} {self.form.format(self.limit)}"


def table(figures: Sequence[Figure]) -> str:
    """The figures as aligned lines, each with its notes below.

    >>> print(table([Figure("a", 0.5, 0.6, notes=("3 s against 6 s",)), Figure("b", 0.7, 0.8, "{:.0%}", at_least=True)]))
    figure  measured  target        holds
    a       0.50      at most 0.60  yes
              3 s against 6 s
    b       70%       at least 80%  NO
    """
    rows = [("figure", "measured", "target", "holds")]
    rows += [(f.name, f.form.format(f.value), f.target, "yes" if f.holds else "NO") for f in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = []
    for number, row in enumerate(rows):
        cells = (cell.ljust(width) for cell, width in zip(row, (*widths, 0), strict=True))
        lines.append("  ".join(cells).rstrip())
        if number:
            lines += [" " * (widths[0] + 4) + note for note in figures[number - 1].notes]
    return "\n".join(lines)
