"""Which regions of XMP are the same one, and where in the upright picture a region may lie. Pure arithmetic.

Programs disagree: one schema's boxes were turned with the picture and another's were not, some draw in the pixels of the
file and some in what a viewer shows. What cannot be decided here comes out as several places or frames, for a
detector to choose from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from facelib.geometry import to_upright, upright_size
from facelib.picasa.xmp import CIRCLE, FACE, IPTC, MP, MWG, PIXEL, Area, Size, XmpRegion, scaled

# Overlap (IoU). What two programs make of one face is nearly equal; faces cheek to cheek stay below 0.3.
SAME_PLACE = 0.5
SAME_BOX = 0.95  # overlap from which on a second box says nothing new: rounding

STORED, SHOWN = "stored", "shown"


@dataclass(frozen=True, slots=True)
class MergedRegion:
    """One person (or pet, or ...) in a photo, with all that the schemas say about the place."""

    name: str | None
    kind: str
    places: tuple[XmpRegion, ...]  # different boxes of it, MWG's first; () where nobody said where
    alternatives: bool  # the places contradict each other: at most one of them is right
    people: tuple[str, ...] = ()


def merged(regions: Iterable[XmpRegion]) -> list[MergedRegion]:
    """Join the regions that are the same one: the same place and no other name; or the same name, told by another schema.

    The second kind happens where a program turned the picture and one schema's boxes (immich's portrait-orientation-6.jpg):
    the merged region has both places and `alternatives` set. One name twice in one schema are two regions (a mirror, a montage).
    """
    groups: list[_Group] = []
    for region in sorted(regions, key=lambda r: (r.box is None, (MWG, MP, IPTC).index(r.schema))):
        fitting = [group for group in groups if _may_be(group, region)]
        if region.box:
            same = max(fitting, key=lambda group: _overlap(group[0], region), default=None)
            same = same if same and _overlap(same[0], region) >= SAME_PLACE else None
        elif _names([region]):  # it adds no place to whom it names
            same = next((group for group in fitting if _names(group) == _names([region])), None)
        else:
            continue  # nobody, nowhere
        if same is None:
            groups.append([region])
        else:
            same.append(region)
    return [_as_one(group) for group in _joined_by_name(groups)]


_Group = list[XmpRegion]


def _may_be(group: _Group, region: XmpRegion) -> bool:
    """Whether neither names nor kinds contradict that a region is what a group is."""
    names, others = _names(group), _names([region])
    return _kin(group[0], region) and (names == others or not names or not others)


def _kin(a: XmpRegion, b: XmpRegion) -> bool:
    return a.kind == b.kind or (a.shows_person and b.shows_person)


def _names(group: _Group) -> frozenset[str]:
    return frozenset(name.casefold() for region in group for name in (region.name, *region.people) if name)


def _joined_by_name(groups: list[_Group]) -> list[_Group]:
    """Groups of one name are joined where each schema has equally many of them: the first to the first, and so on."""
    tellers: dict[frozenset[str], dict[frozenset[tuple[int, str]], list[_Group]]] = {}
    for group in groups:
        sources = frozenset((region.packet, region.schema) for region in group)
        tellers.setdefault(_names(group), {}).setdefault(sources, []).append(group)
    gone: set[int] = set()
    for names, told in tellers.items():
        (sources, first), *others = told.items()
        for more, other in others:
            if names and not sources & more and len(first) == len(other) and _kin(first[0][0], other[0][0]):
                sources |= more
                for group, addition in zip(first, other, strict=True):
                    group.extend(addition)
                    gone.add(id(addition))
    return [group for group in groups if id(group) not in gone]


def _as_one(group: _Group) -> MergedRegion:
    places: list[XmpRegion] = []
    for region in group:
        if region.box and all(_overlap(region, known) < SAME_BOX for known in places):
            places.append(region)
    named = next((region for region in group if region.name or region.people), group[0])
    kind = FACE if any(region.kind == FACE for region in group) else group[0].kind
    apart = any(_overlap(places[0], other) < SAME_PLACE for other in places[1:])
    return MergedRegion(named.name, kind, tuple(places), apart, named.people)


def _overlap(a: XmpRegion, b: XmpRegion) -> float:
    """Intersection over union; 1 for two equal boxes, points included."""
    if a.box is None or b.box is None or a.unit != b.unit:
        return 0.0
    if a.box == b.box:
        return 1.0
    width = min(a.box.right, b.box.right) - max(a.box.left, b.box.left)
    height = min(a.box.bottom, b.box.bottom) - max(a.box.top, b.box.top)
    if width <= 0 or height <= 0:
        return 0.0
    both = sum((box.right - box.left) * (box.bottom - box.top) for box in (a.box, b.box))
    return width * height / (both - width * height)


# ------------------------------------------------------------------------------------------------------ frames


def candidates(
    region: XmpRegion, applied_to: Size | None, stored_size: Size, orientation: int
) -> list[tuple[str, Area]]:
    """Where a region may lie in the upright picture: (frame, box in fractions), the most plausible first.

    'stored': its numbers are about the pixels of the file, and the EXIF orientation turns them; 'shown': about the upright
    picture. `stored_size` is before the orientation. Empty for a region without box; boxes may pass the edges.
    """
    found = []
    for frame in frames(applied_to, stored_size, orientation):
        area = in_frame(region, frame, stored_size, orientation)
        if area is not None:
            found.append((frame, _turned(area, orientation) if frame == STORED else area))
    return found


def frames(applied_to: Size | None, stored_size: Size, orientation: int) -> tuple[str, ...]:
    """The frames that a packet's regions may be in, the most plausible first; one where the picture is not turned.

    AppliedToDimensions tells them apart where the turn swaps the sides, also for a copy of another size. It is a hint only:
    a program that turned the regions may have left it (skatsubo's samples), so the other frame is always there too.
    """
    if orientation not in range(2, 9):
        return (STORED,)
    turned = upright_size(*stored_size, orientation)
    if applied_to is None or turned == stored_size or applied_to == stored_size:
        return STORED, SHOWN
    likely = applied_to == turned or (_alike(applied_to, turned) and not _alike(applied_to, stored_size))
    return (SHOWN, STORED) if likely else (STORED, SHOWN)


def _alike(a: Size, b: Size) -> bool:
    """Whether one is the other enlarged or shrunk, each side rounded to whole pixels."""
    return abs(a[0] * b[1] - a[1] * b[0]) <= max(*a, *b)


def in_frame(region: XmpRegion, frame: str, stored_size: Size, orientation: int) -> Area | None:
    """The region's box in fractions of the picture in this frame, if its numbers are about that; None without box.

    Only here pixels become fractions where the packet does not say of how many pixels, and circles become round.
    """
    box = region.box
    width, height = stored_size if frame == STORED else upright_size(*stored_size, orientation)
    if box is None:
        return None
    if region.unit == PIXEL:
        return scaled(box, width, height)
    if region.shape != CIRCLE:
        return box
    # MWG's diameter is a fraction of the shorter side, IPTC's radius one of the width; a circle is round in pixels.
    side = min(width, height) if region.schema == MWG else width
    x, y, radius = (box.left + box.right) / 2, (box.top + box.bottom) / 2, (box.right - box.left) / 2 * side
    return Area(x - radius / width, y - radius / height, x + radius / width, y + radius / height)


def _turned(area: Area, orientation: int) -> Area:
    """A box of the stored picture in the upright one."""
    if orientation not in range(2, 9):
        return area
    (x1, y1), (x2, y2) = (to_upright(p, orientation) for p in ((area.left, area.top), (area.right, area.bottom)))
    return Area(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
