"""What people said about faces. Rows are only ever added, or marked as undone."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations
from math import dist
from typing import Any

from facelib.geometry import pair_boxes, scale_box
from facelib.models import Box
from facelib.store.database import Database, path_from_sql
from facelib.store.faces import SAME_FACE, boxes, draw_face

# An editor that overwrote the file with quite another picture must not hand its names to whoever stands at the same
# place. Euclidean distance by the model's name up to its first hyphen: dlib's encodings of one person lie within 0.6 (dlib's
# face_recognition.py, LFW 99.38 %); vectors of length one of ArcFace models within 1.2 (of LFW's pairs, encoded by the pack
# in our test data, 99 % of those of one person are nearer and 99.5 % of the others farther), of FaceNet within 1.1.
SAME_PERSON_DISTANCE = {"dlib": 0.6, "fake": 0.6, "arcface": 1.2, "facenet": 1.1}


def offer_to_edited(db: Database, run_id: int, photo_id: int) -> int:
    """Carry what was said about the faces of the content that this photo replaced over to its own; gives how many.

    A decision follows when the boxes overlap (both as shares of their photo) and, where both faces have an encoding of
    one model, these agree. Each replaced photo is asked once; the decisions stay undoable like any other.
    """
    carried = 0
    edits = list(
        db.query("SELECT edit_id, old_photo_id FROM edit WHERE new_photo_id = ? AND offered_run IS NULL", (photo_id,))
    )
    for edit_id, old_photo_id in edits:
        carried += _carry(db, old_photo_id, photo_id)
        db.execute("UPDATE edit SET offered_run = ? WHERE edit_id = ?", (run_id, edit_id))
    return carried


def add(
    db: Database, face_id: int, verdict: str, person_id: int | None, made_by: str, act_id: int | None = None
) -> int:
    """Write down what somebody said about a face, keyed to its photo and its box as they are now."""
    return db.execute(
        'INSERT INTO decision (sha256, "left", top, "right", bottom, face_id, verdict, person_id, made_by, made_at,'
        ' act_id) SELECT p.sha256, f."left", f.top, f."right", f.bottom, f.face_id, ?, ?, ?, ?, ?'
        " FROM face f JOIN photo p USING (photo_id) WHERE f.face_id = ?",
        (verdict, person_id, made_by, now(), act_id, face_id),
    )


def replace(db: Database, decision_id: int) -> None:
    """An importer says something else now: its old decision does not stand any more, and may be made again."""
    db.execute("UPDATE decision SET undone_at = ? WHERE decision_id = ?", (now(), decision_id))
    db.execute("UPDATE region SET decision_id = NULL WHERE decision_id = ?", (decision_id,))


def state(db: Database) -> str:
    """A text that changes with everything that is decided or taken back, about faces or people."""
    said = db.one("SELECT coalesce(max(decision_id), 0), count(undone_at) FROM decision")
    done = db.one("SELECT coalesce(max(act_id), 0), count(undone_at) FROM act")
    return " ".join(map(str, (*(said or ()), *(done or ()))))


def journal(db: Database) -> Iterator[dict[str, Any]]:
    """All decisions, oldest first, with everything that is needed to make them again in another database."""
    rows = db.query(
        'SELECT d.sha256, d."left", d.top, d."right", d.bottom, d.verdict, w.name, d.made_by, d.made_at, d.undone_at,'
        " (SELECT f.path FROM photo p JOIN file f USING (photo_id) WHERE p.sha256 = d.sha256"
        "   ORDER BY f.present DESC, f.file_id LIMIT 1)"
        " FROM decision d LEFT JOIN person said USING (person_id)"
        " LEFT JOIN person w ON w.person_id = coalesce(said.merged_into, said.person_id) ORDER BY d.decision_id"
    )
    for sha256, left, top, right, bottom, verdict, name, made_by, made_at, undone_at, path in rows:
        yield {
            "sha256": sha256,
            "box": [left, top, right, bottom],
            "verdict": verdict,
            "name": name,
            "made_by": made_by,
            "made_at": made_at,
            "undone_at": undone_at,
            "path": None if path is None else path_from_sql(path).encode("utf-8", "backslashreplace").decode(),
        }


def restore(db: Database, line: dict[str, Any], person_id: int | None, act_id: int | None) -> bool:
    """Add a line of a journal, unless it is there; gives whether it was added. Its face is found by `replay`."""
    left, top, right, bottom = (int(side) for side in line["box"])
    if not (0 <= left < right and 0 <= top < bottom) or line["made_by"] not in ("user", "picasa", "xmp"):
        raise ValueError("no decision about a face")
    verdict, sha256, made_at = str(line["verdict"]), str(line["sha256"]), str(line["made_at"])
    if verdict not in ("is", "is_not", "no_face", "ignore") or (verdict in ("is", "is_not")) != (person_id is not None):
        raise ValueError(f"{verdict!r} is nothing that can be said of a face, or a name is missing")
    values = (sha256, left, top, right, bottom, verdict, person_id, line["made_by"], made_at)
    there = db.value(
        'SELECT 1 FROM decision WHERE sha256 = ? AND "left" = ? AND top = ? AND "right" = ? AND bottom = ? AND verdict = ?'
        " AND person_id IS ? AND made_by = ? AND made_at = ? AND (undone_at IS NULL) = ?",
        (*values, int(line.get("undone_at") is None)),
    )
    if there:
        return False
    db.execute(
        'INSERT INTO decision (sha256, "left", top, "right", bottom, verdict, person_id, made_by, made_at, undone_at, act_id)'
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*values, line.get("undone_at"), act_id),
    )
    return True


def homeless(db: Database) -> list[str]:
    """The photos, by digest, with decisions that belong to no face at the moment."""
    rows = db.query(
        "SELECT DISTINCT d.sha256 FROM decision d JOIN photo p USING (sha256) WHERE d.face_id IS NULL AND p.width IS NOT NULL"
    )
    return [row[0] for row in rows]


def replay_photo(db: Database, photo_id: int) -> int:
    """`replay` for a photo that was just searched."""
    return replay(db, str(db.value("SELECT sha256 FROM photo WHERE photo_id = ?", (photo_id,))))


def replay(db: Database, sha256: str) -> int:
    """Give the decisions of a photo that belong to no face, since it was searched anew, to the faces at their places.

    A face that the user named and that no detector sees is drawn again. Gives how many found a face.
    """
    rows = list(
        db.query(
            'SELECT decision_id, "left", top, "right", bottom, made_by, verdict, undone_at FROM decision'
            " WHERE sha256 = ? AND face_id IS NULL ORDER BY decision_id",
            (sha256,),
        )
    )
    if not rows:
        return 0
    photo_id = int(db.value("SELECT photo_id FROM photo WHERE sha256 = ?", (sha256,)))
    places = list(dict.fromkeys(Box(*row[1:5]) for row in rows))
    faces = boxes(db, photo_id)
    at = {places[new]: faces[old][0] for new, old in pair_boxes([box for _, box in faces], places, SAME_FACE).items()}
    found = 0
    for decision_id, left, top, right, bottom, made_by, verdict, undone_at in rows:
        box = Box(left, top, right, bottom)
        if box not in at and made_by == "user" and verdict != "no_face" and undone_at is None:
            at[box] = draw_face(db, photo_id, "user", box)
        if box in at:
            db.execute("UPDATE decision SET face_id = ? WHERE decision_id = ?", (at[box], decision_id))
            found += 1
    return found


def now() -> str:
    """This moment as the database writes it: ISO 8601, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _carry(db: Database, old_photo_id: int, new_photo_id: int) -> int:
    sizes = [
        db.one("SELECT width, height, sha256 FROM photo WHERE photo_id = ?", (p,)) for p in (old_photo_id, new_photo_id)
    ]
    if any(size is None or not size[0] or not size[1] for size in sizes):
        return 0
    (old_width, old_height, _), (new_width, new_height, sha256) = (size for size in sizes if size is not None)
    old, new = boxes(db, old_photo_id), boxes(db, new_photo_id)
    moved = [scale_box(box, new_width / old_width, new_height / old_height) for _, box in old]
    carried = 0
    for new_index, old_index in pair_boxes(moved, [box for _, box in new], SAME_FACE).items():
        old_face, (new_face, box) = old[old_index][0], new[new_index]
        if _encodings_disagree(db, old_face, new_face) or _is_spoken_for(db, old_face, new_face):
            continue
        carried += _copy(db, old_face, new_face, sha256, box)
    return carried


def _copy(db: Database, old_face: int, new_face: int, sha256: str, box: Box) -> int:
    said = list(
        db.query(
            "SELECT decision_id, verdict, person_id, made_by, made_at FROM decision"
            " WHERE face_id = ? AND undone_at IS NULL ORDER BY decision_id",
            (old_face,),
        )
    )
    for decision_id, verdict, person_id, made_by, made_at in said:
        db.execute(
            'INSERT INTO decision (sha256, "left", top, "right", bottom, face_id, verdict, person_id, made_by, made_at,'
            " carried_from) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                sha256,
                box.left,
                box.top,
                box.right,
                box.bottom,
                new_face,
                verdict,
                person_id,
                made_by,
                made_at,
                decision_id,
            ),
        )
    return len(said)


def _is_spoken_for(db: Database, old_face: int, new_face: int) -> bool:
    """Whether what was said of the new face already counts; an importer's word does not count before the user's."""
    said = "SELECT 1 FROM decision WHERE face_id = ? AND undone_at IS NULL"
    by_user = f"{said} AND made_by = 'user'"
    return bool(db.value(by_user if db.value(by_user, (old_face,)) else said, (new_face,)))


def _encodings_disagree(db: Database, one: int, other: int) -> bool:
    rows = db.query("SELECT model, vector FROM encoding WHERE face_id IN (?, ?)", (one, other))
    by_model: dict[str, list[tuple[float, ...]]] = {}
    for model, vector in rows:
        by_model.setdefault(model, []).append(struct.unpack(f"<{len(vector) // 4}f", vector))
    return any(
        dist(a, b)
        > SAME_PERSON_DISTANCE.get(model.split("-")[0], 0.0)  # a model that nobody measured agrees with nothing
        for model, vectors in by_model.items()
        for a, b in combinations(vectors, 2)
    )
