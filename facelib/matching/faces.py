"""Faces as arrays: one row a face, kept in the order of their ids, so that no result depends on the order they came in.

Only vectors of one model are compared. What is not one is refused with the face named: `decode` sorts such rows of the
database out and says why, and `Faces` does not take them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facelib.errors import EngineError

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]

NOBODY = -1  # a person_id or group_id that is none
TYPICAL_QUALITY = 0.5  # what a face counts as that nobody judged: the median of LFW's is 0.7
_LEAST_QUALITY = 0.05  # the weight of the worst face in a mean: it is better than no face


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that is no encoding to compare."""

    face_id: int
    reason: str  # for a person, one line


def decode(
    rows: Iterable[tuple[int, str, bytes]], model: str, dimensions: int
) -> tuple[Ids, Floats, tuple[Refused, ...]]:
    """The vectors of database rows (face_id, model, little-endian float32), and the rows that are none of this model.

    Refused are another model's, another length, and numbers that are not finite or all nought. They are named, and the
    others go on.
    """
    face_ids: list[int] = []
    vectors: list[NDArray[np.float32]] = []
    refused: list[Refused] = []
    for face_id, its_model, blob in rows:
        if its_model != model:
            refused.append(Refused(face_id, f"encoded by {its_model}, not by {model}"))
        elif len(blob) != 4 * dimensions:
            refused.append(Refused(face_id, f"its encoding has {len(blob)} bytes, those of {model} {4 * dimensions}"))
        elif reason := _wrong(vector := np.frombuffer(blob, "<f4")):
            refused.append(Refused(face_id, reason))
        else:
            face_ids.append(face_id)
            vectors.append(vector)
    found = np.array(vectors, np.float32).reshape(-1, dimensions)
    return np.array(face_ids, np.int64), found, tuple(refused)


def _wrong(vector: NDArray[np.float32]) -> str | None:
    if not np.isfinite(vector).all():
        return "its encoding has numbers that are not finite"
    if not vector.any():
        return "its encoding is all noughts"
    return None


@dataclass(frozen=True, slots=True)
class Faces:
    """Faces with their vectors by one model; all arrays have a row per face, in the order of `face_id`."""

    face_id: Ids
    photo_id: Ids
    vectors: Floats  # (faces, dimensions)
    quality: Floats  # 0..1
    year: Doubles  # when the photo was taken, 2015.0 or 2015.4; NaN: nobody knows

    @classmethod
    def of(
        cls,
        face_id: ArrayLike,
        photo_id: ArrayLike,
        vectors: ArrayLike,
        quality: ArrayLike | None = None,
        year: ArrayLike | None = None,
    ) -> Faces:
        """Take arrays in any order. Quality and year may be missing, or NaN here and there.

        Raises EngineError, naming the face, for a vector that is not finite or all noughts, for ids that occur
        twice and for arrays that do not belong together.
        """
        ids, photos = np.asarray(face_id, np.int64), np.asarray(photo_id, np.int64)
        found = np.asarray(vectors, np.float32)
        count = len(ids)
        if found.ndim != 2:
            raise EngineError(f"the vectors of {count} faces do not have one length; encode them by one model")
        good = np.full(count, np.nan) if quality is None else np.asarray(quality, np.float64)
        when = np.full(count, np.nan) if year is None else np.asarray(year, np.float64)
        for name, array in (("photo_id", photos), ("vectors", found), ("quality", good), ("year", when)):
            if len(array) != count:
                raise EngineError(f"{count} faces come with {len(array)} of {name}")
        _check(ids, found)
        good = np.where(np.isfinite(good), np.clip(good, _LEAST_QUALITY, 1.0), TYPICAL_QUALITY)
        order = np.argsort(ids, kind="stable")
        return cls(ids[order], photos[order], found[order], good[order].astype(np.float32), when[order])

    def __len__(self) -> int:
        return len(self.face_id)

    @property
    def dimensions(self) -> int:
        """The length of the vectors."""
        return int(self.vectors.shape[1])

    def take(self, rows: Ids | Mask) -> Faces:
        """Some of them; `rows` are in ascending order, or a mask."""
        return Faces(self.face_id[rows], self.photo_id[rows], self.vectors[rows], self.quality[rows], self.year[rows])


def _check(face_id: Ids, vectors: Floats) -> None:
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1) | ~vectors.any(axis=1))
    if len(bad):
        raise EngineError(f"face {face_id[bad[0]]}: {_wrong(vectors[bad[0]])}; encode it again")
    ids, counts = np.unique(face_id, return_counts=True)
    if (counts > 1).any():
        raise EngineError(f"face {ids[counts > 1][0]} comes {counts.max()} times")


@dataclass(frozen=True, slots=True)
class Labelled:
    """Faces of which somebody said who they are."""

    faces: Faces
    person_id: Ids
    group_id: Ids  # a part of the person that was told apart elsewhere, such as one of Picasa's contacts; NOBODY: none

    @classmethod
    def of(cls, faces: Faces, person_of: dict[int, int], group_of: dict[int, int] | None = None) -> Labelled:
        """The faces that are somebody's, by face_id -> person_id; the others are left out."""
        groups = group_of or {}
        rows = np.array([i for i, face in enumerate(faces.face_id.tolist()) if face in person_of], np.int64)
        some = faces.take(rows)
        return cls(
            some,
            np.array([person_of[face] for face in some.face_id.tolist()], np.int64),
            np.array([groups.get(face, NOBODY) for face in some.face_id.tolist()], np.int64),
        )

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def people(self) -> Ids:
        """Everybody who has a face, ascending."""
        return np.unique(self.person_id)

    def take(self, rows: Ids | Mask) -> Labelled:
        """Some of them; `rows` are in ascending order, or a mask."""
        return Labelled(self.faces.take(rows), self.person_id[rows], self.group_id[rows])


def members(labels: Ids) -> list[tuple[int, Ids]]:
    """Each label that occurs, ascending, with the rows that have it, ascending."""
    order = np.argsort(labels, kind="stable")
    values, starts = np.unique(labels[order], return_index=True)
    return list(zip(values.tolist(), np.split(order, starts[1:]), strict=True)) if len(order) else []
