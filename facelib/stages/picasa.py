"""`facelib import-picasa`: everything that Picasa left, read into the database. Nothing of Picasa's is written to.

Two passes over the `.picasa.ini` files, so that memory does not grow with the library: the first learns who the ids are,
because a name may stand in any folder; the second keeps each folder's faces, stars, captions and albums, a folder a
transaction. What the faces mean in the photo is then decided by stages/regions.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from facelib.errors import UsageError
from facelib.models import Path
from facelib.picasa import contacts as contacts_xml
from facelib.picasa import db3, ini, rect64
from facelib.picasa.ini import Ini, PhotoEntry
from facelib.picasa.lines import Problem
from facelib.picasa.names import Names
from facelib.picasa.paths import PathMap, Rule, learn
from facelib.progress import Progress, Stop
from facelib.stages.walk import SKIPPED_FOLDERS
from facelib.store import Database, files, notes, people, regions

ORIGINALS = (".picasaoriginals", "originals")  # where Picasa 3 and 2 keep what they have edited: not the user's photos
LARGEST_INI = 64 << 20  # bytes; the largest real one known has some 100 kB


@dataclass(frozen=True, slots=True)
class PicasaOptions:
    """What the command line says."""

    contacts: tuple[Path, ...] = ()  # contacts.xml, backup.xml
    db3: Path | None = None  # Picasa's database folder
    rules: tuple[Rule, ...] = ()  # where the folders of Picasa's paths are here
    ansi: str = "cp1252"  # the code page of old files


@dataclass(slots=True)
class PicasaSummary:
    """What was read and kept."""

    inis: int = 0
    photos: int = 0  # photos of which something was said
    new: int = 0  # regions
    changed: int = 0
    people: int = 0  # new ones
    starred: int = 0
    albums: int = 0
    stale: list[tuple[Path, str]] = field(default_factory=list)  # sections with faces whose file is not there
    unread: list[tuple[Path, str]] = field(default_factory=list)  # sections with faces of files facelib does not read
    problems: list[tuple[Path, int, str]] = field(default_factory=list)  # file, line, what
    orphans: tuple[int, ...] = ()  # ids of faces that nobody names
    conflicts: dict[int, tuple[str, ...]] = field(default_factory=dict)  # ids with several names
    shared: dict[str, tuple[int, ...]] = field(default_factory=dict)  # names with several ids
    rules: list[Rule] = field(default_factory=list)  # learned
    db3_photos: int = 0  # photos of Picasa's database that are here
    db3_missing: int = 0
    folders: list[Path] = field(default_factory=list)  # with inis
    complete: bool = True


@dataclass(frozen=True, slots=True)
class _Folder:
    path: Path
    inis: tuple[str, ...]  # file names, in reading order


def run(
    db: Database, run_id: int, tops: Sequence[Path], options: PicasaOptions, progress: Progress, stop: Stop
) -> PicasaSummary:
    """Read what lies in and below `tops`. The photos have to be indexed. Raises `UsageError` for files that are not there."""
    summary = PicasaSummary()
    book = contacts_xml.merge(_contacts(path, options.ansi, summary) for path in options.contacts)
    base = None if options.db3 is None else db3.read(_Files(options.db3), options.ansi)
    names = Names(book, None if base is None else base.names)
    folders: list[_Folder] = []
    progress.start("reading names", None, "folders")
    for folder in _folders(tops, summary):
        if stop.due:
            summary.complete = False
            return summary
        document, newest = _document(folder, options.ansi, None)
        names.add(folder.path, document, newest)
        folders.append(folder)
        summary.folders.append(folder.path)
        progress.advance()
    progress.finish()
    import_ = _Import(db, run_id, names, people.People(db), options, summary)
    progress.start("reading faces", len(folders), "folders")
    for folder in folders:
        if stop.due:
            summary.complete = False
            break
        with db.atomic():
            import_.folder(folder)
        progress.advance()
    progress.finish()
    if base is not None and not stop.due:
        import_.database(base, str(options.db3), progress)
    summary.people = import_.people.added
    summary.orphans, summary.conflicts, summary.shared = names.orphans(), names.conflicts(), names.shared()
    return summary


# ------------------------------------------------------------------------------------------------------- reading


def _folders(tops: Sequence[Path], summary: PicasaSummary) -> Iterator[_Folder]:
    """The folders with files of Picasa's in and below `tops`, by path."""
    pending = sorted(tops, reverse=True)
    while pending:
        path = pending.pop()
        try:
            with os.scandir(path) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            summary.problems.append((path, 0, f"the folder cannot be listed: {error.strerror}"))
            continue
        inis = ini.ini_names(entry.name for entry in found if entry.is_file(follow_symlinks=False))
        if inis:
            yield _Folder(path, tuple(inis))
        below = (entry for entry in found if entry.is_dir(follow_symlinks=False))
        pending += [entry.path for entry in reversed(list(below)) if not _is_passed(entry.name, bool(inis))]


def _is_passed(name: str, beside_ini: bool) -> bool:
    """Folders that are not the user's: hidden ones, trash, and what Picasa keeps of edited photos."""
    low = name.lower()
    return name.startswith(".") or low in SKIPPED_FOLDERS_LOWER or (beside_ini and low == ORIGINALS[1])


SKIPPED_FOLDERS_LOWER = frozenset(name.lower() for name in SKIPPED_FOLDERS)


def _document(folder: _Folder, ansi: str, summary: PicasaSummary | None) -> tuple[Ini, int]:
    """A folder's inis as one, and the time of the newest; what is wrong with them goes into the summary."""
    documents: list[Ini] = []
    newest = 0
    for name in folder.inis:
        path = os.path.join(folder.path, name)
        data, mtime_ns, problem = _bytes(path)
        if problem is None:
            document = ini.read(data, ansi)
            if summary is not None:
                summary.inis += 1
                summary.problems += _problems(path, document.problems)
                for earlier in documents:
                    for section in ini.shadowed(earlier, document):
                        words = f"[{section}]: {folder.inis[0]} says something else about it, which counts"
                        summary.problems.append((path, 0, words))
            documents.append(document)
            newest = max(newest, mtime_ns)
        elif summary is not None:
            summary.problems.append((path, 0, problem))
    return ini.merge(documents), newest


def _bytes(path: Path) -> tuple[bytes, int, str | None]:
    """A file whole, its time, and why not."""
    try:
        with open(path, "rb") as stream:
            status = os.fstat(stream.fileno())
            if status.st_size > LARGEST_INI:
                return b"", 0, f"it has {status.st_size:,} bytes and is no file of Picasa's"
            return stream.read(LARGEST_INI), status.st_mtime_ns, None
    except OSError as error:
        return b"", 0, f"it cannot be read: {error.strerror}"


def _contacts(path: Path, ansi: str, summary: PicasaSummary) -> contacts_xml.Contacts:
    data, _, problem = _bytes(path)
    if problem is not None:
        raise UsageError(f"{path}: {problem}")
    found = contacts_xml.read(data, ansi)
    summary.problems += _problems(path, found.problems)
    return found


def _problems(path: Path, problems: Sequence[Problem]) -> Iterator[tuple[Path, int, str]]:
    return ((path, problem.line, f"{problem.why}: {problem.text}") for problem in problems)


class _Files(Mapping[str, bytes]):
    """The files of a folder by name, each read when it is asked for. Raises `UsageError` where there is no such folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            self._names = [entry.name for entry in os.scandir(folder) if entry.is_file()]
        except OSError as error:
            raise UsageError(f"{folder}: {error.strerror}; name Picasa's folder db3 (--db3)") from error

    def __getitem__(self, name: str) -> bytes:
        if name not in self._names:
            raise KeyError(name)
        with open(os.path.join(self._folder, name), "rb") as stream:
            return stream.read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


# ------------------------------------------------------------------------------------------------------- keeping


@dataclass(slots=True)
class _Import:
    """One import on its way through the folders."""

    db: Database
    run_id: int
    names: Names
    people: people.People
    options: PicasaOptions
    summary: PicasaSummary
    albums: dict[str, int] = field(default_factory=dict)  # token -> album_id

    def folder(self, folder: _Folder) -> None:
        """Everything that a folder's inis say about its photos."""
        document, _ = _document(folder, self.options.ansi, self.summary)
        folder_id, photos = files.photos_in(self.db, folder.path)
        if folder_id is not None and document.folder != ini.FolderEntry():
            about = document.folder
            notes.note_folder(self.db, folder_id, about.name, about.date, about.description, about.location)
        for album in document.albums.values():
            self.albums[album.token] = notes.add_album(
                self.db, album.token, album.name, album.date, album.description, album.location
            )
        by_name = {os.path.basename(path): photo_id for path, photo_id in photos}
        pairs = document.pair(by_name)
        crops = self._crops(folder)
        for name, section in pairs.items():
            self._photo(by_name[name], folder_id, folder.path, document.photos[section], crops.get(section.lower()))
        for section in document.photos.keys() - pairs.values():
            if document.photos[section].faces:
                here = os.path.lexists(os.path.join(folder.path, section))
                (self.summary.unread if here else self.summary.stale).append((folder.path, section))

    def _photo(self, photo_id: int, folder_id: int | None, folder: Path, entry: PhotoEntry, crop: str | None) -> None:
        self.summary.photos += bool(entry.faces)
        for face in entry.faces:
            name = None if face.contact is None else self.names.resolve(face.contact, folder).name
            self._keep(photo_id, folder_id, "ini", face.rect, face.contact, name, crop=crop if not entry.crop else None)
        if entry.star or entry.caption or entry.keywords:
            notes.note_photo(self.db, photo_id, entry.star, entry.caption, entry.keywords)
            self.summary.starred += entry.star
        for token in entry.albums:
            if token not in self.albums:
                self.albums[token] = notes.add_album(self.db, token, None, None, None, None)
            notes.put_into_album(self.db, self.albums[token], photo_id)
        self.summary.albums = len(self.albums)

    def _keep(
        self,
        photo_id: int,
        folder_id: int | None,
        scheme: str,
        rect: int,
        contact: int | None,
        name: str | None,
        *,
        crop: str | None = None,
        ignored: bool = False,
    ) -> None:
        """Keep one face of Picasa's."""
        area = rect64.decode(rect, clamp=False)
        name = people.clean_name(name or "") or None
        found = regions.Found(
            "picasa",
            scheme,
            rect64.to_text(rect),
            "" if contact is None else f"{contact:016x}",
            None if area is None else (area.left, area.top, area.right, area.bottom),
            wrapped=area is not None and area.wrapped,
            crop=crop,
            name=name,
            ignored=ignored,
            person_id=None if name is None else self.people.id_of(name),
        )
        what = regions.add(self.db, self.run_id, photo_id, folder_id, found)
        self.summary.new += what == "new"
        self.summary.changed += what == "changed"

    def _crops(self, folder: _Folder) -> dict[str, str]:
        """The crops with which photos of this folder were saved, by name in lower case: in the inis of their originals."""
        crops: dict[str, str] = {}
        for name in ORIGINALS:
            place = os.path.join(folder.path, name)
            try:
                inis = ini.ini_names(os.listdir(place))
            except OSError:  # most folders have none
                continue
            document, _ = _document(_Folder(place, tuple(inis)), self.options.ansi, None)
            for section, entry in document.photos.items():
                if entry.crop:
                    crops[section.lower()] = rect64.to_text(entry.crop)
        return crops

    def database(self, base: db3.Db3, folder: Path, progress: Progress) -> None:
        """What only Picasa's database knows: ignored faces, and all of photos whose inis are lost."""
        self.summary.problems += ((os.path.join(folder, p.file), 0, p.why) for p in base.problems)
        here: dict[str, tuple[Path, int]] = {}
        for path, photo_id in files.all_photos(self.db):
            here.setdefault(path.casefold(), (path, photo_id))
        rules = list(self.options.rules)
        if not rules:
            rules = learn((photo.path for photo in base.photos), (path for path, _ in here.values()))
            self.summary.rules = rules
        places = PathMap(rules)
        progress.start("reading Picasa's database", None, "photos")
        with self.db.atomic():
            for photo in base.photos:
                found = next((here[p.casefold()] for p in places.candidates(photo.path) if p.casefold() in here), None)
                if found is not None:
                    self._database_photo(found[0], found[1], photo)
                    self.summary.db3_photos += 1
                elif photo.faces:
                    self.summary.db3_missing += 1
                progress.advance()
        progress.finish()

    def _database_photo(self, path: Path, photo_id: int, photo: db3.Db3Photo) -> None:
        folder = os.path.dirname(path)
        folder_id, _ = files.photos_in(self.db, folder)
        has_ini = any(region.scheme == "ini" for region in regions.of_photo(self.db, photo_id))
        for face in photo.faces:
            if face.ignored or not has_ini:
                name = face.name
                if face.contact is not None:
                    name = self.names.resolve(face.contact, folder).name or name
                contact = None if face.ignored else face.contact
                self._keep(photo_id, folder_id, "db3", face.rect, contact, name, ignored=face.ignored)
        if photo.starred or photo.caption or photo.keywords:
            notes.note_photo(self.db, photo_id, photo.starred, photo.caption, photo.keywords)
