"""Picasa's database: ignored faces, which are nowhere else, and all that is said of photos whose ini is lost."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

from facelib.errors import PicasaError, UsageError
from facelib.models import Path
from facelib.picasa import db3
from facelib.picasa.names import Names
from facelib.picasa.paths import PathMap, Rule, learn
from facelib.progress import Progress, Stop
from facelib.stages.beside import Doubts
from facelib.store import Database, files, notes, regions

_BATCH = 500  # photos; a transaction


class Files(Mapping[str, bytes]):
    """The files of a folder by name, each read when it is asked for. Raises `UsageError` where there is no such folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            with os.scandir(folder) as entries:
                self._names = {entry.name for entry in entries if entry.is_file()}
        except OSError as error:
            raise UsageError(f"--db3 {folder}: {error.strerror}; name Picasa's folder db3") from error

    def __getitem__(self, name: str) -> bytes:
        if name not in self._names:
            raise KeyError(name)
        try:
            with open(os.path.join(self._folder, name), "rb") as stream:
                return stream.read()
        except OSError as error:
            raise PicasaError(f"{name} cannot be read: {error.strerror}") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def gather(folder: Path, ansi: str, doubts: Doubts) -> db3.Db3:
    """Read the database; where its list of files cannot be read, the names of its people alone.

    Raises `UsageError` where there is no such folder, `PicasaError` where nothing can be read.
    """
    tables = Files(folder)
    try:
        base = db3.read(tables, ansi)
    except PicasaError as error:
        names, problems = db3.read_names(tables, ansi)
        if not names:
            cure = "name the folder that has it, on Windows %LocalAppData%\\Google\\Picasa2\\db3"
            raise PicasaError(f"--db3 {folder}: {error}; {cure}") from error
        doubts.unread.add((folder, f"{error}; the names of its people are used, and nothing else of it"))
        base = db3.Db3((), names, {}, problems)
    for problem in base.problems:
        doubts.lines.add((os.path.join(folder, problem.file), 0, problem.why))
    return base


class Keeper(Protocol):
    """What keeps the faces; see stages/picasa.py."""

    def found(
        self,
        scheme: str,
        rect: int,
        contact: int | None,
        name: str | None,
        *,
        crop: str | None = None,
        ignored: bool = False,
    ) -> regions.Found: ...
    def say(self, photo_id: int, folder_id: int, scheme: str, found: Sequence[regions.Found]) -> None: ...


class Reader:
    """One database on its way into the library."""

    def __init__(
        self, db: Database, names: Names, base: db3.Db3, rules: Sequence[Rule], tops: Sequence[Path], keeper: Keeper
    ) -> None:
        self._db, self._names, self._base, self._keeper = db, names, base, keeper
        self._tops = tops
        self._rules = list(rules)
        self.learned: list[Rule] = []
        self.found = self.missing = self.noted = 0  # photos; missing ones have faces

    def run(self, progress: Progress, stop: Stop) -> None:
        """Read all photos, a batch a transaction."""
        if not self._rules:
            here = (path for path, _ in files.all_photos(self._db))
            self._rules = self.learned = learn((photo.path for photo in self._base.photos), here)
        places = _Places(self._db, PathMap(self._rules))
        progress.start("reading Picasa's database", None, "photos")
        photos = iter(self._base.photos)
        while not stop.due and (batch := list(islice(photos, _BATCH))):
            with self._db.atomic():
                for photo in batch:
                    self._photo(places, photo)
            progress.advance(len(batch))
        progress.finish()

    def _photo(self, places: _Places, photo: db3.Db3Photo) -> None:
        found = places.find(photo.path)
        if found is None:
            self.missing += bool(photo.faces)
            return
        path, folder_id, photo_id = found
        if not any(files.is_below(path, top) for top in self._tops):
            return
        self.found += 1
        # The ini is newer: of what it has, only the ignored faces, which it has not, are taken from here.
        has_ini = regions.has_any(self._db, photo_id, "ini")
        kept = [face for face in photo.faces if face.ignored or not has_ini]
        found_faces = [self._face(face, os.path.dirname(path)) for face in kept]
        self._keeper.say(photo_id, folder_id, "db3", found_faces)
        note = notes.Note(photo.starred, photo.caption, photo.keywords)
        self.noted += notes.note_photo(self._db, photo_id, folder_id, "db3", note)

    def _face(self, face: db3.Db3Face, folder: Path) -> regions.Found:
        name = face.name
        if face.contact is not None:
            name = self._names.resolve(face.contact, folder).name or name
        contact = None if face.ignored else face.contact
        return self._keeper.found("db3", face.rect, contact, name, ignored=face.ignored)


class _Places:
    """Where Picasa's files lie here. Names are compared as Windows and macOS do: without case, and in one form of Unicode."""

    def __init__(self, db: Database, rules: PathMap) -> None:
        self._db, self._rules = db, rules
        self._folders: dict[str, list[Path]] = {}
        for folder in files.folders_below(db, ["/"]):
            self._folders.setdefault(_key(folder), []).append(folder)
        self._last: Path | None = None
        self._names: dict[str, list[tuple[Path, int, int]]] = {}

    def find(self, foreign: str) -> tuple[Path, int, int] | None:
        """Path, folder_id and photo_id; None where it is not here."""
        for candidate in self._rules.candidates(foreign):
            folder, name = os.path.split(candidate)
            for place in sorted(self._folders.get(_key(folder), ()), key=lambda known: known != folder):
                found = self._in(place).get(_key(name), [])
                if found:
                    return next((one for one in found if os.path.basename(one[0]) == name), found[0])
        return None

    def _in(self, folder: Path) -> dict[str, list[tuple[Path, int, int]]]:
        """The photos of a folder by name; the database lists them folder by folder, so the last one is kept."""
        if folder != self._last:
            self._last, self._names = folder, {}
            folder_id, photos = files.photos_in(self._db, folder)
            for path, photo_id in photos:
                if folder_id is not None:
                    self._names.setdefault(_key(os.path.basename(path)), []).append((path, folder_id, photo_id))
        return self._names


def _key(text: str) -> str:
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
