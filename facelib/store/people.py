"""People and clusters: finding them by name or by Picasa's id, and making those that are not there yet."""

from __future__ import annotations

import unicodedata

from facelib.store.database import Database


def clean_name(name: str) -> str:
    """A name as it is kept: in one Unicode form, control characters and runs of spaces as one space, trimmed; or ''.

    >>> clean_name("  Ann\\tLee ")
    'Ann Lee'
    """
    spaced = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in name)
    return unicodedata.normalize("NFC", " ".join(spaced.split()))


def name_key(name: str) -> str:
    """What is equal for names that are one: case does not tell people apart.

    >>> name_key("JOSÉ") == name_key("jose\\u0301")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", clean_name(name)).casefold())


class People:
    """The people by name, read once; those who are not there yet are added."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._ids: dict[str, int] = {}
        for person_id, name in db.query(
            "SELECT coalesce(merged_into, person_id), name FROM person ORDER BY merged_into IS NOT NULL, person_id"
        ):
            self._ids.setdefault(name_key(name), person_id)
        self.added = 0

    def id_of(self, name: str) -> int | None:
        """The person of this name, who may be new; None where the name is empty."""
        key = name_key(name)
        if not key:
            return None
        if key not in self._ids:
            self._ids[key] = self._db.execute("INSERT INTO person (name) VALUES (?)", (clean_name(name),))
            self.added += 1
        return self._ids[key]


def cluster_of_contact(db: Database, contact: str, person_id: int | None) -> int:
    """The cluster of the faces that Picasa gave this id, which may be new.

    A cluster that was nobody's becomes that of the person, once the id has a name.
    """
    found = db.value(
        "SELECT cluster_id FROM cluster WHERE contact = ? AND coalesce(person_id, 0) = ?", (contact, person_id or 0)
    )
    if found is not None:
        return int(found)
    nobodys = db.value("SELECT cluster_id FROM cluster WHERE contact = ? AND person_id IS NULL", (contact,))
    if nobodys is not None:
        db.execute("UPDATE cluster SET person_id = ? WHERE cluster_id = ?", (person_id, nobodys))
        return int(nobodys)
    return db.execute("INSERT INTO cluster (person_id, contact) VALUES (?, ?)", (person_id, contact))


def put_into_cluster(db: Database, face_id: int, cluster_id: int) -> None:
    """Write down that Picasa's contact puts a face into a cluster, unless encodings have said where it belongs."""
    db.execute(
        "INSERT INTO match (face_id, cluster_id, model) VALUES (?, ?, 'picasa') ON CONFLICT (face_id) DO UPDATE"
        " SET cluster_id = excluded.cluster_id WHERE model = 'picasa' AND cluster_id IS NOT excluded.cluster_id",
        (face_id, cluster_id),
    )
