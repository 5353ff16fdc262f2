"""Photos: digests, what they say about themselves, and what is still due."""

from __future__ import annotations

from collections.abc import Iterator

from facelib.models import Analysis, Job
from facelib.store.database import Database, path_from_sql

MAX_CRASHES = 2  # a photo that killed a worker twice is left alone until somebody asks for it
_CHUNK = 500


def find_or_add(db: Database, sha256: str) -> tuple[int, bool]:
    """The photo with this digest, and whether it is new."""
    photo_id = db.value("SELECT photo_id FROM photo WHERE sha256 = ?", (sha256,))
    if photo_id is not None:
        return int(photo_id), False
    return db.execute("INSERT INTO photo (sha256) VALUES (?)", (sha256,)), True


def note_edit(db: Database, run_id: int, old_photo_id: int, new_photo_id: int) -> None:
    """A file's content changed from one photo to another that nobody has said anything about."""
    # What nobody has searched yet has nothing to hand on: then the photo before it is asked as well.
    before = db.query("SELECT old_photo_id FROM edit WHERE new_photo_id = ? AND offered_run IS NULL", (old_photo_id,))
    for photo_id in [row[0] for row in before] + [old_photo_id]:
        db.execute(
            "INSERT OR IGNORE INTO edit (old_photo_id, new_photo_id, made_run) VALUES (?, ?, ?)",
            (photo_id, new_photo_id, run_id),
        )


# The file from which the photo `p` is read: the first that is present and can be read, on a disk that is there.
READABLE = """(SELECT file_id FROM file x JOIN folder USING (folder_id) JOIN root USING (root_id)
    WHERE x.photo_id = p.photo_id AND present = 1 AND error IS NULL AND absent = 0 ORDER BY file_id LIMIT 1)"""

# A photo is due when somebody can still see it (a file is present), it could be read so far, and there is no final
# result of this detector. Not due: what failed, and what crashed twice; unless errors are to be retried.
_EXAMINE = "p.examined_run IS NULL AND p.error IS NULL"
_DETECT = """p.error IS NULL AND NOT EXISTS (
       SELECT 1 FROM detection d WHERE d.photo_id = p.photo_id AND d.detector = ?
          AND (d.error IS NULL OR d.crashes = 0 OR d.crashes >= ?))"""
_RETRY = """(p.error IS NOT NULL OR NOT EXISTS (
       SELECT 1 FROM detection d WHERE d.photo_id = p.photo_id AND d.detector = ? AND d.error IS NULL))"""


def _due(detector: str | None, retry_errors: bool) -> tuple[str, tuple[str | int, ...]]:
    if detector is None:
        return (f"({_EXAMINE} OR p.error IS NOT NULL)" if retry_errors else _EXAMINE), ()
    return (_RETRY, (detector,)) if retry_errors else (_DETECT, (detector, MAX_CRASHES))


def count_due(db: Database, detector: str | None, retry_errors: bool = False) -> int:
    """How many photos have no result of this detector yet (None: have not even been opened)."""
    condition, parameters = _due(detector, retry_errors)
    return int(
        db.value(
            f"SELECT count(*) FROM photo p WHERE {condition} AND EXISTS {READABLE}",
            parameters,
        )
    )


def due(db: Database, detector: str | None, retry_errors: bool = False) -> Iterator[Job]:
    """The photos that are due, by photo_id. Read in chunks, so that nothing holds the database between them."""
    condition, parameters = _due(detector, retry_errors)
    last = 0
    while True:
        rows = list(
            db.query(
                f"SELECT p.photo_id, f.path, f.size, f.mtime_ns FROM photo p JOIN file f ON f.file_id = {READABLE}"
                f" WHERE p.photo_id > ? AND {condition} ORDER BY p.photo_id LIMIT {_CHUNK}",
                (last, *parameters),
            )
        )
        for photo_id, path, size, mtime_ns in rows:
            yield Job(photo_id, path_from_sql(path), size, mtime_ns, detect=detector is not None)
        if len(rows) < _CHUNK:
            return
        last = rows[-1][0]


def save_facts(db: Database, run_id: int, analysis: Analysis) -> None:
    """What a photo says about itself, or why it cannot be read."""
    facts = analysis.facts
    if facts is None:
        db.execute(
            "UPDATE photo SET error = ?, examined_run = ? WHERE photo_id = ?",
            (analysis.error, run_id, analysis.photo_id),
        )
        return
    db.execute(
        "UPDATE photo SET width = ?, height = ?, orientation = ?, format = ?, taken_at = ?, camera = ?, latitude = ?,"
        " longitude = ?, warning = ?, error = NULL, examined_run = ? WHERE photo_id = ?",
        (
            facts.width,
            facts.height,
            facts.orientation,
            facts.format,
            facts.taken_at,
            facts.camera,
            facts.latitude,
            facts.longitude,
            facts.warning,
            run_id,
            analysis.photo_id,
        ),
    )


def counts(db: Database) -> dict[str, int]:
    """How much there is: files, gone, photos, unreadable, damaged, faces, people."""
    questions = {
        "files": "SELECT count(*) FROM file WHERE present = 1",
        "gone": "SELECT count(*) FROM file WHERE present = 0",
        "unreadable_files": "SELECT count(*) FROM file WHERE present = 1 AND error IS NOT NULL",
        "photos": "SELECT count(*) FROM photo",
        "unreadable_photos": "SELECT count(*) FROM photo WHERE error IS NOT NULL",
        "failed_detections": "SELECT count(*) FROM detection WHERE error IS NOT NULL",
        "damaged_photos": "SELECT count(*) FROM photo WHERE warning IS NOT NULL",
        "faces": "SELECT count(*) FROM face",
        "people": "SELECT count(*) FROM person",
    }
    return {name: int(db.value(sql)) for name, sql in questions.items()}
