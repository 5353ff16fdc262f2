"""Lines of Picasa's text files: from bytes to text that may be trusted, and what could not be read of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from facelib.errors import UsageError

MOST_PROBLEMS = 1000  # kept of one file: nobody reads more, and a file of nothing but rubbish would fill the memory
MOST_TEXT = 200  # characters kept of a problem's text

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read."""

    line: int  # counted from 1
    text: str  # the line or the part of it, cut short and printable
    why: str


class Problems:
    """Collects what cannot be read; beyond MOST_PROBLEMS it only counts."""

    def __init__(self) -> None:
        self._kept: list[Problem] = []
        self._more = 0
        self._last_line = 0

    def add(self, line: int, text: str, why: str) -> None:
        """Note that `text`, in this line, cannot be read, and why."""
        if len(self._kept) < MOST_PROBLEMS:
            shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:MOST_TEXT])
            self._kept.append(Problem(line, shown, why))
        else:
            self._more += 1
            self._last_line = line

    def all(self) -> tuple[Problem, ...]:
        """What was noted, in order; the last one says how many more there are."""
        more = [Problem(self._last_line, "", f"and {self._more} more up to this line")] if self._more else []
        return (*self._kept, *more)


def decode_lines(data: bytes, ansi: str) -> list[str]:
    """The lines of a text file, each UTF-8 or else of the code page `ansi`; no bytes make this fail.

    Picasa mixes the two in one file, whatever its `[encoding]` says. Lines end at "\\n" only; a "\\r" is left at the end.
    Raises UsageError where Python knows no such code page.
    """
    try:
        b"\xe9".decode(ansi, "replace")
    except (LookupError, ValueError) as error:
        raise UsageError(f"{ansi!r} is no code page: give one such as cp1252 or cp932") from error
    try:
        return data.decode().split("\n")
    except UnicodeDecodeError:
        return [decode_line(line, ansi) for line in data.split(b"\n")]


def decode_line(line: bytes, ansi: str) -> str:
    """One line as text: UTF-8, else the code page, with U+FFFD for bytes that mean nothing in it."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode(ansi, "replace")


def single_line(text: str) -> str:
    """Text without control characters, trimmed."""
    return _CONTROLS.sub(" ", text).strip()
