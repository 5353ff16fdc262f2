"""Which imported boxes of a photo are one face drawn several times: by the ini and in XMP, in several schemas, twice.

What one file says of a photo are different faces, unless it names one person twice at one place. What different files say at
one place is one face, also where they disagree about who it is: then the more trusted one is right.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from facelib.geometry import overlap
from facelib.models import Box
from facelib.picasa.join import same_region


@dataclass(frozen=True, slots=True)
class Told:
    """A box, and what its teller says of it."""

    box: Box  # pixels of the upright photo
    teller: Hashable
    person: int | None = None
    contact: str = ""  # Picasa's id


class _Tie(IntEnum):
    """Why two groups may be one face, the surest first."""

    AGREED = 0  # the same person, or the same id
    NAMED_ONCE = 1  # only one of them says who it is
    DISPUTED = 2


def grouped(told: Sequence[Told]) -> list[list[int]]:
    """The boxes by the face that they are, as indices: of each group the first one first, and groups by their first one.

    >>> ini, xmp = Box(0, 0, 100, 120), Box(20, 24, 82, 108)
    >>> grouped([Told(ini, "ini", 1), Told(xmp, "xmp", 1), Told(ini, "ini", 2)])
    [[0, 1], [2]]
    """
    groups = [[index] for index in range(len(told))]
    pairs = list(_near(told))
    for tie in _Tie:
        for one, other in pairs:
            first, second = groups[one], groups[other]
            if first is not second and _may_join(tie, first, second, told):
                first += second
                for index in second:
                    groups[index] = first
    return sorted(
        (sorted(group) for index, group in enumerate(groups) if group[0] == index), key=lambda group: group[0]
    )


def _near(told: Sequence[Told]) -> Iterator[tuple[int, int]]:
    """The pairs that are at one place, those that overlap most first."""
    order = sorted(range(len(told)), key=lambda index: told[index].box.left)
    found = []
    for position, one in enumerate(order):
        for other in order[position + 1 :]:
            if told[other].box.left >= told[one].box.right:
                break
            if same_region(told[one].box, told[other].box):
                found.append((-overlap(told[one].box, told[other].box), min(one, other), max(one, other)))
    yield from ((one, other) for _, one, other in sorted(found))


def _may_join(tie: _Tie, first: Sequence[int], second: Sequence[int], told: Sequence[Told]) -> bool:
    people = [{told[index].person for index in group} - {None} for group in (first, second)]
    contacts = [{told[index].contact for index in group} - {""} for group in (first, second)]
    if tie == _Tie.AGREED:
        said = people if people[0] and people[1] else contacts
        return bool(said[0]) and said[0] == said[1]
    tellers = [{told[index].teller for index in group} for group in (first, second)]
    if tellers[0] & tellers[1]:
        return False
    return tie == _Tie.DISPUTED or not (people[0] and people[1])
