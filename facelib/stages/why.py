"""`facelib why`: what speaks for a face's name, and against the others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from facelib.config import MatchOptions
from facelib.errors import UsageError
from facelib.stages.digest import printable
from facelib.stages.match import faces_of, open_gallery, read_labels
from facelib.store import Database, faces, files, matches

if TYPE_CHECKING:
    from facelib.matching.plan import Bar

Shown = tuple[str, str | None, str | None, str | None, float | None]
"""Path, person, who says so, who is suggested, quality."""


@dataclass(frozen=True, slots=True)
class Near:
    """Somebody whom a face resembles."""

    name: str
    distance: float
    bar: str | None  # why it cannot be this person


@dataclass(frozen=True, slots=True)
class Example:
    """A face that somebody named, and that a face resembles."""

    face_id: int
    name: str
    distance: float
    path: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a face has its name, or none."""

    face_id: int
    path: str
    person: str | None  # who it shows
    source: str | None  # who says so: 'user', 'picasa', 'xmp', 'match'
    suggested: str | None
    quality: float | None
    threshold: float | None  # distance up to which names are given
    suggested_threshold: float | None
    metric: str
    people: tuple[Near, ...]
    examples: tuple[Example, ...]
    note: str = ""  # why nothing can be said

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def lines(self) -> Iterator[str]:
        """The same for a person."""
        who = f"is {self.person}, {_SAYS[self.source]}" if self.person and self.source else "has no name"
        if self.suggested:
            who += f"; may be {self.suggested}"
        quality = "" if self.quality is None else f", quality {self.quality:.2f}"
        yield f"face {self.face_id} of {printable(self.path)} {who}{quality}"
        if self.note:
            yield f"  {self.note}"
        if self.threshold is not None:
            reach = f"{self.threshold:.3g}, suggestions up to {self.suggested_threshold:.3g} ({self.metric})"
            yield f"  names are given up to {reach}"
        for one in self.people:
            yield f"  {one.distance:7.3g}  {one.name}" + (f": {one.bar}" if one.bar else "")
        if self.examples:
            yield "  the named faces that it resembles most"
        for example in self.examples:
            yield f"  {example.distance:7.3g}  {example.name}, face {example.face_id} of {printable(example.path)}"


_SAYS = {"user": "as you said", "picasa": "as Picasa said", "xmp": "as XMP said", "match": "as it looks"}


def run(db: Database, target: str, model: str, options: MatchOptions) -> list[Explanation]:
    """Explain a face by its number, or all faces of a file. Raises `UsageError` where there is none."""
    ids = _faces_meant(db, target)
    encoded = {one.face_id: one for one in matches.encoded(db, model, ids)}
    if not matches.count_labels(db, model):
        return [_bare(db, face_id, f"nobody is named yet in encodings of {model}") for face_id in ids]
    from facelib.matching.explain import nearest_faces, nearest_people

    gallery, labelled = open_gallery(db, model, options), read_labels(db, model)
    found, said = faces_of(db, model, list(encoded.values()))
    people = dict(zip(found.face_id.tolist(), nearest_people(found, gallery, said), strict=True))
    examples = dict(zip(found.face_id.tolist(), nearest_faces(found, labelled, gallery.metric), strict=True))
    limit, explained = gallery.threshold, []
    for face_id in ids:
        if face_id not in people:
            explained.append(_bare(db, face_id, f"it has no encoding of {model}, or one that cannot be compared"))
            continue
        shown = faces.shown(db, face_id)
        explained.append(
            Explanation(
                face_id,
                *shown,
                limit.named,
                limit.suggested,
                gallery.metric.name,
                tuple(
                    _near(matches.name_of(db, one.person_id), one.distance, one.bar, shown) for one in people[face_id]
                ),
                tuple(
                    Example(
                        one.face_id, matches.name_of(db, one.person_id), one.distance, faces.where(db, one.face_id)[0]
                    )
                    for one in examples[face_id]
                ),
            )
        )
    return explained


def _near(name: str, distance: float, bar: Bar | None, shown: Shown) -> Near:
    """One of the people; that a face shows somebody does not bar itself from it."""
    person, source = shown[1:3]
    if bar is not None and name == person and source not in (None, "match"):
        return Near(name, distance, "as it was named, and compared with itself among others")
    return Near(name, distance, bar.value if bar else None)


def _bare(db: Database, face_id: int, note: str) -> Explanation:
    return Explanation(face_id, *faces.shown(db, face_id), None, None, "", (), (), note)


def _faces_meant(db: Database, target: str) -> list[int]:
    number = target.removeprefix("#")
    if number.isascii() and number.isdecimal() and not os.path.exists(target):
        if len(number) > 18 or not faces.exists(db, int(number)):
            raise UsageError(f"there is no face {number}")
        return [int(number)]
    if not target or os.path.isdir(target):
        raise UsageError("name a photograph, or a face by its number")
    path = os.path.realpath(target)
    photo = files.photo_at(db, path)
    if photo is None:
        raise UsageError(f"{target}: no photo that is indexed lies there; scan its folder first")
    ids = [face_id for face_id, _ in faces.boxes(db, photo)]
    if not ids:
        raise UsageError(f"{target}: no face was found in it")
    return ids
