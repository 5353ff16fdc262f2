"""Why a face has its name or none: the nearest people, what bars them, and the labelled faces that it resembles most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facelib.matching.faces import Faces, Labelled
from facelib.matching.gallery import Gallery
from facelib.matching.metric import Metric, blocks
from facelib.matching.plan import Bar, Said


@dataclass(frozen=True, slots=True)
class NearPerson:
    """Somebody whom a face resembles."""

    person_id: int
    distance: float
    bar: Bar | None  # why it cannot be this person


@dataclass(frozen=True, slots=True)
class NearFace:
    """A labelled face that a face resembles."""

    face_id: int
    person_id: int
    distance: float


def nearest_people(faces: Faces, gallery: Gallery, said: Said, count: int = 5) -> list[list[NearPerson]]:
    """For each face the nearest people, the barred ones among them, nearest first."""
    people, distances = gallery.table().nearest(faces.vectors, count)
    found = []
    for row, (face, photo) in enumerate(zip(faces.face_id.tolist(), faces.photo_id.tolist(), strict=True)):
        year = float(faces.year[row])
        pairs = zip(people[row].tolist(), distances[row].tolist(), strict=True)
        found.append([NearPerson(person, away, said.bar(face, photo, year, person)) for person, away in pairs])
    return found


def nearest_faces(faces: Faces, labelled: Labelled, metric: Metric, count: int = 5) -> list[list[NearFace]]:
    """For each face the labelled ones that it resembles most, itself left out, nearest first.

    Distances are those to a person of whom nothing but that face is known.
    """
    others = labelled.faces
    coefficients = metric.coefficients(
        metric.prepare(others.vectors).astype(np.float32), np.ones(len(others), np.float32)
    )
    found: list[list[NearFace]] = []
    for part, distances in blocks(metric, faces.vectors, coefficients):
        for face, away in zip(faces.face_id[part].tolist(), distances, strict=True):
            order = [
                column for column in np.argsort(away, kind="stable")[: count + 1] if others.face_id[column] != face
            ]
            found.append(
                [NearFace(int(others.face_id[c]), int(labelled.person_id[c]), float(away[c])) for c in order[:count]]
            )
    return found
