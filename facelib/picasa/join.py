"""Which imported box is which detected face. Boxes are in pixels of the upright full-size photo.

Overlap is no guide: a Picasa box holds hair and chin, and its IoU with a detector's box of the same face has a median of
0.43 (84 faces, YuNet). But the detection's centre lies near the middle, at (0.52, 0.56) of width and height, and dlib's a
little before it. Other programs draw tighter, looser, by hand, in any shape; the centres hold for these too.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from facelib.models import Box

# The centres must lie within the middle half of the larger of the two, across and down.
MIDDLE = 0.5
# A detection's side may be this many times the box's. Picasa's boxes: 0.45 to 0.75. Less than a quarter is a face on a
# badge or in the background; more than two and a half a box around an eye.
SMALLEST, LARGEST = 0.25, 2.5
# A second candidate at another place that fits this much as well leaves it open which one is meant: then neither is.
AS_WELL = 0.9
# Two boxes of one face differ at most this much in their sides: Picasa's are half as large again as those of other programs.
SAME_SIDE = 2.0

Pair = tuple[int, int]  # index of a box, index of a face

_TYPICAL = log(SMALLEST * LARGEST)  # twice the logarithm of the middle of the range: sizes are compared by area
_SPAN = log(LARGEST / SMALLEST)
_TIE = 1e-9  # far below any difference that means something


def join(boxes: Sequence[Box], faces: Sequence[Box]) -> dict[int, int]:
    """Which detected face each imported box of the same photo is: index of box -> index of face, one to one.

    Of all ways to pair them the one that fits best as a whole, whatever the order they come in. A box stays alone where
    no face fits, where the faces that fit are better explained by other boxes, and where two places fit as well.

    >>> join([Box(0, 0, 100, 120)], [Box(300, 0, 360, 60), Box(20, 30, 80, 90)])
    {0: 1}
    """
    fits = _all_fits(boxes, faces)
    pairs: dict[int, int] = {}
    for group in _contests(fits):
        pairs.update(_settle({pair: fits[pair] for pair in group}, boxes, faces))
    return dict(sorted(pairs.items()))


def same_region(a: Box, b: Box) -> bool:
    """Whether two imported boxes are one face drawn twice: in the ini and in XMP, or in several schemas.

    >>> same_region(Box(0, 0, 100, 120), Box(20, 24, 82, 108)), same_region(Box(0, 0, 100, 120), Box(40, 0, 140, 120))
    (True, False)
    """
    if not a.area or not b.area:
        return a == b
    return _same_place(a, b) and 1 / SAME_SIDE**2 <= a.area / b.area <= SAME_SIDE**2


def fit(box: Box, face: Box) -> float:
    """How well a detected face fits an imported box: 1 in its middle and of the usual size, 0 where it is not that face."""
    whole, part = box.area, face.area
    if not whole or not part:
        return 0.0
    across, down = _offsets(box, face)
    if across >= 1 or down >= 1:
        return 0.0
    size = (log(part / whole) - _TYPICAL) / _SPAN
    return max(0.0, (1 - across * across) * (1 - down * down) * (1 - size * size))


def _offsets(a: Box, b: Box) -> tuple[float, float]:
    """How far the centres are apart, across and down, as a share of what is allowed."""
    return (
        abs(a.left + a.right - b.left - b.right) / (MIDDLE * max(a.width, b.width)),
        abs(a.top + a.bottom - b.top - b.bottom) / (MIDDLE * max(a.height, b.height)),
    )


def _same_place(a: Box, b: Box) -> bool:
    across, down = _offsets(a, b)
    return across < 1 and down < 1


def _all_fits(boxes: Sequence[Box], faces: Sequence[Box]) -> dict[Pair, float]:
    spots = [(j, face, *face.center, face.width, face.height) for j, face in enumerate(faces)]
    fits = {}
    for i, box in enumerate(boxes):
        left, top, right, bottom = _corners(box)
        for j, face, x, y, width, height in spots:
            # What is far away is dropped before anything is computed: thousands of pairs in a group photo.
            if left - width < x < right + width and top - height < y < bottom + height:
                value = fit(box, face)
                if value > 0:
                    fits[i, j] = value
    return fits


def _contests(fits: dict[Pair, float]) -> list[list[Pair]]:
    """The pairs in groups that share no box and no face, so that each can be settled for itself."""
    by_box: dict[int, list[Pair]] = {}
    by_face: dict[int, list[Pair]] = {}
    for pair in fits:
        by_box.setdefault(pair[0], []).append(pair)
        by_face.setdefault(pair[1], []).append(pair)
    groups = []
    seen: set[Pair] = set()
    for start in fits:
        if start in seen:
            continue
        seen.add(start)
        group = [start]
        for box, face in group:  # grows while it is walked
            for pair in by_box.pop(box, []) + by_face.pop(face, []):
                if pair not in seen:
                    seen.add(pair)
                    group.append(pair)
        groups.append(group)
    return groups


def _settle(fits: dict[Pair, float], boxes: Sequence[Box], faces: Sequence[Box]) -> dict[int, int]:
    if len(fits) == 1:
        return dict(fits.keys())
    # In the order of their places, so that ties fall the same way whatever the order they came in.
    rows = sorted({i for i, _ in fits}, key=lambda i: (_corners(boxes[i]), i))
    columns = sorted({j for _, j in fits}, key=lambda j: (_corners(faces[j]), j))
    chosen = _assign(fits, rows, columns)
    return {i: j for i, j in chosen.items() if not _open(i, j, chosen, fits, boxes, faces)}


def _assign(fits: dict[Pair, float], rows: list[int], columns: list[int]) -> dict[int, int]:
    """The assignment with the greatest sum; of equal ones that of the first rows and columns."""
    table = [
        [fits[i, j] - _TIE * (r + c) if (i, j) in fits else 0.0 for c, j in enumerate(columns)]
        for r, i in enumerate(rows)
    ]
    if len(rows) == 1 or len(columns) == 1:
        best = max(fits, key=lambda pair: table[rows.index(pair[0])][columns.index(pair[1])])
        return {best[0]: best[1]}
    from scipy.optimize import linear_sum_assignment  # comes with scikit-learn; half a second that few libraries need

    pairs = ((rows[r], columns[c]) for r, c in zip(*linear_sum_assignment(table, maximize=True), strict=True))
    return {i: j for i, j in pairs if (i, j) in fits}


def _open(
    box: int, face: int, chosen: dict[int, int], fits: dict[Pair, float], boxes: Sequence[Box], faces: Sequence[Box]
) -> bool:
    """Whether somebody who went without, at another place, would fit about as well."""
    enough = AS_WELL * fits[box, face]
    taken = set(chosen.values())
    return any(
        value >= enough
        and (
            (i == box and j not in taken and not _same_place(faces[face], faces[j]))
            or (j == face and i not in chosen and not _same_place(boxes[box], boxes[i]))
        )
        for (i, j), value in fits.items()
    )


def _corners(box: Box) -> tuple[int, int, int, int]:
    return box.left, box.top, box.right, box.bottom
