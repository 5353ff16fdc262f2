"""What others know beside faces: stars, captions, keywords, albums, folders; and the names of Picasa's ids.

Each folder's words are kept apart, because copies of a photo may lie in several. What a folder says now takes the place of
what it said; what it does not speak of stays.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from facelib.store.database import Database


@dataclass(frozen=True, slots=True)
class Note:
    """What is said of a photo."""

    starred: bool = False
    caption: str | None = None
    keywords: tuple[str, ...] = ()


def note_photo(db: Database, photo_id: int, folder_id: int, source: str, note: Note) -> bool:
    """Write what 'ini', 'db3' or 'xmp' says of a photo in a folder; gives whether anything changed."""
    key = (photo_id, folder_id, source)
    _forget_moved(db, photo_id, folder_id)
    before = db.one("SELECT starred, caption FROM photo_note WHERE photo_id = ? AND folder_id = ? AND source = ?", key)
    after = (int(note.starred), note.caption or None)
    words = {word for keyword in note.keywords if (word := keyword.strip())}
    known = {
        row[0]
        for row in db.query("SELECT keyword FROM keyword WHERE photo_id = ? AND folder_id = ? AND source = ?", key)
    }
    if (before or (0, None)) == after and known == words:
        return False
    db.execute("DELETE FROM photo_note WHERE photo_id = ? AND folder_id = ? AND source = ?", key)
    if after != (0, None):
        db.execute(
            "INSERT INTO photo_note (photo_id, folder_id, source, starred, caption) VALUES (?, ?, ?, ?, ?)",
            (*key, *after),
        )
    db.execute_many(
        "DELETE FROM keyword WHERE photo_id = ? AND folder_id = ? AND source = ? AND keyword = ?",
        ((*key, word) for word in sorted(known - words)),
    )
    db.execute_many(
        "INSERT INTO keyword (photo_id, folder_id, source, keyword) VALUES (?, ?, ?, ?)",
        ((*key, word) for word in sorted(words - known)),
    )
    return True


def put_into_albums(db: Database, photo_id: int, folder_id: int, albums: Collection[int]) -> bool:
    """Write in which albums a photo is by the ini of a folder; gives whether anything changed."""
    rows = db.query("SELECT album_id FROM album_photo WHERE photo_id = ? AND folder_id = ?", (photo_id, folder_id))
    known = {row[0] for row in rows}
    if known == set(albums):
        return False
    db.execute_many(
        "DELETE FROM album_photo WHERE album_id = ? AND photo_id = ? AND folder_id = ?",
        ((album, photo_id, folder_id) for album in sorted(known - set(albums))),
    )
    db.execute_many(
        "INSERT INTO album_photo (album_id, photo_id, folder_id) VALUES (?, ?, ?)",
        ((album, photo_id, folder_id) for album in sorted(set(albums) - known)),
    )
    return True


def _forget_moved(db: Database, photo_id: int, folder_id: int) -> None:
    """What was said in folders where the photo does not lie any more: it moved, and its ini with it."""
    for table in ("photo_note", "keyword", "album_photo"):
        db.execute(
            f"DELETE FROM {table} WHERE photo_id = ? AND folder_id <> ? AND NOT EXISTS (SELECT 1 FROM file f"
            f" WHERE f.photo_id = {table}.photo_id AND f.folder_id = {table}.folder_id AND f.present = 1)",
            (photo_id, folder_id),
        )


def add_album(
    db: Database, token: str, name: str | None, date: str | None, description: str | None, location: str | None
) -> int:
    """The album of this token; what is said of it now goes before what was said, nothing is forgotten."""
    found = db.one("SELECT album_id, name, date, description, location FROM album WHERE token = ?", (token,))
    if found is None:
        return db.execute(
            "INSERT INTO album (token, name, date, description, location) VALUES (?, ?, ?, ?, ?)",
            (token, name, date, description, location),
        )
    merged = tuple(new or old for new, old in zip((name, date, description, location), found[1:], strict=True))
    if merged != tuple(found[1:]):
        db.execute(
            "UPDATE album SET name = ?, date = ?, description = ?, location = ? WHERE album_id = ?", (*merged, found[0])
        )
    return int(found[0])


def note_folder(
    db: Database, folder_id: int, name: str | None, date: str | None, description: str | None, location: str | None
) -> None:
    """What is said of a folder."""
    db.execute(
        "INSERT INTO folder_note (folder_id, name, date, description, location) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (folder_id) DO UPDATE SET name = coalesce(excluded.name, name), date = coalesce(excluded.date, date),"
        " description = coalesce(excluded.description, description), location = coalesce(excluded.location, location)",
        (folder_id, name, date, description, location),
    )


# -------------------------------------------------------------------------------------------------- Picasa's names


def names_of_contacts(db: Database, *, listed: bool) -> dict[int, str]:
    """The names that earlier imports found in contacts.xml (`listed`), or in Picasa's database and elsewhere, by id."""
    rows = db.query("SELECT contact, name FROM contact WHERE listed = ?", (int(listed),))
    return {int(contact, 16): name for contact, name in rows}


def remember_contacts(db: Database, names: Mapping[int, str], *, listed: bool) -> None:
    """Keep these names; one that is not from contacts.xml does not take the place of one that is."""
    known: dict[str, tuple[str, int]] = {
        contact: (name, before) for contact, name, before in db.query("SELECT contact, name, listed FROM contact")
    }
    rows: Iterable[tuple[str, str, int]] = [(f"{contact:016x}", name, int(listed)) for contact, name in names.items()]
    db.execute_many(
        "INSERT OR REPLACE INTO contact (contact, name, listed) VALUES (?, ?, ?)",
        (row for row in rows if known.get(row[0]) != row[1:] and known.get(row[0], ("", 0))[1] <= row[2]),
    )
