"""Matches: what matching reads, and the guesses that it writes. Decisions are read and never written here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from facelib.store.database import Database

# Faces that nobody has decided about, in photos that hold at least one which was not compared with this gallery.
_UNDECIDED = "NOT EXISTS (SELECT 1 FROM standing_decision s WHERE s.face_id = f.face_id)"
_STALE = """NOT EXISTS (SELECT 1 FROM match m WHERE m.face_id = f.face_id AND m.gallery = ?)"""
# The year of a photo as a number, 2015.37; NULL where nobody knows.
_YEAR = """CASE WHEN p.taken_at GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]*'
                THEN CAST(substr(p.taken_at, 1, 4) AS REAL) + (CAST(substr(p.taken_at, 6, 2) AS REAL) - 1) / 12 END"""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A face with its encoding by one model."""

    face_id: int
    photo_id: int
    vector: bytes  # little-endian float32
    quality: float | None
    year: float | None


@dataclass(frozen=True, slots=True)
class Label:
    """A face that somebody named, with its encoding."""

    face: Encoded
    person_id: int
    cluster_id: int | None  # Picasa's, where its contact put it into one


@dataclass(frozen=True, slots=True)
class Match:
    """A guess about a face."""

    face_id: int
    person_id: int | None  # None: nobody is near enough
    sure: bool  # False: a suggestion
    distance: float | None
    runner_up: int | None


def labels(db: Database, model: str) -> Iterator[Label]:
    """Every face that is somebody by a decision, and has an encoding of this model, by face_id."""
    rows = db.query(
        f"SELECT f.face_id, f.photo_id, e.vector, f.quality, {_YEAR}, s.person_id, c.cluster_id"
        " FROM standing_decision s JOIN face f ON f.face_id = s.face_id"
        " JOIN encoding e ON e.face_id = f.face_id AND e.model = ?"
        " JOIN photo p ON p.photo_id = f.photo_id"
        " LEFT JOIN match m ON m.face_id = f.face_id"
        " LEFT JOIN cluster c ON c.cluster_id = m.cluster_id AND c.contact IS NOT NULL"
        " WHERE s.verdict = 'is' ORDER BY f.face_id",
        (model,),
    )
    for face_id, photo_id, vector, quality, year, person_id, cluster_id in rows:
        yield Label(Encoded(face_id, photo_id, vector, quality, year), person_id, cluster_id)


def count_labels(db: Database, model: str) -> int:
    """How many faces `labels` gives."""
    return int(
        db.value(
            "SELECT count(*) FROM standing_decision s JOIN encoding e ON e.face_id = s.face_id AND e.model = ?"
            " WHERE s.verdict = 'is'",
            (model,),
        )
    )


def photos_due(db: Database, model: str, gallery: str) -> list[int]:
    """The photos with faces that nobody decided about and that were not compared with this gallery."""
    rows = db.query(
        "SELECT DISTINCT f.photo_id FROM encoding e JOIN face f USING (face_id)"
        f" WHERE e.model = ? AND {_STALE} AND {_UNDECIDED} ORDER BY 1",
        (model, gallery),
    )
    return [row[0] for row in rows]


def undecided(db: Database, model: str, photos: Iterable[int]) -> Iterator[Encoded]:
    """The faces of these photos that nobody decided about, with their encodings."""
    for photo_id in photos:
        yield from (
            Encoded(*row)
            for row in db.query(
                f"SELECT f.face_id, f.photo_id, e.vector, f.quality, {_YEAR} FROM face f"
                " JOIN encoding e ON e.face_id = f.face_id AND e.model = ? JOIN photo p ON p.photo_id = f.photo_id"
                f" WHERE f.photo_id = ? AND {_UNDECIDED} ORDER BY f.face_id",
                (model, photo_id),
            )
        )


def encoded(db: Database, model: str, face_ids: Iterable[int]) -> Iterator[Encoded]:
    """These faces, decided about or not, with their encodings; those that have none are left out."""
    for face_id in face_ids:
        row = db.one(
            f"SELECT f.face_id, f.photo_id, e.vector, f.quality, {_YEAR} FROM face f"
            " JOIN encoding e ON e.face_id = f.face_id AND e.model = ? JOIN photo p ON p.photo_id = f.photo_id"
            " WHERE f.face_id = ?",
            (model, face_id),
        )
        if row is not None:
            yield Encoded(*row)


def name_of(db: Database, person_id: int) -> str:
    """A person's name."""
    return str(db.value("SELECT name FROM person WHERE person_id = ?", (person_id,)))


def said_in(db: Database, photos: Iterable[int]) -> Iterator[tuple[int, int, str, int | None]]:
    """What stands of what was said of the faces of these photos: (face_id, photo_id, verdict, person_id), oldest first."""
    for photo_id in photos:
        yield from db.query(
            "SELECT d.face_id, f.photo_id, d.verdict, coalesce(w.merged_into, d.person_id)"
            " FROM face f JOIN decision d ON d.face_id = f.face_id LEFT JOIN person w ON w.person_id = d.person_id"
            " WHERE f.photo_id = ? AND d.undone_at IS NULL ORDER BY d.decision_id",
            (photo_id,),
        )


def lives(db: Database) -> dict[int, tuple[int | None, int | None]]:
    """The people of whom years of birth or death are known."""
    rows = db.query(
        "SELECT person_id, born, died FROM person WHERE merged_into IS NULL AND (born IS NOT NULL OR died IS NOT NULL)"
    )
    return {person_id: (born, died) for person_id, born, died in rows}


def write(db: Database, matches: Iterable[Match], *, model: str, metric: str, threshold: float, gallery: str) -> None:
    """Write guesses in the place of older ones. The cluster of a face stays."""
    db.execute_many(
        "INSERT INTO match (face_id, person_id, sure, distance, threshold, runner_up, metric, gallery, model)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (face_id) DO UPDATE SET person_id = excluded.person_id,"
        " sure = excluded.sure, distance = excluded.distance, threshold = excluded.threshold,"
        " runner_up = excluded.runner_up, metric = excluded.metric, gallery = excluded.gallery, model = excluded.model",
        (
            (one.face_id, one.person_id, int(one.sure), one.distance, threshold, one.runner_up, metric, gallery, model)
            for one in matches
        ),
    )


def forget_of_decided(db: Database) -> None:
    """Guesses about faces that somebody has decided about by now go; which cluster they are in stays."""
    db.execute(
        "UPDATE match SET person_id = NULL, sure = 1, distance = NULL, threshold = NULL, runner_up = NULL, metric = NULL"
        " WHERE person_id IS NOT NULL AND EXISTS (SELECT 1 FROM standing_decision s WHERE s.face_id = match.face_id)"
    )


def current(db: Database, face_ids: Iterable[int]) -> dict[int, tuple[int | None, bool]]:
    """The guesses that stand for these faces: face_id -> (person_id, sure)."""
    found = {}
    for face_id in face_ids:
        row = db.one("SELECT person_id, sure FROM match WHERE face_id = ?", (face_id,))
        if row is not None:
            found[face_id] = (row[0], bool(row[1]))
    return found


def save_gallery(db: Database, model: str, key: str, arrays: bytes) -> None:
    """Keep a gallery in the place of an older one of this model."""
    db.execute("INSERT OR REPLACE INTO gallery (model, key, arrays) VALUES (?, ?, ?)", (model, key, arrays))


def kept_gallery(db: Database, model: str) -> tuple[str, bytes] | None:
    """The gallery of this model and of what it was made, or None."""
    row = db.one("SELECT key, arrays FROM gallery WHERE model = ?", (model,))
    return None if row is None else (row[0], row[1])


def threshold(db: Database) -> tuple[str, str, float] | None:
    """Model, metric and the distance up to which names were given when faces were last matched; None: they never were."""
    row = db.one("SELECT model, metric, threshold FROM match WHERE metric IS NOT NULL ORDER BY rowid DESC LIMIT 1")
    return None if row is None else (row[0], row[1], row[2])


def any_guess(db: Database) -> bool:
    """Whether any face has, or is suggested, a name that was guessed."""
    return bool(db.value("SELECT 1 FROM match WHERE person_id IS NOT NULL LIMIT 1"))
