"""Picasa's rectangles: four 16-bit edges in one unsigned 64-bit number, printed as hexadecimal digits.

The edges are shares of the picture in 65535ths, left, top, right, bottom, in the frame that the file is stored in (for RAW
files in the displayed one). They are `round(pixel / size * 65535)`: of 403 edges inside real pictures 403 fall on a whole
pixel with 65535, and 229 with the 65536 that most converters use. Compare rectangles as numbers, never as fractions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import floor

WHOLE = 0xFFFF  # the far edge of the picture
_TURN = 0x10000  # an edge outside the picture is not clamped: its lower 16 bits are printed

_HEX = re.compile(r"[0-9a-fA-F]{1,16}")


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle in fractions of the picture, in whichever frame the number was made in."""

    left: float
    top: float
    right: float
    bottom: float
    wrapped: bool = False  # an edge lay outside the picture, and on which side is the more likely of two readings


def parse(text: str) -> int | None:
    """The number that 1 to 16 hexadecimal digits say, for rectangles and ids alike; None where they are none.

    Picasa prints both with `%I64x`, without leading zeros, so text of different length may be the same number.

    >>> parse("7c4ff8bf8da") == parse("000007c4ff8bf8da") == 0x07C4_FF8B_F8DA
    True
    """
    return int(text, 16) if _HEX.fullmatch(text) else None


def to_text(number: int) -> str:
    """The digits as Picasa prints them: lower case, no leading zeros.

    >>> to_text(0x07C4_FF8B_F8DA)
    '7c4ff8bf8da'
    """
    return f"{number:x}"


def decode(number: int, *, clamp: bool = True) -> Region | None:
    """The rectangle that a number means; None where it has no area.

    An edge that wrapped around is undone so that more of the rectangle lies inside. The result is clamped to 0..1, unless
    `clamp` is False: a rectangle that was divided by the wrong picture size has to be rescaled before it is cut off.

    >>> decode(0x8000_0000_FFFF_FFFF)
    Region(left=0.5000076295109483, top=0.0, right=1.0, bottom=1.0, wrapped=False)
    """
    left, top, right, bottom = (number >> shift & WHOLE for shift in (48, 32, 16, 0))
    across, down = _unwrap(left, right), _unwrap(top, bottom)
    if across is None or down is None:
        return None
    edges = (across[0] / WHOLE, down[0] / WHOLE, across[1] / WHOLE, down[1] / WHOLE)
    if clamp:
        edges = (max(edges[0], 0.0), max(edges[1], 0.0), min(edges[2], 1.0), min(edges[3], 1.0))
    return Region(*edges, wrapped=across != (left, right) or down != (top, bottom))


def _unwrap(near: int, far: int) -> tuple[int, int] | None:
    """Two edges with the far one beyond the near one; None where nothing of the picture lies between them."""
    if near < far:
        return near, far
    if near == far or (near == WHOLE and far == 0):
        return None
    # Passing the far side was seen in a real file; passing the near side would look alike.
    return (near, far + _TURN) if WHOLE - near >= far else (near - _TURN, far)


def encode(left: float, top: float, right: float, bottom: float, width: float = 1, height: float = 1) -> int:
    """The number that Picasa would print for these edges: pixels of a picture of this size, or fractions without one.

    Edges outside the picture wrap around as Picasa's do.

    >>> to_text(encode(43, 128, 617, 387, 800, 600))   # a crop that Picasa itself wrote
    'dc3369dc570a51e'
    """
    number = 0
    for edge, size in ((left, width), (top, height), (right, width), (bottom, height)):
        number = number << 16 | floor(edge * WHOLE / size + 0.5) & WHOLE
    return number
