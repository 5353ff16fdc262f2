"""What Picasa knows beside faces: stars, captions, keywords, albums, folders. The newest import is right."""

from __future__ import annotations

from collections.abc import Iterable

from facelib.store.database import Database


def note_photo(db: Database, photo_id: int, starred: bool, caption: str | None, keywords: Iterable[str]) -> bool:
    """Write what is said of a photo; gives whether anything was new. What is not said any more stays."""
    before = db.one("SELECT starred, caption FROM photo_note WHERE photo_id = ?", (photo_id,)) or (0, None)
    after = (max(int(starred), before[0]), caption or before[1])
    changed = after != before
    if changed:
        db.execute(
            "INSERT INTO photo_note (photo_id, starred, caption) VALUES (?, ?, ?) ON CONFLICT (photo_id) DO UPDATE"
            " SET starred = excluded.starred, caption = excluded.caption",
            (photo_id, *after),
        )
    for keyword in keywords:
        word = keyword.strip()
        if word and not db.value("SELECT 1 FROM keyword WHERE photo_id = ? AND keyword = ?", (photo_id, word)):
            db.execute("INSERT INTO keyword (photo_id, keyword) VALUES (?, ?)", (photo_id, word))
            changed = True
    return changed


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


def put_into_album(db: Database, album_id: int, photo_id: int) -> None:
    """A photo belongs to an album."""
    db.execute("INSERT OR IGNORE INTO album_photo (album_id, photo_id) VALUES (?, ?)", (album_id, photo_id))


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
