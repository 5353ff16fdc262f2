"""Detections, and the faces and encodings that they bring."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from facelib.geometry import pair_boxes
from facelib.models import Analysis, Box, Face, Quality
from facelib.store.database import Database, SqlValue, path_from_sql

# Two boxes that overlap by this much are one face: detectors frame the same face with an IoU of 0.5 and more, while
# neighbours in a crowd stay under 0.2.
SAME_FACE = 0.4


def save_detection(db: Database, run_id: int, detector: str, analysis: Analysis) -> None:
    """The result of a detector for one photo, its faces and their encodings, or why there is none.

    Faces found before keep their rows when the new boxes overlap them, and are never deleted.
    """
    if analysis.faces is None:
        db.execute(
            "INSERT INTO detection (photo_id, detector, error, crashes, run_id) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (photo_id, detector) DO UPDATE SET faces = NULL, error = excluded.error,"
            " crashes = crashes + excluded.crashes, run_id = excluded.run_id",
            (analysis.photo_id, detector, analysis.error, int(analysis.crashed), run_id),
        )
        return
    db.execute(
        "INSERT INTO detection (photo_id, detector, faces, run_id) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (photo_id, detector) DO UPDATE SET faces = excluded.faces, error = NULL, crashes = 0,"
        " run_id = excluded.run_id",
        (analysis.photo_id, detector, len(analysis.faces), run_id),
    )
    detection_id = int(
        db.value(
            "SELECT detection_id FROM detection WHERE photo_id = ? AND detector = ?", (analysis.photo_id, detector)
        )
    )
    known = boxes(db, analysis.photo_id, drawn=False)
    pairs = pair_boxes([box for _, box in known], [face.box for face in analysis.faces], SAME_FACE)
    for index, face in enumerate(analysis.faces):
        if index in pairs:
            face_id = known[pairs[index]][0]
            _update(db, face_id, detection_id, face)
        else:
            face_id = _insert(db, analysis.photo_id, detection_id, face)
        db.execute_many(
            "INSERT OR REPLACE INTO encoding (face_id, model, vector) VALUES (?, ?, ?)",
            ((face_id, model, vector) for model, vector in face.encodings.items()),
        )


def boxes(db: Database, photo_id: int, *, drawn: bool = True) -> list[tuple[int, Box]]:
    """The faces of a photo: (face_id, box), by face_id; with or without those that only an imported region speaks for.

    Imported boxes frame a face otherwise than a detector; which of them is which is decided by stages/regions.py.
    """
    rows = db.query(
        'SELECT face_id, "left", top, "right", bottom FROM face WHERE photo_id = ?'
        " AND (? OR source IN ('detector', 'user')) ORDER BY face_id",
        (photo_id, int(drawn)),
    )
    return [(face_id, Box(left, top, right, bottom)) for face_id, left, top, right, bottom in rows]


def draw_face(db: Database, photo_id: int, source: str, box: Box) -> int:
    """A face that somebody drew ('picasa', 'xmp', 'user') where no detector sees one; gives its face_id."""
    return db.execute(
        'INSERT INTO face (photo_id, source, "left", top, "right", bottom) VALUES (?, ?, ?, ?, ?, ?)',
        (photo_id, source, box.left, box.top, box.right, box.bottom),
    )


def faces_per_name_source(db: Database, run_id: int) -> dict[str, int]:
    """The faces found in a run by who named them: 'user', 'picasa', 'xmp', 'match' or 'unknown'."""
    rows = db.query(
        "SELECT coalesce(v.source, 'unknown'), count(*) FROM detection d JOIN face f USING (detection_id)"
        " JOIN faces_v1 v ON v.face_id = f.face_id WHERE d.run_id = ? GROUP BY 1",
        (run_id,),
    )
    return {source: int(count) for source, count in rows}


def exists(db: Database, face_id: int) -> bool:
    """Whether there is a face of this number."""
    return bool(db.value("SELECT 1 FROM face WHERE face_id = ?", (face_id,)))


def shown(db: Database, face_id: int) -> tuple[str, str | None, str | None, str | None, float | None]:
    """What is shown of a face: path, person, who says so, who is suggested, quality."""
    row = db.one(
        "SELECT (SELECT path FROM file WHERE photo_id = f.photo_id ORDER BY present DESC, file_id LIMIT 1),"
        " v.person, v.source, s.person, f.quality FROM face f LEFT JOIN faces_v1 v USING (face_id)"
        " LEFT JOIN suggestions_v1 s USING (face_id) WHERE f.face_id = ?",
        (face_id,),
    )
    path, person, source, suggested, quality = row or (None, None, None, None, None)
    return (path_from_sql(path) if path is not None else "", person, source, suggested, quality)


def where(db: Database, face_id: int, *people: int | None) -> tuple[str, ...]:
    """A path of a face's photo, and the names of people ('' for nobody), for telling a person about it."""
    path = db.value("SELECT path FROM faces_v1 WHERE face_id = ?", (face_id,))
    names = (db.value("SELECT name FROM person WHERE person_id = ?", (person,)) for person in people)
    return (path_from_sql(path) if path is not None else "", *(name or "" for name in names))


def _columns(face: Face) -> tuple[SqlValue, ...]:
    box = face.box
    looks = appearance(face.landmarks, face.landmark_kind, face.quality)
    return (face.detector, box.left, box.top, box.right, box.bottom, face.score, *looks)


APPEARANCE = "landmarks, landmark_kind, quality, quality_size, quality_sharpness, quality_frontal, quality_exposure"


def appearance(
    points: Sequence[tuple[float, float]], kind: str | None, quality: Quality | None
) -> tuple[SqlValue, ...]:
    """The values of the columns `APPEARANCE`."""
    numbers = [number for point in points for number in point]
    packed = struct.pack(f"<{len(numbers)}f", *numbers) if numbers else None
    judged: tuple[SqlValue, ...] = (None,) * 5
    if quality:
        judged = (quality.combined, quality.size, quality.sharpness, quality.frontal, quality.exposure)
    return (packed, kind if numbers else None, *judged)


def _insert(db: Database, photo_id: int, detection_id: int, face: Face) -> int:
    return db.execute(
        f'INSERT INTO face (photo_id, detection_id, source, detector, "left", top, "right", bottom, score, {APPEARANCE})'
        " VALUES (?, ?, 'detector', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (photo_id, detection_id, *_columns(face)),
    )


def _update(db: Database, face_id: int, detection_id: int, face: Face) -> None:
    db.execute(
        'UPDATE face SET (detection_id, detector, "left", top, "right", bottom, score,'
        f" {APPEARANCE}) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE face_id = ?",
        (detection_id, *_columns(face), face_id),
    )
