"""Regions: the faces that other programs left, as they wrote them, and where they were laid."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from facelib.models import Box
from facelib.store.database import Database, Row, path_from_sql

Shares = tuple[float, float, float, float]
Teller = tuple[str, bool]
"""Who says something of a photo in a folder: a scheme, and whether in a sidecar."""

IMPORTED = frozenset(("picasa", "xmp"))  # of `face.source`: an imported region is all that speaks for the face

# The newest detection of the photo `r.photo_id` that came to a result; 0 where no detector has looked.
_NEWEST = "coalesce((SELECT max(detection_id) FROM detection d WHERE d.photo_id = r.photo_id AND d.error IS NULL), 0)"
_DUE = f"(r.settled_detection IS NULL OR (r.gone = 0 AND r.settled_detection <> {_NEWEST}))"
_READABLE = "EXISTS (SELECT 1 FROM photo p WHERE p.photo_id = r.photo_id AND p.width IS NOT NULL AND p.error IS NULL)"


@dataclass(frozen=True, slots=True)
class Found:
    """A region as an importer found it."""

    source: str  # 'picasa', 'xmp'
    scheme: str  # 'ini', 'db3', 'mwg-rs', 'MP', 'iptc'
    place: str  # as written
    contact: str  # Picasa's id, or ''
    shares: Shares | None  # of the frame that it was stored in; None: a person without a box
    sidecar: bool = False
    wrapped: bool = False
    display: bool | None = None  # True: the writer says that its numbers are about the upright picture
    crop: str | None = None
    name: str | None = None
    ignored: bool = False
    whole: bool = False  # the box is about the person, perhaps not only the face

    @property
    def key(self) -> tuple[str, bool, str, str]:
        """What makes it the same region in the next import."""
        return self.scheme, self.sidecar, self.place, self.contact


@dataclass(frozen=True, slots=True)
class Region:
    """A region of the database."""

    region_id: int
    photo_id: int
    folder_id: int
    source: str
    scheme: str
    sidecar: bool
    contact: str
    shares: Shares | None
    display: bool | None
    crop: str | None
    name: str | None
    ignored: bool
    whole: bool
    person_id: int | None
    meant: int | None  # whom that person was merged into, or the person
    gone: bool
    frame: str | None  # how it was laid: 'rule', 'other', 'scaled 0.7813', 'crop'
    verified: bool
    settled: int | None  # the photo's newest detection then
    face_id: int | None
    decision_id: int | None

    @property
    def teller(self) -> tuple[int, str, bool]:
        """Of whose regions it is one: what one file says of a photo are different faces."""
        return self.folder_id, self.scheme, self.sidecar


@dataclass(slots=True)
class Changes:
    """What an importer said that was not known."""

    new: int = 0
    changed: int = 0
    gone: int = 0  # not said any more

    def add(self, other: Changes) -> None:
        """Count these too."""
        self.new, self.changed, self.gone = self.new + other.new, self.changed + other.changed, self.gone + other.gone


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

    @property
    def searched(self) -> bool:
        """Whether a detector has looked."""
        return self.newest > 0


# ------------------------------------------------------------------------------------------------- what is said


def say(
    db: Database,
    run_id: int,
    photo_id: int,
    folder_id: int,
    tellers: Collection[Teller],
    found: Iterable[Found],
    id_of: Callable[[str], int | None],
) -> Changes:
    """Write what is said of a photo in a folder now; what these tellers do not say any more is marked as gone.

    So is what they said in folders where the photo does not lie any more: it moved here, and its ini with it. A person
    keeps his id while his name stays, whatever the user calls him now (`id_of` gives that of a new name).
    """
    changes = Changes()
    wanted = {one.key: one for one in reversed(list(found))}  # of two with one key the first counts
    known, left = _known(db, photo_id, folder_id, {*tellers, *(key[:2] for key in wanted)})
    for one in reversed(wanted.values()):
        row = known.pop(one.key, None)
        if row is None:
            person = None if one.name is None else id_of(one.name)
            _insert(db, run_id, photo_id, folder_id, one, person)
            changes.new += 1
            continue
        region_id, before, name, person = row[0], row[1:7], row[7], row[8]
        said = one.name
        if said is None and one.contact:
            said = name  # contacts.xml was there the last time and is not now: what it said stays
        if said != name:
            person = None if said is None else id_of(said)
        now = (folder_id, int(one.ignored), one.crop, _bit(one.display), int(one.whole), 0)
        if (*now, said) != (*before, name):
            db.execute(
                "UPDATE region SET folder_id = ?, ignored = ?, crop = ?, display = ?, whole = ?, gone = ?, name = ?,"
                " person_id = ?, settled_detection = NULL WHERE region_id = ?",
                (*now, said, person, region_id),
            )
            changes.changed += 1
    left += [row for key, row in known.items() if key[:2] in tellers]
    for row in left:
        if not row[6]:
            db.execute("UPDATE region SET gone = 1, settled_detection = NULL WHERE region_id = ?", (row[0],))
            changes.gone += 1
    return changes


def _known(
    db: Database, photo_id: int, folder_id: int, tellers: Collection[Teller]
) -> tuple[dict[tuple[str, bool, str, str], Row], list[Row]]:
    """What these tellers said, by key: region_id, folder_id, ignored, crop, display, whole, gone, name, person_id.

    Of a key that is known from here and from where the photo lay before, what is known from here counts; the others follow.
    """
    rows = db.query(
        "SELECT scheme, sidecar, place, contact, region_id, folder_id, ignored, crop, display, whole, gone, name, person_id"
        " FROM region r WHERE photo_id = ? AND (folder_id = ? OR (gone = 0 AND NOT EXISTS (SELECT 1 FROM file f"
        "   WHERE f.photo_id = r.photo_id AND f.folder_id = r.folder_id AND f.present = 1)))"
        " ORDER BY folder_id <> ?, region_id",
        (photo_id, folder_id, folder_id),
    )
    known: dict[tuple[str, bool, str, str], Row] = {}
    others: list[Row] = []
    for scheme, sidecar, place, contact, *values in rows:
        key = (scheme, bool(sidecar), place, contact)
        if key in known:
            others.append(tuple(values))
        elif key[:2] in tellers:
            known[key] = tuple(values)
    return known, others


def _insert(db: Database, run_id: int, photo_id: int, folder_id: int, one: Found, person_id: int | None) -> None:
    db.execute(
        "INSERT INTO region (photo_id, folder_id, source, scheme, sidecar, place, contact, wrapped, name, ignored,"
        ' person_id, crop, display, whole, run_id, "left", top, "right", bottom)'
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (photo_id, folder_id, one.source, one.scheme, int(one.sidecar), one.place, one.contact, int(one.wrapped),
         one.name, int(one.ignored), person_id, one.crop, _bit(one.display), int(one.whole), run_id,
         *(one.shares or (None,) * 4)),
    )  # fmt: skip


def has_any(db: Database, photo_id: int, scheme: str) -> bool:
    """Whether a photo has, or had, regions of this scheme."""
    return bool(db.value("SELECT 1 FROM region WHERE photo_id = ? AND scheme = ?", (photo_id, scheme)))


# ----------------------------------------------------------------------------------------------------- what is due


def folders_due(db: Database) -> list[int]:
    """The folders with regions that were never laid, or not since a detector last looked."""
    rows = db.query(f"SELECT DISTINCT r.folder_id FROM region r WHERE {_DUE} AND {_READABLE} ORDER BY 1")
    return [row[0] for row in rows]


def photos_of(db: Database, folder_id: int) -> list[KnownPhoto]:
    """The photos with regions of a folder."""
    rows = db.query(
        "SELECT p.photo_id, p.sha256,"
        " (SELECT path FROM file WHERE photo_id = p.photo_id ORDER BY present DESC, file_id LIMIT 1),"
        f" p.width, p.height, coalesce(p.orientation, 1), {_NEWEST.replace('r.photo_id', 'p.photo_id')}"
        " FROM photo p WHERE p.photo_id IN (SELECT photo_id FROM region WHERE folder_id = ?)"
        " AND p.width IS NOT NULL AND p.error IS NULL ORDER BY p.photo_id",
        (folder_id,),
    )
    return [
        KnownPhoto(photo_id, sha256, "" if path is None else path_from_sql(path), width, height, orientation, newest)
        for photo_id, sha256, path, width, height, orientation, newest in rows
    ]


def size_of(db: Database, photo_id: int) -> tuple[int, int, int] | None:
    """Upright width and height and the orientation of a photo; None where it was not read."""
    row = db.one(
        "SELECT width, height, coalesce(orientation, 1) FROM photo WHERE photo_id = ? AND error IS NULL", (photo_id,)
    )
    return None if row is None or row[0] is None else (row[0], row[1], row[2])


def of_photo(db: Database, photo_id: int) -> list[Region]:
    """All regions of a photo, the most trusted first: Picasa's own files, then sidecars, which are newer than the photo."""
    rows = db.query(
        'SELECT region_id, photo_id, folder_id, source, scheme, sidecar, contact, "left", top, "right", bottom, display,'
        " crop, r.name, ignored, whole, r.person_id, coalesce(w.merged_into, r.person_id), gone, frame, verified,"
        " settled_detection, face_id, decision_id FROM region r LEFT JOIN person w USING (person_id) WHERE photo_id = ?"
        " ORDER BY CASE scheme WHEN 'ini' THEN 0 WHEN 'db3' THEN 1 ELSE 2 END, sidecar DESC,"
        " CASE scheme WHEN 'mwg-rs' THEN 0 WHEN 'MP' THEN 1 ELSE 2 END, folder_id, place, contact",
        (photo_id,),
    )
    return [_region(row) for row in rows]


def _region(row: Row) -> Region:
    (region_id, photo, folder, source, scheme, sidecar, contact, left, top, right, bottom, display, crop, name,
     ignored, whole, person, meant, gone, frame, verified, settled, face, decision) = row  # fmt: skip
    shares = None if left is None else (left, top, right, bottom)
    shown = None if display is None else bool(display)
    return Region(
        region_id, photo, folder, source, scheme, bool(sidecar), contact, shares, shown, crop, name, bool(ignored),
        bool(whole), person, meant, bool(gone), frame, bool(verified), settled, face, decision,
    )  # fmt: skip


def save_laid(
    db: Database, region: Region, frame: str | None, verified: bool, face_id: int | None, settled: int
) -> None:
    """Where a region was laid: in which frame, on which face, with the detections up to `settled`."""
    if (region.frame, region.verified, region.face_id, region.settled) != (frame, verified, face_id, settled):
        db.execute(
            "UPDATE region SET frame = ?, verified = ?, face_id = ?, settled_detection = ? WHERE region_id = ?",
            (frame, int(verified), face_id, settled, region.region_id),
        )


def save_decision(db: Database, region_id: int, decision_id: int) -> None:
    """A decision was made from a region."""
    db.execute("UPDATE region SET decision_id = ? WHERE region_id = ?", (decision_id, region_id))


def name_by_place(db: Database) -> bool:
    """Give ids without a name the one that XMP regions at the places of their faces say; gives whether anything changed.

    One id is one person in all photos: of several names the most frequent counts. The regions become due again.
    """
    votes: dict[str, list[tuple[int, str, int]]] = {}
    for contact, person_id, name, number in db.query(
        "SELECT r.contact, x.person_id, min(x.name), count(*) FROM region r JOIN region x USING (face_id)"
        " WHERE r.name IS NULL AND r.contact <> '' AND r.gone = 0 AND x.source = 'xmp' AND x.gone = 0"
        " AND x.person_id IS NOT NULL GROUP BY 1, 2"
    ):
        votes.setdefault(contact, []).append((-number, name, person_id))
    changed = False
    nameless = db.query(
        "SELECT DISTINCT contact FROM region WHERE name IS NULL AND contact <> '' AND gone = 0 ORDER BY 1"
    )
    for (contact,) in list(nameless):
        person = min(votes[contact])[2] if contact in votes else None
        other = "contact = ? AND contact <> '' AND name IS NULL AND person_id IS NOT ?"
        if db.value(f"SELECT 1 FROM region WHERE {other}", (contact, person)):
            db.execute(
                f"UPDATE region SET person_id = ?, settled_detection = NULL WHERE {other}", (person, contact, person)
            )
            changed = True
    return changed


# ---------------------------------------------------------------------------------------------------- drawn faces


def faces_of(db: Database, photo_id: int) -> list[tuple[int, Box, str]]:
    """The faces of a photo: (face_id, box, source)."""
    rows = db.query(
        'SELECT face_id, "left", top, "right", bottom, source FROM face WHERE photo_id = ? ORDER BY face_id',
        (photo_id,),
    )
    return [(row[0], Box(*row[1:5]), row[5]) for row in rows]


def denied_of(db: Database, photo_id: int) -> set[int]:
    """The faces of a photo that are none, as somebody said."""
    rows = db.query(
        "SELECT face_id FROM standing_decision JOIN face USING (face_id) WHERE photo_id = ? AND verdict = 'no_face'",
        (photo_id,),
    )
    return {row[0] for row in rows}


def redraw_face(db: Database, face_id: int, source: str, box: Box) -> None:
    """Its region is understood otherwise now: what was measured at the old place goes."""
    db.execute(
        'UPDATE face SET source = ?, "left" = ?, top = ?, "right" = ?, bottom = ?, landmarks = NULL, landmark_kind = NULL,'
        " quality = NULL, quality_size = NULL, quality_sharpness = NULL, quality_frontal = NULL, quality_exposure = NULL"
        " WHERE face_id = ?",
        (source, box.left, box.top, box.right, box.bottom, face_id),
    )
    _move_decisions(db, face_id, face_id, box)
    db.execute("DELETE FROM encoding WHERE face_id = ?", (face_id,))


def replace_face(db: Database, old: int, new: int, box: Box) -> None:
    """A drawn face turned out to be another one, with this box: what was said of it is said of that."""
    _move_decisions(db, old, new, box)
    delete_face(db, old)


def _move_decisions(db: Database, old: int, new: int, box: Box) -> None:
    db.execute(
        'UPDATE decision SET face_id = ?, "left" = ?, top = ?, "right" = ?, bottom = ? WHERE face_id = ?',
        (new, box.left, box.top, box.right, box.bottom, old),
    )


def delete_face(db: Database, face_id: int) -> None:
    """A drawn face that no region leads to any more and of which the user has said nothing."""
    db.execute("DELETE FROM face WHERE face_id = ?", (face_id,))


def keep_as_users(db: Database, face_id: int) -> None:
    """No region leads to this drawn face any more, but the user has said something of it: it is his now."""
    db.execute("UPDATE face SET source = 'user' WHERE face_id = ?", (face_id,))


# ----------------------------------------------------------------------------------------------------- decisions


@dataclass(frozen=True, slots=True)
class Said:
    """A decision about a face of a photo."""

    decision_id: int
    face_id: int | None  # None: its face is gone
    verdict: str  # 'is', 'is_not', 'no_face', 'ignore'
    meant: int | None  # the person, or whom he was merged into
    made_by: str  # 'user', 'picasa', 'xmp'
    undone: bool


def decisions_of(db: Database, photo: KnownPhoto) -> list[Said]:
    """All that was ever decided about the faces of a photo, oldest first."""
    rows = db.query(
        "SELECT decision_id, face_id, verdict, coalesce(w.merged_into, d.person_id), made_by, undone_at IS NOT NULL"
        " FROM decision d LEFT JOIN person w USING (person_id) WHERE sha256 = ? ORDER BY decision_id",
        (photo.sha256,),
    )
    return [
        Said(decision_id, face_id, verdict, meant, made_by, bool(undone))
        for decision_id, face_id, verdict, meant, made_by, undone in rows
    ]


def spoken_of(db: Database, photo_id: int) -> set[int]:
    """The faces of a photo of which the user has said something that stands."""
    rows = db.query(
        "SELECT DISTINCT face_id FROM decision JOIN face USING (face_id)"
        " WHERE photo_id = ? AND made_by = 'user' AND undone_at IS NULL",
        (photo_id,),
    )
    return {row[0] for row in rows}


def give_face(db: Database, decision_id: int, face_id: int) -> None:
    """A decision whose face went, and came again as this one."""
    db.execute(
        'UPDATE decision SET (face_id, "left", top, "right", bottom) ='
        ' (SELECT face_id, "left", top, "right", bottom FROM face WHERE face_id = ?) WHERE decision_id = ?',
        (face_id, decision_id),
    )


# -------------------------------------------------------------------------------------------------------- report


def totals(db: Database, source: str) -> dict[str, int]:
    """How the regions of a source lie now: how many there are, and how many faces they are.

    A face that is told several times, by two schemas or by the inis of two copies, is one. `regions` counts what is written.
    """
    conditions = {
        "faces": "r.face_id IS NOT NULL",
        "named": "r.face_id IS NOT NULL AND r.person_id IS NOT NULL",
        "ignored": "r.face_id IS NOT NULL AND r.ignored",
        "joined": "f.source IN ('detector', 'user')",
        "boxes": "f.source IN ('picasa', 'xmp') AND r.settled_detection > 0",
        "waiting": "f.source IN ('picasa', 'xmp') AND r.settled_detection = 0",
        "unverified": "r.face_id IS NOT NULL AND r.settled_detection > 0 AND NOT r.verified",
        "wrapped": "r.face_id IS NOT NULL AND r.wrapped",
        "other_frame": "r.face_id IS NOT NULL AND r.frame = 'other'",
        "rescaled": "r.face_id IS NOT NULL AND r.frame LIKE 'scaled%'",
        "cropped": "r.face_id IS NOT NULL AND r.frame = 'crop'",
    }
    counts = ", ".join(f"count(DISTINCT CASE WHEN {condition} THEN r.face_id END)" for condition in conditions.values())
    written = {
        "without_box": 'r."left" IS NULL',
        "whole": 'r."left" IS NOT NULL AND r.whole AND r.settled_detection IS NOT NULL AND r.face_id IS NULL',
        "outside": 'r."left" IS NOT NULL AND NOT r.whole AND r.settled_detection IS NOT NULL AND r.face_id IS NULL',
        "not_laid": 'r."left" IS NOT NULL AND r.settled_detection IS NULL',
    }
    sums = ", ".join(f"coalesce(sum({condition}), 0)" for condition in written.values())
    row = db.one(
        f"SELECT count(*), {counts}, {sums}, count(DISTINCT CASE WHEN r.face_id IS NOT NULL THEN r.photo_id END),"
        " count(DISTINCT CASE WHEN r.face_id IS NOT NULL AND r.person_id IS NOT NULL THEN r.photo_id END)"
        " FROM region r LEFT JOIN face f USING (face_id) WHERE r.source = ? AND r.gone = 0",
        (source,),
    )
    found = dict(zip(("regions", *conditions, *written, "photos", "photos_named"), row or (), strict=True))
    return {**found, "unnamed": found["faces"] - found["named"]}


def faceless(db: Database, sources: Sequence[str]) -> list[tuple[str, str, str]]:
    """Who is in a photo by these sources and on no face of it: path, name, why."""
    rows = db.query(
        "SELECT (SELECT path FROM file WHERE photo_id = r.photo_id ORDER BY present DESC, file_id LIMIT 1), r.name,"
        " CASE WHEN r.\"left\" IS NULL THEN 'nobody says where' WHEN r.settled_detection IS NULL THEN 'it cannot be read'"
        "      WHEN r.whole THEN 'no face is seen in the box around this person' ELSE 'the box is outside of the photo' END,"
        " min(r.region_id)"
        f" FROM region r WHERE r.source IN ({', '.join('?' for _ in sources)}) AND r.gone = 0 AND r.face_id IS NULL"
        " AND r.name IS NOT NULL GROUP BY r.photo_id, r.name ORDER BY 1, 4",
        tuple(sources),
    )
    return [("" if row[0] is None else path_from_sql(row[0]), row[1], row[2]) for row in rows]


def per_person(db: Database, sources: Sequence[str]) -> list[tuple[str, int, str | None, str | None]]:
    """Each person with faces by these sources: name, faces, first and last year (None where no photo says when)."""
    rows = db.query(
        "SELECT w.name, count(DISTINCT r.face_id), min(substr(p.taken_at, 1, 4)), max(substr(p.taken_at, 1, 4))"
        " FROM region r JOIN person said USING (person_id) JOIN photo p USING (photo_id)"
        " JOIN person w ON w.person_id = coalesce(said.merged_into, said.person_id)"
        f" WHERE r.source IN ({', '.join('?' for _ in sources)}) AND r.face_id IS NOT NULL AND r.gone = 0"
        " GROUP BY w.person_id ORDER BY 2 DESC, w.name",
        tuple(sources),
    )
    return [(name, faces, first, last) for name, faces, first, last in rows]


def differences(db: Database, source: str) -> list[tuple[str, str, str]]:
    """Where a face is shown as somebody else than a region of this source says: path, the region's name, the face's."""
    rows = db.query(
        "SELECT (SELECT path FROM file WHERE photo_id = r.photo_id ORDER BY present DESC, file_id LIMIT 1), said.name,"
        " CASE WHEN v.face_id IS NULL THEN 'a face' ELSE coalesce(v.person, 'anybody') END, min(r.region_id)"
        " FROM region r JOIN person said ON said.person_id = r.person_id LEFT JOIN faces_v1 v ON v.face_id = r.face_id"
        " WHERE r.source = ? AND r.gone = 0 AND r.face_id IS NOT NULL"
        " AND v.person_id IS NOT coalesce(said.merged_into, said.person_id) GROUP BY r.face_id, said.person_id ORDER BY 1, 4",
        (source,),
    )
    return [("" if row[0] is None else path_from_sql(row[0]), row[1], row[2]) for row in rows]


def _bit(value: bool | None) -> int | None:
    return None if value is None else int(value)
