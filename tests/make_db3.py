"""A maker of Picasa databases with the layout of real ones: thumbindex.db, columns of any length, starlist.txt."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

NONE = 0xFFFFFFFF  # the parent of folders and of deleted entries
FOLDER, JPEG, FACE = 1, 2, 1001  # types of entries

U32, DATE, U8, U64, U16, LIST, I32, TEXT = 1, 2, 3, 4, 5, 6, 7, 0  # types of columns
_FORMATS = {U32: "I", DATE: "d", U8: "b", U64: "Q", U16: "H", I32: "i"}

# The types that Picasa 3.9 writes.
TYPES = {
    "imagedata": {
        "filetype": U32, "facerect": U64, "crop64": U64, "personalbumid": U32, "suggestionpersonalbumid": U32,
        "width": U32, "height": U32, "caption": TEXT, "tags": LIST, "deferredface": TEXT, "deferredregion": TEXT,
        "tagdate": DATE, "rotate": TEXT, "backuphash": U16,
    },
    "albumdata": {"name": TEXT, "token": TEXT, "category": U32, "albumcontactids": U64, "date": DATE},
}  # fmt: skip

# The albums that every database begins with: token, name.
STOCK = (
    ("]star", "Starred Photos"), ("]screensaver", "Screensaver"), ("]updated", "Recently Updated"), ("]history:email",
    "E-mail"), ("]history:upload", "Upload"), ("]unknownface", "Unnamed"), ("]search", "Search results"),
)  # fmt: skip
UNKNOWN_ALBUM = 5  # of STOCK


def column(kind: int, values: Sequence[int | float | str | bytes], *, count: int | None = None) -> bytes:
    """A .pmp file; `count` is what its head says, where that is to be wrong."""
    head = struct.pack("<IHHIHHI", 0x3FCCCCCD, kind, 0x1332, 2, kind, 0x1332, len(values) if count is None else count)
    if kind in (TEXT, LIST):
        return head + b"".join((v if isinstance(v, bytes) else str(v).encode()) + b"\0" for v in values)
    return head + struct.pack(f"<{len(values)}{_FORMATS[kind]}", *values)


def entry(name: str | bytes, kind: int, parent: int, *, size: int = 77164, end: bytes = b"\0") -> bytes:
    """An entry of thumbindex.db; faces have no times and the size 1, deleted ones nothing but a parent."""
    name = name if isinstance(name, bytes) else name.encode()
    if not name and parent == NONE:
        return end + struct.pack("<QQIIHI", 0, 0, 0, 0, 0, NONE)
    taken, modified = (0, 0) if kind == FACE else (0x01C9FCEA64C5C800, 0x01DCF9B0002FCE9C)
    return name + end + struct.pack("<QQIIHI", taken, modified, 1 if kind == FACE else size, kind, 0x0100, parent)


def thumbindex(entries: Iterable[bytes], *, count: int | None = None) -> bytes:
    """A thumbindex.db; `count` is what its head says, where that is to be wrong."""
    entries = list(entries)
    return struct.pack("<II", 0x40466666, len(entries) if count is None else count) + b"".join(entries)


class Db3Maker:
    """A database to put folders, photos, people and faces into; `files` gives it as {name: bytes}."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.cells: dict[str, dict[str, dict[int, int | float | str | bytes]]] = {"imagedata": {}, "albumdata": {}}
        self.stars: list[str] = []
        self._folders: dict[int, str] = {}
        self._albums = 0
        for token, name in STOCK:
            self.album(token, name, 8 if token == "]unknownface" else 0)

    def set(self, table: str, row: int, **values: float | str | bytes) -> None:
        """Put values into the columns of a row; columns that nobody puts something into do not exist."""
        for name, value in values.items():
            self.cells[table].setdefault(name, {})[row] = value

    def folder(self, path: str | bytes) -> int:
        """A folder, with the separator at its end; gives its row."""
        self._folders[len(self.entries)] = path if isinstance(path, str) else ""
        return self._add(entry(path, FOLDER, NONE), filetype=FOLDER)

    def photo(
        self,
        folder: int,
        name: str | bytes,
        *,
        star: bool = False,
        kind: int = JPEG,
        **columns: float | str | bytes,
    ) -> int:
        """A photo that was searched for faces; gives its row."""
        if star:
            self.stars.append(self._folders[folder] + str(name))
        return self._add(entry(name, kind, folder), **({"filetype": kind, "facerect": 1} | columns))

    def deleted(self, **columns: float | str | bytes) -> int:
        """What is left of a photo or face that was deleted; its columns stay as they were."""
        return self._add(entry("", 0, NONE), **({"filetype": 0} | columns))

    def face(self, photo: int, rect: int, person: int = 0, **columns: float | str | bytes) -> int:
        """A face of a photo, in an album of people; gives its row."""
        values = {"filetype": FACE, "facerect": rect, "crop64": rect, "personalbumid": person} | columns
        return self._add(entry("", FACE, photo), **values)

    def person(self, name: str, contact: int) -> int:
        """The album of a person; gives its row, which a face's personalbumid is."""
        return self.album(f"]facealbum:{self._albums}", name, 8, albumcontactids=contact)

    def album(self, token: str, name: str, category: int, **columns: float | str | bytes) -> int:
        """Any album; gives its row."""
        self.set("albumdata", self._albums, token=token, name=name, category=category, **columns)
        self._albums += 1
        return self._albums - 1

    def files(self) -> dict[str, bytes]:
        """The files of the folder db3."""
        made = {f"{table}_0": struct.pack("<I", 0x3FCCCCCD) for table in self.cells}
        made["thumbindex.db"] = thumbindex(self.entries)
        made["starlist.txt"] = "".join(f"{path}\r\n" for path in self.stars).encode()
        for table, columns in self.cells.items():
            for name, cells in columns.items():
                kind = TYPES[table][name]
                empty: int | str = "" if kind in (TEXT, LIST) else 0
                made[f"{table}_{name}.pmp"] = column(kind, [cells.get(row, empty) for row in range(max(cells) + 1)])
        return made

    def write(self, folder: Path) -> None:
        """Write the files into a folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in self.files().items():
            (folder / name).write_bytes(data)

    def _add(self, made: bytes, **columns: float | str | bytes) -> int:
        self.entries.append(made)
        self.set("imagedata", len(self.entries) - 1, **columns)
        return len(self.entries) - 1
