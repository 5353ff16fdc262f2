"""Clusters of unknown faces: what is in none yet, what is in which, and how many there are."""

from __future__ import annotations

from dataclasses import dataclass

from facelib.store.database import Database

# A face that is a face and has no name: nobody decided about it, and no match is sure. A suggestion is no name.
_UNKNOWN = """NOT EXISTS (SELECT 1 FROM standing_decision s WHERE s.face_id = f.face_id)
          AND NOT EXISTS (SELECT 1 FROM standing_match g WHERE g.face_id = f.face_id AND g.person_id IS NOT NULL)"""


@dataclass(frozen=True, slots=True)
class UnknownFace:
    """A face without a name, with its encoding."""

    face_id: int
    photo_id: int
    vector: bytes  # little-endian float32
    cluster_id: int | None


def count_due(db: Database, model: str) -> int:
    """How many unknown faces with an encoding of this model are in no cluster."""
    return int(
        db.value(
            "SELECT count(*) FROM encoding e JOIN face f USING (face_id) WHERE e.model = ?"
            " AND NOT EXISTS (SELECT 1 FROM match m WHERE m.face_id = f.face_id AND m.cluster_id IS NOT NULL)"
            f" AND {_UNKNOWN}",
            (model,),
        )
    )


def unknown_faces(db: Database, model: str) -> list[UnknownFace]:
    """All unknown faces with an encoding of this model, by face_id; a cluster that is somebody's does not count."""
    rows = db.query(
        "SELECT f.face_id, f.photo_id, e.vector, c.cluster_id FROM encoding e JOIN face f USING (face_id)"
        " LEFT JOIN match m ON m.face_id = f.face_id"
        " LEFT JOIN cluster c ON c.cluster_id = m.cluster_id AND c.person_id IS NULL"
        f" WHERE e.model = ? AND {_UNKNOWN} ORDER BY f.face_id",
        (model,),
    )
    return [UnknownFace(*row) for row in rows]


def add(db: Database) -> int:
    """A cluster of nobody's."""
    return db.execute("INSERT INTO cluster (person_id) VALUES (NULL)")


def put(db: Database, face_id: int, cluster_id: int, model: str) -> None:
    """Put a face into a cluster; what was guessed about it stays."""
    db.execute(
        "INSERT INTO match (face_id, cluster_id, model) VALUES (?, ?, ?)"
        " ON CONFLICT (face_id) DO UPDATE SET cluster_id = excluded.cluster_id",
        (face_id, cluster_id, model),
    )


def totals(db: Database) -> tuple[int, int, int]:
    """Clusters of two unknown faces and more, the faces in them, and the unknown faces that are alone in theirs."""
    row = db.one(
        "SELECT coalesce(sum(n > 1), 0), coalesce(sum(CASE WHEN n > 1 THEN n END), 0), coalesce(sum(n = 1), 0)"
        f" FROM (SELECT count(*) AS n FROM match m JOIN face f USING (face_id) WHERE m.cluster_id IS NOT NULL AND {_UNKNOWN}"
        "  GROUP BY m.cluster_id)"
    )
    return row or (0, 0, 0)
