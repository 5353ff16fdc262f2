"""Encodings: which faces want one of a model, and writing them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import groupby

from facelib.models import Analysis, Box, Job, KnownFace
from facelib.store.database import Database, path_from_sql
from facelib.store.faces import APPEARANCE, appearance
from facelib.store.photos import MAX_CRASHES, READABLE

_CHUNK = 200  # photos

# A face that only an imported box speaks for waits until a detector has looked at the photo: most turn out to be detected.
_LOOKED = """(f.source IN ('detector', 'user')
        OR EXISTS (SELECT 1 FROM detection d WHERE d.photo_id = f.photo_id AND d.error IS NULL))"""
# A face is due when its photo can still be read and it has no encoding of this model; not when encoding it failed for good.
_DUE = (
    f"p.error IS NULL AND p.width IS NOT NULL AND {_LOOKED}"
    """
   AND NOT EXISTS (SELECT 1 FROM encoding e WHERE e.face_id = f.face_id AND e.model = ?)
   AND NOT EXISTS (SELECT 1 FROM encode_failure n
                    WHERE n.photo_id = f.photo_id AND n.model = ? AND (n.crashes = 0 OR n.crashes >= ?))
   AND EXISTS """ + READABLE
)


# Only faces that somebody else drew, and that have no encoding at all.
_DRAWN = "f.source IN ('picasa', 'xmp') AND NOT EXISTS (SELECT 1 FROM encoding e WHERE e.face_id = f.face_id)"


def count_due(db: Database, model: str, *, drawn: bool = False) -> tuple[int, int]:
    """How many photos have faces without an encoding of this model, and how many faces that are.

    `drawn`: only those that an imported box alone speaks for, and that no model has encoded.
    """
    condition = f"{_DUE} AND {_DRAWN}" if drawn else _DUE
    row = db.one(
        f"SELECT count(DISTINCT f.photo_id), count(*) FROM face f JOIN photo p USING (photo_id) WHERE {condition}",
        (model, model, MAX_CRASHES),
    )
    return row or (0, 0)


def due(db: Database, model: str, *, drawn: bool = False) -> Iterator[Job]:
    """The photos with such faces, by photo_id. Read in chunks, so that nothing holds the database between them."""
    last = 0
    condition = f"{_DUE} AND {_DRAWN}" if drawn else _DUE
    while True:
        rows = list(
            db.query(
                'SELECT f.photo_id, file.path, file.size, file.mtime_ns, f.face_id, f."left", f.top, f."right", f.bottom,'
                " f.landmarks, f.landmark_kind, f.source"
                " FROM (SELECT DISTINCT f.photo_id FROM face f JOIN photo p USING (photo_id)"
                f"       WHERE f.photo_id > ? AND {condition} ORDER BY f.photo_id LIMIT {_CHUNK}) AS chosen"
                " JOIN photo p USING (photo_id) JOIN face f USING (photo_id)"
                f" JOIN file ON file.file_id = {READABLE}"
                " WHERE NOT EXISTS (SELECT 1 FROM encoding e WHERE e.face_id = f.face_id AND e.model = ?)"
                f" AND {_DRAWN if drawn else 1} AND {_LOOKED}"
                " ORDER BY f.photo_id, f.face_id",
                (last, model, model, MAX_CRASHES, model),
            )
        )
        for photo_id, group in groupby(rows, key=lambda row: row[0]):
            faces = list(group)
            path, size, mtime_ns = faces[0][1:4]
            known = tuple(KnownFace(face[4], Box(*face[5:9]), _points(face[9]), face[10], face[11]) for face in faces)
            yield Job(photo_id, path_from_sql(path), size, mtime_ns, faces=known)
        if not rows:
            return
        last = rows[-1][0]


def save(db: Database, run_id: int, model: str, analysis: Analysis) -> None:
    """The encodings of a photo's known faces, or why there are none."""
    if analysis.error is not None:
        db.execute(
            "INSERT INTO encode_failure (photo_id, model, error, crashes, run_id) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (photo_id, model) DO UPDATE SET error = excluded.error, run_id = excluded.run_id,"
            " crashes = CASE excluded.crashes WHEN 0 THEN 0 ELSE crashes + 1 END",
            (analysis.photo_id, model, analysis.error, int(analysis.crashed), run_id),
        )
        return
    db.execute("DELETE FROM encode_failure WHERE photo_id = ? AND model = ?", (analysis.photo_id, model))
    for face in analysis.encoded:
        db.execute(
            "INSERT OR REPLACE INTO encoding (face_id, model, vector) VALUES (?, ?, ?)",
            (face.face_id, face.model, face.vector),
        )
        # Boxes that people or Picasa drew have no landmarks and no quality yet.
        looks = appearance(face.landmarks, face.landmark_kind, face.quality)
        db.execute(
            f"UPDATE face SET ({APPEARANCE}) = (?, ?, ?, ?, ?, ?, ?) WHERE face_id = ? AND landmarks IS NULL",
            (*looks, face.face_id),
        )


def _points(blob: bytes | None) -> tuple[tuple[float, float], ...]:
    if not blob:
        return ()
    numbers = struct.unpack(f"<{len(blob) // 4}f", blob)
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def forget_failures(db: Database, model: str) -> None:
    """What could not be encoded by this model is to be tried again."""
    db.execute("DELETE FROM encode_failure WHERE model = ?", (model,))
