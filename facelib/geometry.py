"""Boxes and points: scaling, turning, overlap. The one place where shrinking and EXIF rotation are undone.

Frames. *Stored*: the pixel matrix of the file. *Upright*: after the EXIF orientation, as a viewer shows it.
*Working*: upright and shrunk, what a detector sees. All boxes in the database are in the upright full-size frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from facelib.models import Box

Point = tuple[float, float]


def upright_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Width and height after the EXIF orientation (1..8) is applied; 5 to 8 lie on their side.

    >>> upright_size(4000, 3000, 6)
    (3000, 4000)
    """
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)


def to_upright(point: Point, orientation: int) -> Point:
    """A point of the stored frame, in fractions 0..1, where it lies upright (EXIF 2.32, tag 0x0112).

    >>> to_upright((0.0, 0.0), 6)   # the stored top left corner is the upright top right one
    (1.0, 0.0)
    """
    x, y = point
    return {
        1: (x, y),
        2: (1 - x, y),
        3: (1 - x, 1 - y),
        4: (x, 1 - y),
        5: (y, x),
        6: (1 - y, x),
        7: (1 - y, 1 - x),
        8: (y, 1 - x),
    }[orientation]


def to_stored(point: Point, orientation: int) -> Point:
    """The inverse of `to_upright`: 6 and 8 undo each other, all others undo themselves."""
    return to_upright(point, {6: 8, 8: 6}.get(orientation, orientation))


def scale_box(box: Box, x: float, y: float) -> Box:
    """The box with its edges multiplied, rounded to the nearest pixel."""
    return Box(round(box.left * x), round(box.top * y), round(box.right * x), round(box.bottom * y))


def clip_box(box: Box, width: int, height: int) -> Box:
    """The part of the box that lies inside a picture of this size; at least one pixel stays."""
    left = min(max(box.left, 0), width - 1)
    top = min(max(box.top, 0), height - 1)
    return Box(left, top, max(min(box.right, width), left + 1), max(min(box.bottom, height), top + 1))


def scale_points(points: Iterable[Point], x: float, y: float) -> tuple[Point, ...]:
    """Points with their coordinates multiplied."""
    return tuple((px * x, py * y) for px, py in points)


def overlap(a: Box, b: Box) -> float:
    """Intersection over union, 0..1.

    >>> overlap(Box(0, 0, 10, 10), Box(0, 5, 10, 15))
    0.3333333333333333
    """
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a.area + b.area - shared)


def pair_boxes(old: Sequence[Box], new: Sequence[Box], least: float) -> dict[int, int]:
    """Which old box is which new one: index of new -> index of old, best overlap first, one to one.

    Pairs that overlap by less than `least` stay apart.
    """
    ranked = sorted(
        ((overlap(a, b), i, j) for i, a in enumerate(old) for j, b in enumerate(new)),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for share, i, j in ranked:
        if share < least:
            break
        if i not in taken and j not in pairs:
            taken.add(i)
            pairs[j] = i
    return pairs
