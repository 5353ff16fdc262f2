"""People and clusters: finding them by name or by Picasa's id, and making those that are not there yet."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

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
        # What importers call somebody stays his name for them, whatever the user calls him now, and whomever he was
        # merged into: the views follow merges, and undoing one leaves everybody with his own faces.
        named = (
            "SELECT DISTINCT person_id, name FROM region WHERE name IS NOT NULL AND person_id IS NOT NULL ORDER BY 1"
        )
        everybody = (
            "SELECT coalesce(merged_into, person_id), name FROM person ORDER BY merged_into IS NOT NULL, person_id"
        )
        for sql in (named, everybody):
            for person_id, name in db.query(sql):
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

    def follow_renames(self, names: Callable[[int], str | None]) -> list[tuple[str, str]]:
        """Rename people as Picasa's list of people did since the last import; gives old and new names.

        `names` is what that list calls an id now. It is somebody's new name where all of his ids are called so and nobody
        else is; whom the user has renamed keeps the user's name. Where it is not, the regions get another person.
        """
        called: dict[int, list[tuple[str, str | None]]] = {}
        for contact, name, person_id in self._db.query(
            "SELECT DISTINCT contact, name, person_id FROM region"
            " WHERE contact <> '' AND name IS NOT NULL AND person_id IS NOT NULL AND gone = 0 ORDER BY person_id, contact"
        ):
            called.setdefault(person_id, []).append((name, names(int(contact, 16))))
        renamed = []
        for person_id, said in called.items():
            now = {clean_name(new or "") for _, new in said}
            new = now.pop()
            if now or not new or self._ids.setdefault(name_key(new), person_id) != person_id:
                continue
            was = str(self._db.value("SELECT name FROM person WHERE person_id = ?", (person_id,)))
            if new != was and all(old == was for old, _ in said):
                self._db.execute("UPDATE person SET name = ? WHERE person_id = ?", (new, person_id))
                renamed.append((was, new))
        return renamed


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


def clusters_by_contact(db: Database, photo_id: int) -> dict[int, int]:
    """The faces of a photo that are in a cluster because of Picasa's contact: face_id -> cluster_id."""
    rows = db.query(
        "SELECT face_id, cluster_id FROM match JOIN face USING (face_id) WHERE photo_id = ? AND model = 'picasa'",
        (photo_id,),
    )
    return dict(rows)


def put_into_cluster(db: Database, face_id: int, cluster_id: int) -> None:
    """Write down that Picasa's contact puts a face into a cluster, unless encodings have said where it belongs."""
    db.execute(
        "INSERT INTO match (face_id, cluster_id, model) VALUES (?, ?, 'picasa') ON CONFLICT (face_id) DO UPDATE"
        " SET cluster_id = excluded.cluster_id WHERE model = 'picasa' AND cluster_id IS NOT excluded.cluster_id",
        (face_id, cluster_id),
    )


def take_from_cluster(db: Database, face_id: int) -> None:
    """No contact speaks for a face any more."""
    db.execute("DELETE FROM match WHERE face_id = ? AND model = 'picasa'", (face_id,))


def remove_empty_clusters(db: Database) -> None:
    """Clusters of contacts that nothing is in and no region speaks of any more."""
    db.execute(
        "DELETE FROM cluster WHERE contact IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM match m WHERE m.cluster_id = cluster.cluster_id)"
        " AND NOT EXISTS (SELECT 1 FROM region r WHERE r.face_id IS NOT NULL AND r.gone = 0"
        "   AND r.contact = cluster.contact AND r.person_id IS cluster.person_id)"
    )
