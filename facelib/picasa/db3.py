"""Picasa's own database, the folder `db3`: every file it knew, the faces in them and whose they are.

`thumbindex.db` lists folders, files and faces; entry n of it is row n of the columns `imagedata_*.pmp`. A face is an
entry without a name whose parent is a photo; its `personalbumid` is a row of `albumdata_*.pmp`, which has the person's
name and id. The rectangles are rect64 numbers as in the ini files. What Picasa suggested (`suggestionpersonalbumid`) is
never read.

The ini files are newer than the database, which Picasa writes minutes later; only here are the faces that somebody
ignored, and the stars (`starlist.txt`), captions and keywords of files whose ini is lost.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from facelib.errors import FacelibError, PicasaError
from facelib.picasa import pmp, rect64, thumbindex
from facelib.picasa.pmp import NO_TEXTS, U32, U64, Rows, Texts
from facelib.picasa.thumbindex import NONE, ThumbIndex

INDEX = "thumbindex.db"
STARS = "starlist.txt"

_FACE = 1001  # the type of a face, in the index and in imagedata_filetype
_NO_FACE = 1  # the "rectangle" of a photo that was searched without finding one; 0: not searched
_NOBODY = frozenset([0, 0xFFFF_FFFF_FFFF_FFFF])  # ids that mean no person: never named; unknown, or only suggested
_UNKNOWN, _IGNORED, _PERSON = (
    "]unknownface",
    "]ignoreface",
    "]facealbum:",
)  # tokens of albums; the last goes on with its row
_BLOCK = 8192  # photos that are made together

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the database that could not be read, or does not fit."""

    file: str  # 'imagedata_facerect.pmp'
    why: str


@dataclass(frozen=True, slots=True)
class Db3Face:
    """A face as Picasa marked it."""

    rect: int  # see rect64, in the same frame as in the ini files
    contact: int | None  # the person's id, equal to the one in the ini files and contacts.xml
    name: str | None  # the person's, as the database has it
    ignored: bool = False  # somebody said that this face is of no interest


@dataclass(frozen=True, slots=True)
class Db3Photo:
    """A file as Picasa knew it. Not every one is a photograph: it lists films too."""

    path: str  # as Picasa wrote it: 'C:\\Users\\Ann\\Pictures\\a.jpg'
    faces: tuple[Db3Face, ...] = ()
    width: int | None = None  # pixels, as stored
    height: int | None = None
    starred: bool = False
    caption: str | None = None
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Db3:
    """What the database says."""

    photos: Iterable[Db3Photo]  # made one by one whenever this is iterated
    names: dict[int, str]  # by contact id
    other_names: dict[int, tuple[str, ...]]  # further names that the database has for an id: older, as far as known
    problems: tuple[Problem, ...]


def read(files: Mapping[str, bytes], ansi: str = "cp1252") -> Db3:
    """Read the database from its files, by name in any case; only those that are needed are asked for.

    Text that is not UTF-8 is of the code page `ansi`. A file that is damaged or that raises FacelibError when it is
    asked for is a problem, and the rest is read without it. Raises PicasaError where nothing can be read without it:
    thumbindex.db.
    """
    folder = _Folder(files, ansi)
    index = folder.index()
    types = folder.numbers("imagedata_filetype", None, U32)
    if types is not None and not index.whole:
        index = _without_shifted(index, types, folder)
    rows, face_rows = _tell_apart(index, types, folder)
    people = _People.read(folder)
    deferred = _Deferred.read(folder, len(index))
    names, other_names = deferred.learn(rows, *people.names())
    photos = _Photos.read(folder, index, rows, face_rows, people, deferred, names)
    return Db3(photos, names, other_names, tuple(folder.problems))


def read_names(files: Mapping[str, bytes], ansi: str = "cp1252") -> tuple[dict[int, str], tuple[Problem, ...]]:
    """The names of Picasa's people alone, by contact id, for which no thumbindex.db is needed."""
    folder = _Folder(files, ansi)
    names, _ = _People.read(folder).names()
    return names, tuple(folder.problems)


# ------------------------------------------------------------------------------------------------------------- files


class _Folder:
    """The files of the folder, and what was wrong with those that were read."""

    def __init__(self, files: Mapping[str, bytes], ansi: str) -> None:
        self.ansi = ansi
        self.problems: list[Problem] = []
        self._files = files
        self._names = {name.lower(): name for name in files}

    def index(self) -> ThumbIndex:
        """The list of files. Raises PicasaError where there is none that can be read."""
        if INDEX not in self._names:
            raise PicasaError(f"no {INDEX}: this is not the folder db3 of Picasa's database")
        try:
            index, problems = thumbindex.read(self._files[self._names[INDEX]])
        except ValueError as error:
            raise PicasaError(f"{INDEX}: {error}") from error
        self.say(INDEX, *problems)
        return index

    def numbers(self, column: str, rows: int | None, types: frozenset[int]) -> NDArray[Any] | None:
        """The first values of a column; None where there is none, or none that can be used."""
        return self._read(f"{column}.pmp", lambda data: pmp.numbers(data, rows, types))

    def image_numbers(self, column: str, rows: int, types: frozenset[int] = U32) -> NDArray[Any]:
        """The same for a column of imagedata, with 0 where there is nothing."""
        values = self.numbers(f"imagedata_{column}", rows, types)
        return np.zeros(rows, np.uint64) if values is None else values

    def texts(self, column: str, rows: int | None = None) -> Texts:
        """The filled cells of a column; none where there is no such column, or none that can be used."""
        return self._read(f"{column}.pmp", lambda data: pmp.texts(data, rows, self.ansi)) or NO_TEXTS

    def lines(self, name: str) -> list[str]:
        """The lines of a text file that are not blank."""

        def read(data: bytes) -> tuple[list[str], list[str]]:
            raw = [line for line in map(bytes.strip, data.removeprefix(b"\xef\xbb\xbf").split(b"\n")) if line]
            bad = sum(not pmp.is_utf8(line) for line in raw)
            problems = [f"{bad} lines are not UTF-8 and were read as {self.ansi}"] if bad else []
            return [pmp.to_text(line, self.ansi) for line in raw], problems

        return self._read(name, read) or []

    def say(self, file: str, *why: str) -> None:
        """Note problems of a file."""
        self.problems += [Problem(file, reason) for reason in why]

    def _read(self, name: str, read: Callable[[bytes], tuple[_T, list[str]]]) -> _T | None:
        if name not in self._names:
            return None  # no problem: Picasa writes a column when it is first used
        try:
            value, problems = read(self._files[self._names[name]])
        except (ValueError, FacelibError) as error:
            self.say(name, str(error))
            return None
        self.say(name, *problems)
        return value


def _without_shifted(index: ThumbIndex, types: NDArray[Any], folder: _Folder) -> ThumbIndex:
    """A damaged index as far as it fits the columns: both have the types, which differ where entries are missing.

    Of entries of one type nobody can say which one is missing, so all that come together before the difference go with
    it.
    """
    shared = min(len(index), len(types))
    differ = np.flatnonzero(index.types[:shared] != types[:shared])
    if not len(differ):
        return index
    changes = np.flatnonzero(np.diff(index.types[: differ[0]])) + 1
    kept = int(changes[-1]) if len(changes) else 0
    folder.say(INDEX, f"its entries from {kept} on do not fit the columns and were left out")
    return index.first(kept)


def _tell_apart(index: ThumbIndex, types: NDArray[Any] | None, folder: _Folder) -> tuple[Rows, Rows]:
    """The rows of files and of faces; what is neither, nor a folder, nor deleted, is a problem."""
    face_type = index.types == _FACE
    if types is not None:  # which may be older than the index, and shorter
        face_type[: len(types)] &= types[: len(index)] == _FACE
    parents = index.parents.astype(np.int64)
    named, inside = index.ends > index.starts, parents < len(index)
    above = np.where(inside, parents, 0)  # an entry to look at, also where there is none
    in_folder = inside & (named & (parents == NONE))[above]
    files = named & in_folder
    nameless = ~named & inside
    in_file = nameless & files[above]
    faces = in_file & face_type
    for what, wrong in (
        ("point outside the file", ~inside & (parents != NONE)),
        ("are in something that is no folder", named & inside & ~in_folder),
        ("are in something that is no photo", nameless & ~in_file),
        ("have no name and are no faces", in_file & ~faces),
    ):
        rows = np.flatnonzero(wrong)
        if len(rows):
            folder.say(INDEX, f"{len(rows)} entries {what} (first: entry {rows[0]})")
    return np.flatnonzero(files), np.flatnonzero(faces)


# ------------------------------------------------------------------------------------------------------------ people


@dataclass(frozen=True, slots=True)
class _Album:
    """What an album says about the faces in it."""

    contact: int | None = None
    name: str | None = None
    ignored: bool = False
    strange: bool = False  # not an album of faces


@dataclass(frozen=True, slots=True, eq=False)
class _People:
    """The columns of albumdata that are about people."""

    contacts: NDArray[np.uint64]
    tokens: Texts
    titles: Texts

    @classmethod
    def read(cls, folder: _Folder) -> _People:
        contacts = folder.numbers("albumdata_albumcontactids", None, U64)
        if contacts is None:
            contacts = np.empty(0, np.uint64)
        return cls(contacts, folder.texts("albumdata_token"), folder.texts("albumdata_name"))

    def albums(self, rows: Rows) -> dict[int, _Album]:
        """What the albums of these rows say, by row."""
        cells = zip(rows.tolist(), self.tokens.at(rows), self.titles.at(rows), strict=True)
        return {row: self._album(row, token, title) for row, token, title in cells}

    def names(self) -> tuple[dict[int, str], dict[int, list[str]]]:
        """The name of each contact, and other names where several albums are one person's: the last one counts."""
        names: dict[int, str] = {}
        others: dict[int, list[str]] = {}
        for album in self.albums(np.flatnonzero(self.contacts)).values():
            if album.contact is None or album.name is None:
                continue
            if album.contact in names:
                others.setdefault(album.contact, []).append(names[album.contact])
            names[album.contact] = album.name
        return names, others

    def _album(self, row: int, token: str, title: str) -> _Album:
        if row in (0, NONE) or token == _UNKNOWN:
            return _Album()
        if token == _IGNORED:
            return _Album(ignored=True)
        contact = int(self.contacts[row]) if row < len(self.contacts) else 0
        # Where the tokens are lost, an id shows who is a person; else 'Unnamed' would become somebody's name.
        if not token.startswith(_PERSON) and (token or not contact):
            return _Album(strange=True)
        return _Album(None if contact in _NOBODY else contact, title.strip() or None)


# ---------------------------------------------------------------------------------------------------------- deferred

# 'rect64(h),<id or name>;...': faces that Picasa had read from an ini or from XMP and had not yet made rows of.
_ENTRY = re.compile(r"rect64\(([0-9a-fA-F]{1,16})\),(.*)", re.DOTALL)
_BETWEEN = re.compile(r";(?=rect64\()")  # a name may have a semicolon


def _regions(cell: str) -> tuple[list[tuple[int, str]], int]:
    """Rectangles and names ('' for none), and how many entries cannot be read."""
    entries = _BETWEEN.split(cell.strip().removesuffix(";")) if cell.strip("; ") else []
    found = [entry for entry in map(_ENTRY.fullmatch, entries) if entry]
    regions = [(int(entry[1], 16), entry[2].strip()) for entry in found]
    return [region for region in regions if region[0] > _NO_FACE], len(entries) - len(found)


def _marks(cell: str) -> tuple[list[tuple[int, int]], int]:
    """Rectangles and contact ids, and how many entries cannot be read."""
    regions, bad = _regions(cell)
    marks = [(rect, number) for rect, text in regions if (number := rect64.parse(text)) is not None]
    return marks, bad + len(regions) - len(marks)


@dataclass(frozen=True, slots=True, eq=False)
class _Deferred:
    """Faces that no rows exist for, by the row of their photo."""

    marks: Texts  # with ids, from ini files
    regions: Texts  # with names, from XMP; not kept up when a person is renamed

    @classmethod
    def read(cls, folder: _Folder, rows: int) -> _Deferred:
        deferred = cls(folder.texts("imagedata_deferredface", rows), folder.texts("imagedata_deferredregion", rows))
        columns = (("deferredface", deferred.marks, _marks), ("deferredregion", deferred.regions, _regions))
        for name, cells, parse in columns:
            bad = sum(parse(cell)[1] for cell in cells.at(cells.rows))
            if bad:
                folder.say(f"imagedata_{name}.pmp", f"{bad} faces could not be read")
        return deferred

    def learn(
        self, rows: Rows, names: Mapping[int, str], others: Mapping[int, list[str]]
    ) -> tuple[dict[int, str], dict[int, tuple[str, ...]]]:
        """The names of contacts, and further ones, with those that share a place with an id in these rows.

        A name of Picasa's people stays; of several others the most frequent counts, then the one that was met first.
        """
        met: dict[int, Counter[str]] = {}
        both = np.intersect1d(np.intersect1d(self.marks.rows, self.regions.rows), rows)
        for marks, regions in zip(self.marks.at(both), self.regions.at(both), strict=True):
            by_rect = dict(_regions(regions)[0])
            for rect, contact in _marks(marks)[0]:
                if contact not in _NOBODY and by_rect.get(rect):
                    met.setdefault(contact, Counter())[by_rect[rect]] += 1
        result, further = dict(names), {contact: list(older) for contact, older in others.items()}
        for contact, counts in met.items():
            ranked = [name for name, _ in counts.most_common()]
            result.setdefault(contact, ranked[0])
            further.setdefault(contact, []).extend(ranked)
        unlike = {c: tuple(dict.fromkeys(n for n in listed if n != result[c])) for c, listed in further.items()}
        return result, {contact: listed for contact, listed in unlike.items() if listed}


def _without_rows(own: Db3Face | None, marks: str, regions: str, names: Mapping[int, str]) -> tuple[Db3Face, ...]:
    """The faces of a photo that has no rows of faces: the one in its own row, and the deferred ones.

    A rectangle that both deferred columns have is one face, with the id of the one and, unless the id has a name
    already, the name of the other.
    """
    by_rect = dict(_regions(regions)[0])
    found: list[Db3Face] = []
    for rect, number in _marks(marks)[0]:
        contact = None if number in _NOBODY else number
        found.append(Db3Face(rect, contact, names.get(number) or by_rect.get(rect) or None))
    marked = {face.rect for face in found}
    found += [Db3Face(rect, None, name or None) for rect, name in by_rect.items() if rect not in marked]
    if own is not None:
        told = own.contact is not None or own.name is not None or own.ignored
        if told or own.rect not in {face.rect for face in found}:
            found = [own, *(face for face in found if face.rect != own.rect)]
    return tuple(dict.fromkeys(found))


# ------------------------------------------------------------------------------------------------------------ photos


@dataclass(frozen=True, slots=True, eq=False)
class _Photos(Iterable[Db3Photo]):
    """Every file in the index, and after them those that have a star and are not in the index."""

    index: ThumbIndex
    rows: Rows  # of the files, ascending
    face_rows: Rows  # of the faces, in the order of their photos
    face_photos: Rows  # the row of the photo, for each of face_rows
    rects: NDArray[np.uint64]  # by row of imagedata, like all columns
    album_rows: NDArray[Any]
    albums: dict[int, _Album]  # those that a face is in
    names: dict[int, str]
    deferred: _Deferred
    widths: NDArray[Any]
    heights: NDArray[Any]
    captions: Texts
    keywords: Texts
    stars: dict[str, str]  # path in lower case -> path
    ansi: str

    @classmethod
    def read(
        cls, folder: _Folder, index: ThumbIndex, rows: Rows, face_rows: Rows,
        people: _People, deferred: _Deferred, names: dict[int, str],
    ) -> _Photos:  # fmt: skip
        count = len(index)
        rects, crops = (folder.image_numbers(column, count, U64) for column in ("facerect", "crop64"))
        # On the row of a face both are the same. On that of a photo crop64 is how it is to be cut.
        rects[face_rows] = np.where(rects[face_rows] > _NO_FACE, rects[face_rows], crops[face_rows])
        lost = int(np.count_nonzero(rects[face_rows] <= _NO_FACE))
        if lost:
            folder.say("imagedata_facerect.pmp", f"{lost} faces have no rectangle")
        face_rows = face_rows[rects[face_rows] > _NO_FACE]
        face_rows = face_rows[np.argsort(index.parents[face_rows], kind="stable")]
        album_rows = folder.image_numbers("personalbumid", count).clip(min=0)
        used = album_rows[np.concatenate((face_rows, rows[rects[rows] > _NO_FACE]))]
        albums = people.albums(np.unique(used).astype(np.int64))
        strange = [row for row, album in albums.items() if album.strange]
        if strange:
            why = f"{len(strange)} albums with faces are no people: their faces are unnamed (first: row {strange[0]})"
            folder.say("imagedata_personalbumid.pmp", why)
        return cls(
            index, rows, face_rows, index.parents[face_rows].astype(np.int64), rects, album_rows, albums, names,
            deferred, folder.image_numbers("width", count), folder.image_numbers("height", count),
            folder.texts("imagedata_caption", count), folder.texts("imagedata_tags", count), _stars(folder),
            folder.ansi,
        )  # fmt: skip

    def __iter__(self) -> Iterator[Db3Photo]:
        stars = self.stars.copy()
        for at in range(0, len(self.rows), _BLOCK):
            yield from self._make(self.rows[at : at + _BLOCK], stars)
        for path in stars.values():
            yield Db3Photo(path, starred=True)

    def _make(self, rows: Rows, stars: dict[str, str]) -> Iterator[Db3Photo]:
        """The photos of these rows; takes those that it meets out of `stars`."""
        folder_rows, folders = np.unique(self.index.parents[rows].astype(np.int64), return_inverse=True)
        paths = [_as_folder(name) for name in self.index.names(folder_rows, self.ansi)]
        cells = zip(
            folders.tolist(), self.index.names(rows, self.ansi), self._faces(rows),
            self.widths[rows].tolist(), self.heights[rows].tolist(),
            self.captions.at(rows), self.keywords.at(rows), strict=True,
        )  # fmt: skip
        for folder, name, faces, width, height, caption, keywords in cells:
            path = paths[folder] + name
            yield Db3Photo(
                path,
                faces,
                width if width > 0 else None,
                height if height > 0 else None,
                bool(stars) and stars.pop(path.lower(), None) is not None,
                caption.strip() or None,
                _as_list(keywords) if keywords else (),
            )

    def _faces(self, rows: Rows) -> Iterator[tuple[Db3Face, ...]]:
        """The faces of each of these photos, each face once."""
        first, last = (np.searchsorted(self.face_photos, rows, side) for side in ("left", "right"))
        known = [face for face in self._marked(self.face_rows[first[0] : last[-1]]) if face]
        own = self._marked(rows)
        marks, regions = self.deferred.marks.at(rows), self.deferred.regions.at(rows)
        begins, ends = (first - first[0]).tolist(), (last - first[0]).tolist()
        for begin, end, face, mark, region in zip(begins, ends, own, marks, regions, strict=True):
            if begin < end:
                yield tuple(dict.fromkeys(known[begin:end]))
            elif face or mark or region:
                yield _without_rows(face, mark, region, self.names)
            else:
                yield ()

    def _marked(self, rows: Rows) -> list[Db3Face | None]:
        """The face that each of these rows says; None where it says none."""
        faces: list[Db3Face | None] = [None] * len(rows)
        filled = np.flatnonzero(self.rects[rows] > _NO_FACE)
        cells = zip(
            filled.tolist(), self.rects[rows[filled]].tolist(), self.album_rows[rows[filled]].tolist(), strict=True
        )
        for at, rect, row in cells:
            album = self.albums[row]
            name = album.name or (None if album.contact is None else self.names.get(album.contact))
            faces[at] = Db3Face(rect, album.contact, name, album.ignored)
        return faces


def _as_folder(path: str) -> str:
    """The path of a folder with a separator at its end, which Picasa always writes."""
    return path if path.endswith(("\\", "/")) else path + ("/" if path.startswith("/") else "\\")


def _as_list(keywords: str) -> tuple[str, ...]:
    """Keywords from text with commas, each once."""
    return tuple(dict.fromkeys(word for word in map(str.strip, keywords.split(",")) if word))


def _stars(folder: _Folder) -> dict[str, str]:
    """The files with a star, one path per line; path in lower case -> path.

    imagedata has no column for it: Picasa rewrites this list whenever somebody sets a star or takes it away.
    """
    lines = folder.lines(STARS)
    paths = [line for line in lines if "\\" in line or "/" in line]
    if len(paths) < len(lines):
        folder.say(STARS, f"{len(lines) - len(paths)} lines are no paths")
    return {path.lower(): path for path in paths}
