"""Regions: the faces that other programs left, as they wrote them, and where they were laid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facelib.models import Box
from facelib.store.database import Database, Row, path_from_sql

Shares = tuple[float, float, float, float]

# The newest detection of the photo `r.photo_id` that came to a result; 0 where no detector has looked.
_NEWEST = "coalesce((SELECT max(detection_id) FROM detection d WHERE d.photo_id = r.photo_id AND d.error IS NULL), 0)"
_DUE = f"(r.settled_detection IS NULL OR r.settled_detection <> {_NEWEST})"
_READABLE = "EXISTS (SELECT 1 FROM photo p WHERE p.photo_id = r.photo_id AND p.width IS NOT NULL AND p.error IS NULL)"


@dataclass(frozen=True, slots=True)
class Found:
    """A region as an importer found it."""

    source: str  # 'picasa', 'xmp'
    scheme: str  # 'ini', 'db3', 'mwg-rs', 'MP', 'iptc'
    place: str  # as written
    contact: str  # Picasa's id, or ''
    shares: Shares | None  # of the frame that it was stored in; None: a person without a box
    wrapped: bool = False
    display: bool | None = None  # True: the writer says that its numbers are about the upright picture
    crop: str | None = None
    name: str | None = None
    ignored: bool = False
    person_id: int | None = None
    whole: bool = False  # the box is about the person, perhaps not only the face


@dataclass(frozen=True, slots=True)
class Region:
    """A region of the database."""

    region_id: int
    photo_id: int
    source: str
    scheme: str
    contact: str
    shares: Shares | None
    display: bool | None
    crop: str | None
    name: str | None
    ignored: bool
    whole: bool
    person_id: int | None
    frame: str | None  # how it was laid: 'rule', 'other', 'scaled 0.781', 'crop'
    verified: bool
    face_id: int | None
    decision_id: int | None


@dataclass(frozen=True, slots=True)
class KnownPhoto:
    """What laying regions needs to know of a photo."""

    photo_id: int
    sha256: str
    name: str  # of one of its files
    width: int  # upright
    height: int
    orientation: int
    newest: int  # its newest detection, 0: none
    searched: bool  # whether a detector has looked


def add(db: Database, run_id: int, photo_id: int, folder_id: int | None, found: Found) -> str:
    """Keep a region: 'new', 'changed' (another name, say: it is laid again), or 'same'."""
    row = db.one(
        "SELECT region_id, name, ignored, person_id, crop, display, folder_id FROM region"
        " WHERE photo_id = ? AND scheme = ? AND place = ? AND contact = ?",
        (photo_id, found.scheme, found.place, found.contact),
    )
    said = (found.name, int(found.ignored), found.person_id, found.crop, _bit(found.display))
    if row is None:
        db.execute(
            'INSERT INTO region (photo_id, folder_id, source, scheme, place, contact, "left", top, "right", bottom, wrapped,'
            " name, ignored, person_id, crop, display, whole, run_id)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (photo_id, folder_id, found.source, found.scheme, found.place, found.contact,
             *(found.shares or (None,) * 4), int(found.wrapped), *said, int(found.whole), run_id),
        )  # fmt: skip
        return "new"
    if said == row[1:6] and row[6] is not None:
        return "same"
    if found.name is None and row[1] is not None and said[3:] == row[4:6] and not found.ignored:
        return "same"  # contacts.xml was there the last time and is not now: what it said stays
    db.execute(
        "UPDATE region SET name = ?, ignored = ?, person_id = ?, crop = ?, display = ?,"
        " folder_id = coalesce(folder_id, ?), settled_detection = NULL WHERE region_id = ?",
        (*said, folder_id, row[0]),
    )
    return "changed"


def folders_due(db: Database) -> list[int | None]:
    """The folders with regions that were never laid, or not since a detector last looked; None: photos of no folder."""
    rows = db.query(f"SELECT DISTINCT r.folder_id FROM region r WHERE {_DUE} AND {_READABLE} ORDER BY 1")
    return [row[0] for row in rows]


def photos_of(db: Database, folder_id: int | None) -> list[int]:
    """The photos with regions of a folder; of no folder, those that are due."""
    if folder_id is not None:
        rows = db.query(
            f"SELECT DISTINCT photo_id FROM region r WHERE folder_id = ? AND {_READABLE} ORDER BY 1", (folder_id,)
        )
    else:
        rows = db.query(
            f"SELECT DISTINCT photo_id FROM region r WHERE folder_id IS NULL AND {_DUE} AND {_READABLE} ORDER BY 1"
        )
    return [row[0] for row in rows]


def known_photo(db: Database, photo_id: int) -> KnownPhoto:
    """A photo whose size is known."""
    row = db.one(
        "SELECT p.sha256, (SELECT path FROM file WHERE photo_id = p.photo_id ORDER BY present DESC, file_id LIMIT 1),"
        f" p.width, p.height, coalesce(p.orientation, 1), {_NEWEST.replace('r.photo_id', 'p.photo_id')}"
        " FROM photo p WHERE p.photo_id = ? AND p.width IS NOT NULL",
        (photo_id,),
    )
    if row is None:
        raise LookupError(f"no photo {photo_id} whose size is known")
    sha256, path, width, height, orientation, newest = row
    name = path_from_sql(path) if path is not None else ""
    return KnownPhoto(photo_id, sha256, name, width, height, orientation, newest, newest > 0)


def size_of(db: Database, photo_id: int) -> tuple[int, int, int] | None:
    """Upright width and height and the orientation of a photo; None where it was not read."""
    row = db.one("SELECT width, height, coalesce(orientation, 1) FROM photo WHERE photo_id = ?", (photo_id,))
    return None if row is None or row[0] is None else (row[0], row[1], row[2])


def of_photo(db: Database, photo_id: int) -> list[Region]:
    """All regions of a photo, those of Picasa's own files first, then by scheme and age."""
    rows = db.query(
        'SELECT region_id, photo_id, source, scheme, contact, "left", top, "right", bottom, display, crop, name, ignored,'
        " whole, person_id, frame, verified, face_id, decision_id FROM region WHERE photo_id = ?"
        " ORDER BY CASE scheme WHEN 'ini' THEN 0 WHEN 'db3' THEN 1 WHEN 'mwg-rs' THEN 2 WHEN 'MP' THEN 3 ELSE 4 END,"
        " place, contact",
        (photo_id,),
    )
    return [_region(row) for row in rows]


def _region(row: Row) -> Region:
    (region_id, photo, source, scheme, contact, left, top, right, bottom,
     display, crop, name, ignored, whole, person, frame, verified, face, decision) = row  # fmt: skip
    return Region(
        region_id,
        photo,
        source,
        scheme,
        contact,
        None if left is None else (left, top, right, bottom),
        None if display is None else bool(display),
        crop,
        name,
        bool(ignored),
        bool(whole),
        person,
        frame,
        bool(verified),
        face,
        decision,
    )


def save_laid(
    db: Database, region: Region, frame: str | None, verified: bool, face_id: int | None, settled: int
) -> None:
    """Where a region was laid: in which frame, on which face, with the detections up to `settled`."""
    db.execute(
        "UPDATE region SET frame = ?, verified = ?, face_id = ?, settled_detection = ? WHERE region_id = ?",
        (frame, int(verified), face_id, settled, region.region_id),
    )


def save_decision(db: Database, region_id: int, decision_id: int) -> None:
    """A decision was made from a region."""
    db.execute("UPDATE region SET decision_id = ? WHERE region_id = ?", (decision_id, region_id))


# ---------------------------------------------------------------------------------------------------- drawn faces


def faces_of(db: Database, photo_id: int) -> list[tuple[int, Box, bool]]:
    """The faces of a photo: (face_id, box, drawn); drawn: an imported region is all that speaks for it."""
    rows = db.query(
        "SELECT face_id, \"left\", top, \"right\", bottom, source IN ('picasa', 'xmp') FROM face"
        " WHERE photo_id = ? ORDER BY face_id",
        (photo_id,),
    )
    return [(row[0], Box(*row[1:5]), bool(row[5])) for row in rows]


def draw_face(db: Database, photo_id: int, source: str, box: Box) -> int:
    """A face where no detector sees one."""
    return db.execute(
        'INSERT INTO face (photo_id, source, "left", top, "right", bottom) VALUES (?, ?, ?, ?, ?, ?)',
        (photo_id, source, box.left, box.top, box.right, box.bottom),
    )


def redraw_face(db: Database, face_id: int, box: Box) -> None:
    """Its region is understood otherwise now: what was measured at the old place goes."""
    db.execute(
        'UPDATE face SET "left" = ?, top = ?, "right" = ?, bottom = ?, landmarks = NULL, landmark_kind = NULL,'
        " quality = NULL, quality_size = NULL, quality_sharpness = NULL, quality_frontal = NULL, quality_exposure = NULL"
        " WHERE face_id = ?",
        (box.left, box.top, box.right, box.bottom, face_id),
    )
    db.execute("DELETE FROM encoding WHERE face_id = ?", (face_id,))


def replace_face(db: Database, old: int, new: int) -> None:
    """A drawn face turned out to be a detected one: what was said of it is said of that."""
    box = db.one('SELECT "left", top, "right", bottom FROM face WHERE face_id = ?', (new,))
    db.execute(
        'UPDATE decision SET face_id = ?, "left" = ?, top = ?, "right" = ?, bottom = ? WHERE face_id = ?',
        (new, *(box or ()), old),
    )
    db.execute("UPDATE region SET face_id = ? WHERE face_id = ?", (new, old))
    db.execute("DELETE FROM face WHERE face_id = ?", (old,))


def remove_unused_drawn(db: Database, photo_id: int) -> None:
    """Drawn faces that no region leads to any more and of which nobody said anything."""
    db.execute(
        "DELETE FROM face WHERE photo_id = ? AND source IN ('picasa', 'xmp')"
        " AND NOT EXISTS (SELECT 1 FROM region WHERE region.face_id = face.face_id)"
        " AND NOT EXISTS (SELECT 1 FROM decision WHERE decision.face_id = face.face_id AND undone_at IS NULL)",
        (photo_id,),
    )


# -------------------------------------------------------------------------------------------------------- report


def totals(db: Database, source: str) -> dict[str, int]:
    """How the regions of a source were laid: regions, photos, named, joined, boxes, unnamed, wrapped, rescaled, ..."""
    conditions = {
        "regions": "1",
        "named": "r.name IS NOT NULL",
        "unnamed": "r.name IS NULL AND NOT r.ignored",
        "ignored": "r.ignored",
        "joined": "f.source IN ('detector', 'user')",
        "boxes": "f.source IN ('picasa', 'xmp')",
        "without_box": 'r."left" IS NULL',
        "outside": 'r."left" IS NOT NULL AND r.settled_detection IS NOT NULL AND r.face_id IS NULL',
        "not_laid": "r.settled_detection IS NULL",
        "unverified": "r.settled_detection IS NOT NULL AND NOT r.verified",
        "wrapped": "r.wrapped",
        "other_frame": "r.frame = 'other'",
        "rescaled": "r.frame LIKE 'scaled%'",
        "cropped": "r.frame = 'crop'",
    }
    sums = ", ".join(f"coalesce(sum({condition}), 0)" for condition in conditions.values())
    row = db.one(
        f"SELECT {sums}, count(DISTINCT r.photo_id), count(DISTINCT CASE WHEN r.name IS NOT NULL THEN r.photo_id END)"
        " FROM region r LEFT JOIN face f USING (face_id) WHERE r.source = ?",
        (source,),
    )
    return dict(zip((*conditions, "photos", "photos_named"), row or (), strict=True))


def per_person(db: Database, sources: Sequence[str]) -> list[tuple[str, int, str | None, str | None]]:
    """Each person with faces of these sources: name, faces, first and last year (None where no photo says when)."""
    rows = db.query(
        "SELECT w.name, count(DISTINCT r.face_id), min(substr(p.taken_at, 1, 4)), max(substr(p.taken_at, 1, 4))"
        " FROM region r JOIN person w USING (person_id) JOIN photo p USING (photo_id)"
        f" WHERE r.source IN ({', '.join('?' for _ in sources)}) AND r.face_id IS NOT NULL"
        " GROUP BY w.person_id ORDER BY 2 DESC, w.name",
        tuple(sources),
    )
    return [(name, faces, first, last) for name, faces, first, last in rows]


def differences(db: Database, source: str) -> list[tuple[str, str, str]]:
    """Where a face has another name than a region of this source says: path, the region's name, the face's."""
    rows = db.query(
        "SELECT v.path, r.name, v.person FROM region r JOIN faces_v1 v USING (face_id)"
        " WHERE r.source = ? AND r.person_id IS NOT NULL AND v.person_id IS NOT r.person_id ORDER BY v.path, r.region_id",
        (source,),
    )
    return [(path_from_sql(path), name, person or "nobody") for path, name, person in rows]


def _bit(value: bool | None) -> int | None:
    return None if value is None else int(value)
