"""`facelib import-picasa`: everything that Picasa left, read into the database. Nothing of Picasa's is written to.

Two passes over the `.picasa.ini` files, so that memory does not grow with the library: the first learns who the ids are,
because a name may stand in any folder; the second keeps each folder's faces, stars, captions and albums, a folder a
transaction. What the faces mean in the photo is then decided by stages/regions.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from facelib.errors import UsageError
from facelib.models import Path
from facelib.picasa import contacts as contacts_xml
from facelib.picasa import ini, rect64
from facelib.picasa.contacts import Contact, Contacts
from facelib.picasa.ini import Album, Ini, PhotoEntry, PicasaFace
from facelib.picasa.lines import Problem, decode_lines
from facelib.picasa.names import Names, Source
from facelib.picasa.paths import Rule
from facelib.progress import Progress, Stop
from facelib.stages import beside
from facelib.stages.beside import ORIGINALS, Doubts, Some
from facelib.store import Database, files, notes, people, regions

if TYPE_CHECKING:
    from facelib.picasa import db3

# Faces that are kept of one photo: the largest group photographs have some hundreds, and more would only be in the way.
MOST_FACES = 1000


@dataclass(frozen=True, slots=True)
class PicasaOptions:
    """What the command line says."""

    contacts: tuple[Path, ...] = ()  # contacts.xml, backup.xml
    db3: Path | None = None  # Picasa's database folder
    rules: tuple[Rule, ...] = ()  # where the folders of Picasa's paths are here
    ansi: str = "cp1252"  # the code page of old files


@dataclass(frozen=True, slots=True)
class Sources:
    """The files that were named, read before anything is indexed."""

    options: PicasaOptions
    lists: tuple[Path, ...]  # the files of contacts
    contacts: Contacts
    base: db3.Db3 | None
    doubts: Doubts = field(default_factory=Doubts)


@dataclass(slots=True)
class PicasaSummary:
    """What was read and kept."""

    doubts: Doubts = field(default_factory=Doubts)
    inis: int = 0
    photos: int = 0  # photos of which faces are told
    changes: regions.Changes = field(default_factory=regions.Changes)  # of regions
    noted: int = 0  # photos of which a star, caption, keyword or album is new, or gone
    people: int = 0  # new ones
    starred: int = 0
    albums: int = 0
    stale: Some[tuple[Path, str]] = field(default_factory=Some)  # sections with faces whose file is not there
    unknown: Some[tuple[Path, str]] = field(default_factory=Some)  # sections with faces of files that are not indexed
    orphans: tuple[int, ...] = ()  # ids of faces that nobody names
    conflicts: dict[int, tuple[str, ...]] = field(default_factory=dict)  # ids with several names
    shared: dict[str, tuple[int, ...]] = field(default_factory=dict)  # names with several ids
    renamed: list[tuple[str, str]] = field(default_factory=list)  # people, as contacts.xml calls them now
    rules: list[Rule] = field(default_factory=list)  # learned
    db3_photos: int = 0  # photos of Picasa's database that are here
    db3_missing: int = 0  # with faces, and not here
    lists: tuple[Path, ...] = ()  # files of contacts that were read
    folders: list[Path] = field(default_factory=list)  # with inis
    complete: bool = True


@dataclass(frozen=True, slots=True)
class _Folder:
    path: Path
    inis: tuple[str, ...]  # file names, in reading order


def gather(options: PicasaOptions) -> Sources:
    """Read contacts.xml and the database.

    Raises `UsageError` for what is not there and for an unknown code page, `PicasaError` for a database of which nothing can
    be read.
    """
    decode_lines(b"", options.ansi)
    doubts = Doubts()
    paths = options.contacts or _beside(options.db3)
    listed = contacts_xml.merge([_contacts(path, options.ansi, doubts) for path in paths])
    base = None
    if options.db3 is not None:
        from facelib.stages import picasa_db3  # numpy, which nothing else here needs

        base = picasa_db3.gather(options.db3, options.ansi, doubts)
    return Sources(options, paths, listed, base, doubts)


def _beside(tables: Path | None) -> tuple[Path, ...]:
    """The contacts.xml that Picasa keeps beside its database folder, where it was left there."""
    if tables is None:
        return ()
    place = os.path.join(os.path.dirname(os.path.abspath(tables)), "contacts", "contacts.xml")
    return (place,) if os.path.isfile(place) else ()


def _contacts(path: Path, ansi: str, doubts: Doubts) -> Contacts:
    data, _, problem = beside.read(path)
    if problem is not None:
        raise UsageError(f"--contacts {path}: {problem}")
    found = contacts_xml.read(data, ansi)
    _note_lines(path, found.problems, doubts)
    return found


def run(
    db: Database,
    run_id: int,
    tops: Sequence[Path],
    sources: Sources,
    progress: Progress,
    stop: Stop,
    *,
    follow_symlinks: bool = False,
) -> PicasaSummary:
    """Read what lies in and below `tops`, with names from all indexed folders. The photos have to be indexed."""
    summary = PicasaSummary(sources.doubts, lists=sources.lists)
    names = _known_names(db, sources)
    albums: dict[str, tuple[int, Album]] = {}
    everywhere = _outermost([*tops, *(root.path for root in files.roots(db))])
    walked = beside.folders(everywhere, summary.doubts, follow_symlinks=follow_symlinks)
    folders = _learn(walked, tops, sources.options.ansi, names, albums, progress, stop)
    if folders is None:
        summary.complete = False
        return summary
    summary.folders = [folder.path for folder in folders]
    everybody = people.People(db)
    with db.atomic():
        _remember(db, sources, names)
        summary.renamed = everybody.follow_renames(names.listed)
    import_ = _Import(db, run_id, names, everybody, albums, sources.options, summary)
    progress.start("reading faces", len(folders), "folders")
    for folder in folders:
        if stop.due:
            break
        with db.atomic():
            import_.folder(folder)
        progress.advance()
    progress.finish()
    if sources.base is not None and not stop.due:
        from facelib.stages import picasa_db3

        reader = picasa_db3.Reader(db, names, sources.base, sources.options.rules, tops, import_)
        reader.run(progress, stop)
        summary.rules, summary.db3_photos, summary.db3_missing = reader.learned, reader.found, reader.missing
        summary.noted += reader.noted
    summary.complete = not stop.due
    summary.people = everybody.added
    summary.orphans, summary.conflicts, summary.shared = names.orphans(), names.conflicts(), names.shared()
    return summary


def _learn(
    walked: Iterable[beside.Folder],
    tops: Sequence[Path],
    ansi: str,
    names: Names,
    albums: dict[str, tuple[int, Album]],
    progress: Progress,
    stop: Stop,
) -> list[_Folder] | None:
    """The first pass: who the ids and what the albums are, by the inis of all folders; gives those in `tops`, None if stopped."""
    here: list[_Folder] = []
    progress.start("reading names", None, "folders")
    for folder in walked:
        if stop.due:
            return None
        inis = ini.ini_names(folder.names)
        if inis:
            found = _Folder(folder.path, tuple(inis))
            is_here = any(files.is_below(folder.path, top) for top in tops)
            document, newest = _document(found, ansi, None)
            names.add(folder.path, document, newest, used=is_here)
            for album in document.albums.values():
                albums[album.token] = _newer(albums.get(album.token), newest, album)
            here += [found] if is_here else []
        progress.advance()
    progress.finish()
    return here


def _outermost(tops: Sequence[Path]) -> list[Path]:
    """These folders without those that lie in others of them, and without those that are not there."""
    distinct = sorted(set(tops))
    return [
        top
        for top in distinct
        if os.path.isdir(top) and not any(top != other and files.is_below(top, other) for other in distinct)
    ]


def _known_names(db: Database, sources: Sources) -> Names:
    """Names from the files that were named now, and from those of earlier imports where these say nothing."""
    before = notes.names_of_contacts(db, listed=True)
    listed = Contacts({key: Contact(key, name) for key, name in before.items()} | sources.contacts.contacts)
    elsewhere = notes.names_of_contacts(db, listed=False)
    return Names(listed, elsewhere | ({} if sources.base is None else sources.base.names))


def _remember(db: Database, sources: Sources, names: Names) -> None:
    """Keep what a later import without these files could not know."""
    listed = {key: contact.name for key, contact in sources.contacts.contacts.items() if contact.name}
    notes.remember_contacts(db, listed, listed=True)
    notes.remember_contacts(db, names.found_by(Source.WEB, Source.DB3), listed=False)


def _newer(known: tuple[int, Album] | None, mtime_ns: int, album: Album) -> tuple[int, Album]:
    """What two folders say of an album as one: the newer ini first."""
    if known is None:
        return mtime_ns, album
    first, second = (known[1], album) if known[0] >= mtime_ns else (album, known[1])
    merged = Album(
        first.token,
        first.name or second.name,
        first.date or second.date,
        first.description or second.description,
        first.location or second.location,
    )
    return max(known[0], mtime_ns), merged


def _document(folder: _Folder, ansi: str, summary: PicasaSummary | None) -> tuple[Ini, int]:
    """A folder's inis as one, and the time of the newest; what is wrong with them goes into the summary."""
    documents: list[Ini] = []
    newest = 0
    for name in folder.inis:
        path = os.path.join(folder.path, name)
        data, mtime_ns, problem = beside.read(path)
        if problem is None:
            document = ini.read(data, ansi)
            if summary is not None:
                summary.inis += 1
                _note_lines(path, document.problems, summary.doubts)
                for earlier in documents:
                    for section in ini.shadowed(earlier, document):
                        words = f"[{section}]: {folder.inis[0]} says something else about it, which counts"
                        summary.doubts.lines.add((path, 0, words))
            documents.append(document)
            newest = max(newest, mtime_ns)
        elif summary is not None:
            summary.doubts.unread.add((path, problem))
    return ini.merge(documents), newest


def _note_lines(path: Path, problems: Sequence[Problem], doubts: Doubts) -> None:
    for problem in problems:
        doubts.lines.add((path, problem.line, f"{problem.why}: {problem.text}" if problem.text else problem.why))


# ------------------------------------------------------------------------------------------------------- keeping


@dataclass(slots=True)
class _Said:
    """What an ini says of one photo, which may lie in the folder under several names."""

    faces: dict[PicasaFace, str | None] = field(default_factory=dict)  # and the crop that the photo was saved with
    starred: bool = False
    captions: list[str] = field(default_factory=list)
    keywords: dict[str, None] = field(default_factory=dict)
    albums: dict[str, None] = field(default_factory=dict)  # tokens

    def add(self, entry: PhotoEntry, crop: str | None) -> None:
        """Take a section."""
        for face in entry.faces:
            # Where the crop was not saved, the file is the whole picture.
            self.faces.setdefault(face, None if entry.crop else crop)
        self.starred |= entry.star
        self.captions += [entry.caption] if entry.caption else []
        self.keywords.update(dict.fromkeys(entry.keywords))
        self.albums.update(dict.fromkeys(entry.albums))


@dataclass(slots=True)
class _Import:
    """One import on its way through the folders."""

    db: Database
    run_id: int
    names: Names
    people: people.People
    described: dict[str, tuple[int, Album]]  # token -> what the inis say of an album
    options: PicasaOptions
    summary: PicasaSummary
    albums: dict[str, int] = field(default_factory=dict)  # token -> album_id

    def folder(self, folder: _Folder) -> None:
        """Everything that a folder's inis say about its photos."""
        document, _ = _document(folder, self.options.ansi, self.summary)
        folder_id, photos = files.photos_in(self.db, folder.path)
        by_name = {os.path.basename(path): photo_id for path, photo_id in photos}
        pairs = document.pair(by_name)
        if folder_id is not None:
            about = document.folder
            if about != ini.FolderEntry():
                notes.note_folder(self.db, folder_id, about.name, about.date, about.description, about.location)
            for token in document.albums:
                self._album(token)
            crops = self._crops(folder)
            said: dict[int, _Said] = {}
            for name, section in pairs.items():
                crop = crops.get(section.lower())
                said.setdefault(by_name[name], _Said()).add(document.photos[section], crop)
            for photo_id, one in said.items():
                self._photo(photo_id, folder_id, folder, one)
        self._note_left_over(folder, document, set(pairs.values()))

    def _photo(self, photo_id: int, folder_id: int, folder: _Folder, said: _Said) -> None:
        self.summary.photos += bool(said.faces)
        if len(said.faces) > MOST_FACES:
            words = f"a photo has {len(said.faces):,} faces, of which the first {MOST_FACES:,} are read"
            self.summary.doubts.lines.add((os.path.join(folder.path, folder.inis[0]), 0, words))
        found = [
            self.found("ini", face.rect, face.contact, self.name_of(face.contact, folder.path), crop=crop)
            for face, crop in list(said.faces.items())[:MOST_FACES]
        ]
        self.say(photo_id, folder_id, "ini", found)
        note = notes.Note(said.starred, next(iter(said.captions), None), tuple(said.keywords))
        changed = notes.note_photo(self.db, photo_id, folder_id, "ini", note)
        changed |= notes.put_into_albums(self.db, photo_id, folder_id, [self._album(token) for token in said.albums])
        self.summary.noted += changed
        self.summary.starred += said.starred

    def name_of(self, contact: int | None, folder: Path) -> str | None:
        """Who an id is in a folder."""
        return None if contact is None else self.names.resolve(contact, folder).name

    def found(
        self,
        scheme: str,
        rect: int,
        contact: int | None,
        name: str | None,
        *,
        crop: str | None = None,
        ignored: bool = False,
    ) -> regions.Found:
        """A face of Picasa's as it is kept."""
        area = rect64.decode(rect, clamp=False)
        return regions.Found(
            "picasa",
            scheme,
            rect64.to_text(rect),
            "" if contact is None else f"{contact:016x}",
            None if area is None else (area.left, area.top, area.right, area.bottom),
            wrapped=area is not None and area.wrapped,
            crop=crop,
            name=people.clean_name(name or "") or None,
            ignored=ignored,
        )

    def say(self, photo_id: int, folder_id: int, scheme: str, found: Sequence[regions.Found]) -> None:
        """Write what the ini or the database says of the faces of a photo."""
        changes = regions.say(self.db, self.run_id, photo_id, folder_id, {(scheme, False)}, found, self.people.id_of)
        self.summary.changes.add(changes)

    def _album(self, token: str) -> int:
        """The album of a token, which no ini may describe."""
        if token not in self.albums:
            album = self.described.get(token, (0, Album(token)))[1]
            self.albums[token] = notes.add_album(
                self.db, token, album.name, album.date, album.description, album.location
            )
            self.summary.albums += 1
        return self.albums[token]

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

    def _note_left_over(self, folder: _Folder, document: Ini, taken: set[str]) -> None:
        """Sections with faces of files that are not there, or that facelib does not read."""
        left = [name for name, entry in document.photos.items() if entry.faces and name not in taken]
        if not left:
            return
        there = set(document.pair(_listed(folder.path)).values())
        for section in left:
            (self.summary.unknown if section in there else self.summary.stale).add((folder.path, section))


def _listed(path: Path) -> Iterator[str]:
    try:
        yield from os.listdir(path)
    except OSError:  # it could be read a moment ago
        return
