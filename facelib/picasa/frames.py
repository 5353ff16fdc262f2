"""In which frame foreign boxes are, decided for one folder at a time with the faces that a detector found in its photos.

A box is four shares of some picture, but of which one? Picasa measured bitmap files as they are stored, before the EXIF
orientation is applied, and RAW files as they are shown (exiftool's fix of 2015-05-11 for NEF and CR2). That is the rule. It
is wrong where a program did otherwise, where Picasa divided by the size of another version of the file (in two folders of
a real library all boxes are too large by 1024/800), and perhaps after a crop was saved.

A wrong frame puts names on strangers, and a detector does not see every face. So the rule is left only for a hypothesis
that explains more boxes than it, and more than chance does.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, fsum, inf, log, sqrt
from typing import Literal

from facelib.geometry import Point, clip_box, to_stored, to_upright
from facelib.models import Box
from facelib.picasa.join import LARGEST, MIDDLE, SMALLEST, join, same_region

Shares = tuple[float, float, float, float]
"""Left, top, right and bottom of a rectangle as shares of a picture's width and height; may pass 0 and 1."""

Frame = Literal["stored", "upright"]
"""The file's own pixel matrix, or the picture after its EXIF orientation (see facelib.geometry)."""

_OTHER: dict[Frame, Frame] = {"stored": "upright", "upright": "stored"}

Hypothesis = Literal["rule", "other", "scaled", "crop"]
"""The frame of the rule; the other frame; the rule with all numbers times one factor, the same in the whole folder; the rule
with the numbers as shares of the original, of which this file is a crop."""

# fmt: off
RAW_SUFFIXES = frozenset((
    "3fr", "arw", "cr2", "crw", "cs1", "dcr", "dng", "eip", "erf", "iiq", "k25", "kdc", "mef", "mos", "mrw", "nef", "nrw",
    "orf", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f",
))
# fmt: on

# Another hypothesis than the rule is believed when chance would do as well as rarely as this; when something besides the
# faces speaks for it, less will do. A factor is looked for, so chance has about twenty tries.
CHANCE, CHANCE_BACKED, CHANCE_OF_FACTOR = 0.01, 0.1, 0.01 / 20
# Boxes at so many different places of a folder must agree: in a burst of photos, one coincidence comes again and again.
PLACES = 3
# Right for the whole folder, also where the rule explains as much, is what gains more than so many times what it loses.
COMMON = 4
# Smaller ones would have pushed most boxes out of the picture; with larger ones the rule's boxes still hold their faces.
SMALLEST_FACTOR, LARGEST_FACTOR = 0.25, 0.97
# No box of any program has its edges so many pictures away; a file that was damaged or made by hand may.
FAR = 1000.0
# Width by height, upright, of the boxes that Picasa drew itself: of 92 in real files 79 between 0.80 and 0.87.
PICASA_SHAPE = 0.834
SHAPE_AGREES, SHAPE_DIFFERS = log(1.1), log(1.25)
# Where a detection's centre lies in them, upright: YuNet's (84 boxes) at (0.52, 0.56), dlib's about (0.04, 0.02) before it.
PICASA_CENTRE = (0.50, 0.55)


@dataclass(frozen=True, slots=True)
class PhotoBoxes:
    """The boxes that one source (an ini, one schema of an XMP packet) holds of one photo, and what the photo is."""

    boxes: tuple[Shares, ...]  # better not clamped: what a wrong size pushed out of the picture comes back in
    width: int  # of the upright photo, pixels
    height: int
    orientation: int | None = 1  # EXIF; what is not 1..8 counts as 1
    frame: Frame = "stored"  # the rule
    firm: bool = True  # False: programs disagree about the rule (XMP), so that a single face may overthrow it
    faces: tuple[Box, ...] | None = None  # detected, pixels of the upright photo; None: no detector has looked
    crop: Shares | None = None  # the part of the original, in the rule's frame, that was saved as this file


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where the boxes of a photo are, and how sure that is."""

    hypothesis: Hypothesis
    verified: bool  # most boxes inside the picture hold a detected face
    boxes: tuple[Box | None, ...]  # pixels of the upright photo, clipped to it; None: outside (cropped away)
    explained: int = 0  # how many different boxes hold a detected face
    factor: float = 1.0  # below 1 where it is "scaled"


def verify(folder: Sequence[PhotoBoxes]) -> list[Verdict]:
    """Which hypothesis holds for each photo of a folder, and where its boxes are then; in the given order.

    The first of rule, other, scaled and crop holds that most boxes agree with, each by a face detected in its middle;
    one of the last three only where strictly more agree than with the rule, and for "scaled" most stray boxes of the
    folder. What proves to hold throughout the folder is also taken where it explains as many boxes as the rule: two
    people seated like mirror images would otherwise swap their names. Where nothing decides, the rule stays, not verified.
    """
    verdicts = [_judge(photo, "rule", place(photo)) for photo in folder]
    for i, verdict in _other_frame(folder, verdicts).items():
        verdicts[i] = verdict
    crops = _crops(folder, verdicts)
    for i, verdict in (_one_factor(folder, verdicts, without=crops) | crops).items():
        verdicts[i] = verdict
    return verdicts


def place(photo: PhotoBoxes, frame: Frame | None = None, factor: float = 1.0) -> tuple[Box | None, ...]:
    """The boxes in pixels of the upright photo, read in this frame (None: the rule's) and times this factor."""
    numbers = photo.boxes if factor == 1 else [_times(box, factor) for box in photo.boxes]
    return _place(photo, numbers, frame or photo.frame)


def place_as(photo: PhotoBoxes, hypothesis: str, factor: float = 1.0) -> tuple[Box | None, ...]:
    """The boxes where a verdict of an earlier time put them."""
    if hypothesis == "crop" and photo.crop is not None:
        return _place(photo, [_within(box, photo.crop) for box in photo.boxes], photo.frame)
    return place(photo, _OTHER[photo.frame] if hypothesis == "other" else None, factor)


def frame_of_file(name: str) -> Frame:
    """The frame of Picasa's rectangles in a file of this name: as stored, but RAW as shown.

    >>> frame_of_file("IMG_0001.JPG"), frame_of_file("DSC_0001.NEF")
    ('stored', 'upright')
    """
    stem, _, suffix = name.rpartition(".")
    return "upright" if stem and suffix.lower() in RAW_SUFFIXES else "stored"


def frame_of_dimensions(applied: tuple[float, float] | None, photo: tuple[int, int], orientation: int | None) -> Frame:
    """The frame that MWG's AppliedToDimensions (width, height) speaks of; `photo` is the upright size.

    Stored where the dimensions cannot tell: none given, a square, an orientation that does not swap the sides.

    >>> frame_of_dimensions((700, 840), (840, 700), 6), frame_of_dimensions((840, 700), (840, 700), 6)
    ('stored', 'upright')
    """
    if applied is None or applied[0] == applied[1] or photo[0] == photo[1] or known_orientation(orientation) < 5:
        return "stored"
    return "upright" if (applied[0] > applied[1]) == (photo[0] > photo[1]) else "stored"


def known_orientation(orientation: int | None) -> int:
    """The EXIF orientation; 1 where it is missing or none of the eight, as the 0 of real files.

    >>> known_orientation(0), known_orientation(6), known_orientation(None)
    (1, 6, 1)
    """
    return orientation if orientation is not None and 1 <= orientation <= 8 else 1


# ---- placing


def _place(photo: PhotoBoxes, numbers: Iterable[Shares], frame: Frame) -> tuple[Box | None, ...]:
    orientation = known_orientation(photo.orientation) if frame == "stored" else 1
    return tuple(_to_pixels(_turn(box, orientation), photo.width, photo.height) for box in numbers)


def _turn(box: Shares, orientation: int) -> Shares:
    """A stored rectangle where it lies upright, its edges sorted again."""
    if orientation == 1:
        return box
    (x, y), (u, v) = to_upright(box[:2], orientation), to_upright(box[2:], orientation)
    return min(x, u), min(y, v), max(x, u), max(y, v)


def _to_pixels(box: Shares, width: int, height: int) -> Box | None:
    left, top, right, bottom = box
    if not (-FAR < left < 1 and -FAR < top < 1 and 0 < right < FAR and 0 < bottom < FAR):
        return None  # outside, or rubbish
    edges = (max(left, 0.0) * width, max(top, 0.0) * height, min(right, 1.0) * width, min(bottom, 1.0) * height)
    return clip_box(Box(*map(round, edges)), width, height)


def _times(box: Shares, factor: float) -> Shares:
    return box[0] * factor, box[1] * factor, box[2] * factor, box[3] * factor


# ---- judging


def _judge(photo: PhotoBoxes, hypothesis: Hypothesis, boxes: tuple[Box | None, ...], factor: float = 1.0) -> Verdict:
    explained = len(_explained(photo, boxes))
    inside = len(set(boxes) - {None})  # who was cropped away cannot be seen
    return Verdict(hypothesis, 2 * explained > inside, boxes, explained, factor)


def _explained(photo: PhotoBoxes, boxes: Sequence[Box | None]) -> dict[Shares, int]:
    """The photo's boxes that hold a detected face, and its index. The same box twice is one witness."""
    if not photo.faces:
        return {}
    origin = {box: numbers for numbers, box in zip(photo.boxes, boxes, strict=True) if box is not None}
    distinct = list(origin)
    return {origin[distinct[i]]: j for i, j in join(distinct, photo.faces).items()}


def _ruled(folder: Sequence[PhotoBoxes], verdicts: Sequence[Verdict]) -> list[int]:
    """The photos with boxes and detected faces that the rule still holds for."""
    return [i for i, photo in enumerate(folder) if photo.faces and photo.boxes and verdicts[i].hypothesis == "rule"]


def _better(verdicts: Sequence[Verdict], alternatives: dict[int, Verdict]) -> dict[int, Verdict]:
    """The alternatives that the rule has to give way to, each for itself."""
    return {
        i: new
        for i, new in alternatives.items()
        if new.explained > verdicts[i].explained and new.verified and not verdicts[i].verified
    }


def _throughout(verdicts: Sequence[Verdict], alternatives: dict[int, Verdict]) -> dict[int, Verdict]:
    """The alternatives that explain as much as the rule or more, if they are clearly right for the folder."""
    gains = [new.explained - verdicts[i].explained for i, new in alternatives.items()]
    if sum(gain for gain in gains if gain > 0) <= COMMON * -sum(gain for gain in gains if gain < 0):
        return {}
    return {i: new for i, new in alternatives.items() if new.explained >= max(verdicts[i].explained, 1)}


def _lucky(photo: PhotoBoxes, boxes: Iterable[Box | None], faces: int) -> float:
    """How many of the boxes would hold a detected face if they were put down anywhere."""
    middles = sum(box.area * MIDDLE**2 for box in boxes if box is not None)
    return middles * faces / (photo.width * photo.height)


def _chance(expected: float, hits: int) -> float:
    """At most how likely so many hits are where so many are expected: the bounds of Markov and Chernoff."""
    if hits <= expected:
        return 1.0
    return min(expected / hits, exp(hits - expected - hits * log(hits / expected))) if expected > 0 else 0.0


def _at_places(boxes: Iterable[Shares]) -> bool:
    """Whether the boxes are at enough different places of their pictures."""
    places: list[Box] = []
    for box in boxes:
        grid = Box(*(round(edge * 0xFFFF) for edge in box))
        if not any(same_region(grid, known) for known in places):
            places.append(grid)
            if len(places) >= PLACES:
                return True
    return False


# ---- the other frame


def _other_frame(folder: Sequence[PhotoBoxes], verdicts: Sequence[Verdict]) -> dict[int, Verdict]:
    """Where the other frame holds: a photo alone proves it, or such photos of the folder do together."""
    turned = [i for i in _ruled(folder, verdicts) if known_orientation(folder[i].orientation) != 1]
    if all(verdicts[i].verified for i in turned):
        return {}
    others = {i: _judge(folder[i], "other", place(folder[i], _OTHER[folder[i].frame])) for i in turned}
    lucky = {i: _lucky(folder[i], other.boxes, len(folder[i].faces or ())) for i, other in others.items()}
    better = _better(verdicts, others)
    found = sum(other.explained for other in better.values())
    held = (box for i, other in better.items() for box in _explained(folder[i], other.boxes))
    if _chance(fsum(lucky.values()), found) <= CHANCE and _at_places(held):
        common = _throughout(verdicts, others)
        if common:
            return common
    return {i: other for i, other in better.items() if _proves(folder[i], verdicts[i], other, lucky[i])}


def _proves(photo: PhotoBoxes, rule: Verdict, other: Verdict, lucky: float) -> bool:
    """Whether a photo alone speaks for the other frame.

    One face does not: it may be a stranger's, and the person tagged one whom no detector sees.
    """
    if not photo.firm or _shapes_prefer(other.boxes, rule.boxes):
        return _chance(lucky, other.explained) <= CHANCE_BACKED
    return other.explained > rule.explained + 1 and _chance(lucky, other.explained) <= CHANCE


def _shapes_prefer(boxes: Sequence[Box | None], rule: Sequence[Box | None]) -> bool:
    """Whether all of these have the shape of Picasa's own boxes, and none has it by the rule."""
    return all(
        a is not None and b is not None and _off_shape(a) < SHAPE_AGREES and _off_shape(b) > SHAPE_DIFFERS
        for a, b in zip(boxes, rule, strict=True)
    )


def _off_shape(box: Box) -> float:
    return abs(log(box.width / box.height / PICASA_SHAPE))


# ---- a saved crop


def _crops(folder: Sequence[PhotoBoxes], verdicts: Sequence[Verdict]) -> dict[int, Verdict]:
    """The photos that are a crop of an original in which the boxes find their faces."""
    crops = {}
    for i in _ruled(folder, verdicts):
        photo = folder[i]
        if photo.crop is not None and photo.crop[0] < photo.crop[2] and photo.crop[1] < photo.crop[3]:
            numbers = [_within(box, photo.crop) for box in photo.boxes]
            crops[i] = _judge(photo, "crop", _place(photo, numbers, photo.frame))
    better = _better(verdicts, crops)
    return better and (better | _throughout(verdicts, crops))


def _within(box: Shares, crop: Shares) -> Shares:
    """A rectangle of the original as shares of the crop."""
    left, top, right, bottom = crop
    width, height = right - left, bottom - top
    return (box[0] - left) / width, (box[1] - top) / height, (box[2] - left) / width, (box[3] - top) / height


# ---- one factor for the folder


@dataclass(frozen=True, slots=True)
class _Aim:
    """A face that a box would hold if its numbers were multiplied by a factor between these."""

    low: float
    high: float
    face: Point  # its centre, shares in the rule's frame


@dataclass(frozen=True, slots=True)
class _Stray:
    """A box in which nobody was detected."""

    box: Shares
    centre: Point  # where a detection's centre should lie
    aims: tuple[_Aim, ...]

    def aim(self, factor: float) -> _Aim | None:
        """The nearest face that it holds with this factor."""
        x, y = self.centre
        fitting = [aim for aim in self.aims if aim.low < factor < aim.high]
        return min(
            fitting, key=lambda aim: (aim.face[0] - x * factor) ** 2 + (aim.face[1] - y * factor) ** 2, default=None
        )


def _one_factor(
    folder: Sequence[PhotoBoxes], verdicts: Sequence[Verdict], without: Container[int]
) -> dict[int, Verdict]:
    """Where one factor holds: the one with which most stray boxes find a face, if they are too many for chance."""
    strays: list[_Stray] = []
    expected: list[float] = []
    photos = [i for i in _ruled(folder, verdicts) if i not in without]
    for i in photos:
        photo, held = folder[i], _explained(folder[i], verdicts[i].boxes)
        free = [face for j, face in enumerate(photo.faces or ()) if j not in held.values()]
        empty = {
            numbers: box for numbers, box in zip(photo.boxes, verdicts[i].boxes, strict=True) if numbers not in held
        }
        strays += [_stray(photo, numbers, free) for numbers in empty]
        expected.append(_lucky(photo, empty.values(), len(free)))
    factor = _common_factor(strays)
    if factor is None:
        return {}
    found = [stray.box for stray in strays if stray.aim(factor)]
    luck = _chance(fsum(expected) * factor**2, len(found))
    if 2 * len(found) <= len(strays) or luck > CHANCE_OF_FACTOR or not _at_places(found):
        return {}
    scaled = {i: _judge(folder[i], "scaled", place(folder[i], factor=factor), factor) for i in photos}
    better = {i: new for i, new in scaled.items() if new.explained > verdicts[i].explained and not verdicts[i].verified}
    return better | _throughout(verdicts, scaled)


def _stray(photo: PhotoBoxes, box: Shares, free: Iterable[Box]) -> _Stray:
    left, top, right, bottom = box
    orientation = known_orientation(photo.orientation) if photo.frame == "stored" else 1
    x, y = to_stored(PICASA_CENTRE, orientation)
    area = (right - left) * (bottom - top)
    aims = [_aim(photo, box, orientation, face) for face in free] if right > left and bottom > top and area > 0 else []
    centre = (left + x * (right - left), top + y * (bottom - top))
    return _Stray(box, centre, tuple(aim for aim in aims if aim.low < aim.high))


def _aim(photo: PhotoBoxes, box: Shares, orientation: int, face: Box) -> _Aim:
    """For which factors the face lies in the box's middle and is of a sane size."""
    x, y = face.center
    centre = to_stored((x / photo.width, y / photo.height), orientation)
    left, top, right, bottom = box
    side = sqrt(face.area / (photo.width * photo.height * (right - left) * (bottom - top)))
    low, high = max(SMALLEST_FACTOR, side / LARGEST), min(LARGEST_FACTOR, side / SMALLEST)
    for near, far, at in ((left, right, centre[0]), (top, bottom, centre[1])):
        margin = (far - near) * (1 - MIDDLE) / 2
        low = max(low, at / (far - margin) if far > margin else inf)
        high = min(high, at / (near + margin) if near + margin > 0 else inf)
    return _Aim(low, high, centre)


def _common_factor(strays: Sequence[_Stray]) -> float | None:
    """The factor with which most boxes hold a face: of the best range the middle, then the best fit to the centres."""
    ends: list[tuple[float, int]] = []
    for stray in strays:
        for low, high in _merged(stray.aims):
            ends += [(low, 1), (high, -1)]
    ends.sort()
    best = count = 0
    factor = None
    for (start, step), (stop, _) in pairwise(ends):
        count += step
        if count >= max(best, 1) and start < stop:  # of equally good ranges the one nearest to the rule
            best, factor = count, (start + stop) / 2
    # To four digits, which are kept: 1/10,000 of a picture is less than a box is drawn precisely.
    return factor and round(_refined(_refined(factor, strays), strays), 4)


def _merged(aims: Iterable[_Aim]) -> list[tuple[float, float]]:
    """The ranges of one box, those that overlap as one, so that no factor counts it twice."""
    merged: list[tuple[float, float]] = []
    for aim in sorted(aims, key=lambda aim: aim.low):
        if merged and aim.low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], aim.high))
        else:
            merged.append((aim.low, aim.high))
    return merged


def _refined(factor: float, strays: Iterable[_Stray]) -> float:
    """Least squares between the boxes' centres and those of the faces that they hold with this factor."""
    hits = [(stray.centre, aim.face) for stray in strays if (aim := stray.aim(factor))]
    top = fsum(x * u + y * v for (x, y), (u, v) in hits)
    bottom = fsum(x * x + y * y for (x, y), _ in hits)
    return top / bottom if bottom > 0 else factor
