"""Forgetting what can be made again. Decisions, people, and what importers found stay."""

from __future__ import annotations

from facelib.store.database import Database


def counts(db: Database, *, detections: bool, matches: bool) -> dict[str, int]:
    """How much a reset would forget."""
    tables = (["detection", "face", "encoding"] if detections else []) + (["match"] if detections or matches else [])
    return {table: int(db.value(f"SELECT count(*) FROM {table}")) for table in tables}


def forget(db: Database, *, detections: bool, matches: bool, facts: bool) -> None:
    """Delete guesses; faces with all that was found about them; what photos said of themselves.

    Decisions keep the digest of their photo and their box, and find their faces again when these are detected anew.
    """
    if matches or detections:
        db.execute("DELETE FROM match")
        db.execute(
            "DELETE FROM cluster WHERE contact IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM match m WHERE m.cluster_id = cluster.cluster_id)"
        )
    if detections:
        db.execute("UPDATE decision SET face_id = NULL")
        db.execute("UPDATE region SET face_id = NULL, settled_detection = NULL")
        for table in ("encoding", "face", "detection", "encode_failure"):
            db.execute(f"DELETE FROM {table}")
    if facts:
        db.execute(
            "UPDATE photo SET width = NULL, height = NULL, orientation = NULL, format = NULL, taken_at = NULL, camera = NULL,"
            " latitude = NULL, longitude = NULL, warning = NULL, error = NULL, examined_run = NULL"
        )
