"""Reads `.picasa.ini` and `Picasa.ini`: what Picasa knew about the photographs of one folder.

The grammar is Picasa's own, not that of Python's configparser: no comments, no quotes, no interpolation, a section named by
everything between the first `[` and the last `]`, sections and keys that occur twice. What cannot be read is a problem
with its line, and costs nothing but itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from facelib.picasa import rect64
from facelib.picasa.lines import Problem, Problems, decode_line, decode_lines, single_line

_T = TypeVar("_T")

# Ids that mean nobody: a face that was never named, and one that is unknown or only suggested.
NOBODY = frozenset([0, 0xFFFF_FFFF_FFFF_FFFF])

# ------------------------------------------------------------------------------------------------------------ models


@dataclass(frozen=True, slots=True)
class PicasaFace:
    """A face as Picasa marked it."""

    rect: int  # see rect64; where it has no area the person is in the photo, but nobody knows where
    contact: int | None  # the person's id; None: unnamed


@dataclass(frozen=True, slots=True)
class PhotoEntry:
    """What is said about one photograph."""

    faces: tuple[PicasaFace, ...] = ()  # each pair once; a contact may have several rectangles, and the other way round
    star: bool = False
    hidden: bool = False
    caption: str | None = None
    keywords: tuple[str, ...] = ()
    albums: tuple[str, ...] = ()  # tokens, lower case; there may be no album of that token
    rotate: int = 0  # quarter-turns clockwise, 0..3, not saved into the file; the faces do not turn with it
    crop: int | None = None  # rect64 of the stored picture, not saved into the file
    width: int | None = None  # pixels, stored: of the original (in `.picasaoriginals`), or of a RAW file
    height: int | None = None
    filters: str | None = None  # the chain of edits as written: 'crop64=1,dc3369dc570a51e;'
    geotag: tuple[float, float] | None = None  # latitude, longitude: degrees, north and east positive


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """What is said about the folder itself."""

    name: str | None = None
    description: str | None = None
    location: str | None = None
    date: str | None = None  # ISO 8601, local
    category: str | None = None  # of Picasa 2: 'Other Stuff', 'My Albums', 'Folders on Disk'
    p2category: str | None = None  # of Picasa 3: 'Folders on Disk', 'Hidden Folders', 'Exported Pictures', ...


@dataclass(frozen=True, slots=True)
class Album:
    """An album, as one of the folders that its photographs lie in describes it."""

    token: str  # 32 hex digits, lower case
    name: str | None = None  # None where the album was deleted
    date: str | None = None  # ISO 8601, mostly with an offset
    description: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class ContactName:
    """The name of a contact in `[Contacts2]`."""

    name: str  # trimmed; may be empty
    email: str = ""
    account: str = ""  # a Google id of 21 digits


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a contact of `[Contacts]` is on the web; the name is in contacts.xml."""

    user: str  # '<account>_lh'
    subject: int


@dataclass(frozen=True, slots=True)
class Ini:
    """What one file says, or several files of one folder (`merge`)."""

    photos: dict[str, PhotoEntry] = field(default_factory=dict)  # by section name as written
    folder: FolderEntry = FolderEntry()
    contacts: dict[int, tuple[ContactName, ...]] = field(default_factory=dict)  # of several, the last one counts
    accounts: dict[int, tuple[Account, ...]] = field(default_factory=dict)
    albums: dict[str, Album] = field(default_factory=dict)  # by token
    problems: tuple[Problem, ...] = ()
    ansi: str = "cp1252"  # the code page of what is not UTF-8
    _folded: dict[str, list[str]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def find(self, name: str) -> PhotoEntry | None:
        """What is said about the file of this name; None where nothing is."""
        section = self.section(name)
        return None if section is None else self.photos[section]

    def section(self, name: str) -> str | None:
        """The section about the file of this name: the very same, else one in other case, else in another Unicode form."""
        if name in self.photos:
            return name
        if not self._folded:  # made by the first name that needs it
            for section in self.photos:
                self._folded.setdefault(_fold(section), []).append(section)
        name = _readable(name, self.ansi)
        near = self._folded.get(_fold(name), [])
        return next((section for section in near if section.lower() == name.lower()), near[0] if near else None)

    def pair(self, names: Iterable[str]) -> dict[str, str]:
        """Which section is about which file of the folder, file name -> section, one to one; sections left are stale."""
        names = list(names)
        pairs = {name: name for name in names if name in self.photos}
        taken = set(pairs)
        for name in names:
            section = None if name in pairs else self.section(name)
            if section is not None and section not in taken:
                pairs[name] = section
                taken.add(section)
        return pairs


def _fold(name: str) -> str:
    """What is equal for names that a case-insensitive file system takes for one."""
    if name.isascii():
        return name.lower()
    # lower() and not casefold(): to Windows 'Strasse' and 'Straße' are two.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).lower())


def _readable(name: str, ansi: str) -> str:
    """A file name whose bytes are not UTF-8 (`os.fsdecode`), read like the lines of an ini."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return decode_line(name.encode("utf-8", "surrogateescape"), ansi)
    return name


# ---------------------------------------------------------------------------------------------- several in one folder

# The middle is what Samba, Dropbox, Syncthing and others add to a twin: ' (2)', '.sync-conflict-20200101', '~1'.
_INI = re.compile(r"\.?picasa([ (._~-].*)?\.ini", re.IGNORECASE | re.DOTALL)


def ini_names(names: Iterable[str]) -> list[str]:
    """Those of a folder's file names that are Picasa's, in reading order: `.picasa.ini`, `Picasa.ini`, twins.

    >>> ini_names(["PICASA.INI", "a.jpg", ".picasa (2).ini", ".picasa.ini", "._.picasa.ini"])
    ['.picasa.ini', 'PICASA.INI', '.picasa (2).ini']
    """

    def rank(name: str) -> tuple[int, bool, str, str]:
        age = {".picasa.ini": 0, "picasa.ini": 1}.get(name.lower(), 2)
        return age, name not in (".picasa.ini", "Picasa.ini"), name.lower(), name

    return sorted((name for name in names if _INI.fullmatch(name)), key=rank)


def merge(inis: Iterable[Ini]) -> Ini:
    """The documents of one folder as one, given in the order of `ini_names`; where two differ the earlier one is right.

    A section of a later one counts where no earlier one has it. An empty section is one: Picasa leaves the header when the
    last thing said about a photo is taken back, and never deletes the old file. Ids and their names are put together.
    Problems stay with the documents whose lines they count.
    """
    merged = Ini()
    for position, later in enumerate(inis):
        merged = Ini(
            photos=merged.photos | {n: entry for n, entry in later.photos.items() if merged.section(n) is None},
            folder=later.folder if merged.folder == FolderEntry() else merged.folder,
            contacts=_together(later.contacts, merged.contacts),  # the last name counts: the earlier document's
            accounts=_together(merged.accounts, later.accounts),
            albums=later.albums | merged.albums,
            ansi=merged.ansi if position else later.ansi,
        )
    return merged


def shadowed(earlier: Ini, later: Ini) -> tuple[str, ...]:
    """The sections of `later` whose faces `merge` leaves out, because `earlier` has that photo with others or none."""
    return tuple(
        name
        for name, entry in later.photos.items()
        if (known := earlier.find(name)) is not None and not set(entry.faces) <= set(known.faces)
    )


def _together(first: Mapping[int, tuple[_T, ...]], last: Mapping[int, tuple[_T, ...]]) -> dict[int, tuple[_T, ...]]:
    """The values of both by id, each once; those of `last` keep their place at the end."""
    both = {**first, **last}
    for key in first.keys() & last.keys():
        known = set(last[key])
        both[key] = (*(value for value in first[key] if value not in known), *last[key])
    return both


# ----------------------------------------------------------------------------------------------------------- reading


def read(data: bytes, ansi: str = "cp1252") -> Ini:
    """Read one file. Nothing in it makes this fail; what cannot be read is in `problems`.

    Lines that are not UTF-8 are of the Windows code page `ansi`; raises UsageError where Python knows no such one.
    """
    reader = _Reader()
    for number, line in enumerate(decode_lines(data, ansi), 1):
        reader.line(number, line)
    return reader.document(ansi)


class _Reader:
    """Takes a file line by line. What a line of the section means is `_take`; None where nobody wants it."""

    def __init__(self) -> None:
        # Fields of the records; what is a tuple there is a dict here, which keeps the order and each value once.
        self._photos: dict[str, dict[str, Any]] = {}
        self._folder: dict[str, str] = {}
        self._albums: dict[str, dict[str, str]] = {}
        self._contacts: dict[int, dict[ContactName, None]] = {}
        self._accounts: dict[int, dict[Account, None]] = {}
        self._problems = Problems()
        self._number, self._text, self._section = 0, "", ""
        self._take: Callable[[str, str], None] | None = self._homeless
        self._special: dict[str, Callable[[str, str], None] | None] = {
            "picasa": self._about_folder,
            "lifescape": self._about_folder_before,  # Picasa's name for it in 2002
            "contacts2": self._contact,
            "contacts": self._account,
            "encoding": None,  # each line shows by itself what it is
            "photoid": None,  # of the web albums
            "(null)": None,  # Picasa's slip
        }

    def line(self, number: int, line: str) -> None:
        """Take the next line."""
        # A BOM may begin any line where files were pasted together; a crash leaves blocks of zero bytes.
        line = line.strip(" \t\r\ufeff")
        if not line:
            return
        self._number, self._text = number, line
        line = line.strip(" \t\0\ufeff")
        if line.startswith(("[", "]")):
            self._header(line)
        elif self._take is not None:
            key, equals, value = line.partition("=")
            if equals and key:
                self._take(key.strip().lower(), value.strip())
            elif not equals and line.endswith("]"):
                self._header(line)
            else:
                self._complain("neither a section nor key=value")

    def document(self, ansi: str) -> Ini:
        """What the lines said."""
        return Ini(
            photos={name: _entry(values) if values else _NOTHING for name, values in self._photos.items()},
            folder=FolderEntry(**self._folder),
            contacts={key: tuple(names) for key, names in self._contacts.items()},
            accounts={key: tuple(accounts) for key, accounts in self._accounts.items()},
            albums={token: Album(token, **values) for token, values in self._albums.items()},
            problems=self._problems.all(),
            ansi=ansi,
        )

    def _complain(self, why: str, text: str | None = None) -> None:
        self._problems.add(self._number, self._text if text is None else text, why)

    def _header(self, line: str) -> None:
        name = line[1:-1]
        if line[0] != "[" or line[-1] != "]" or not name.strip():
            # Whose lines follow is unknown. Leaving them out is better than giving them to the photo before.
            self._complain("a damaged section name; what follows, up to the next section, is left out")
            self._take = None
            return
        self._section, kind = name, name.lower()
        if kind in self._special:
            self._take = self._special[kind]
        elif kind.startswith(".album:"):
            self._section = kind.removeprefix(".album:").strip()
            self._albums.setdefault(self._section, {})
            self._take = self._about_album
        else:
            self._photos.setdefault(name, {})
            self._take = self._about_photo

    def _homeless(self, _key: str, _value: str) -> None:
        self._complain("stands before the first section")

    def _about_photo(self, key: str, value: str) -> None:
        if key not in _PHOTO_KEYS or not value:
            return
        values = self._photos[self._section]
        if key == "faces":
            faces, damaged = read_faces(value)
            values.setdefault(key, {}).update(dict.fromkeys(faces))
            for entry in damaged:
                self._complain("not a face of the form rect64(...),id", entry)
            return
        understand, why = _PHOTO_KEYS[key]
        meaning = understand(value)
        if meaning is None:
            self._complain(why)
        elif isinstance(meaning, dict):
            values.setdefault(key, {}).update(meaning)
        else:
            values[key] = meaning

    def _about_folder(self, key: str, value: str) -> None:
        self._describe(self._folder, _FOLDER_KEYS, key, value)

    def _about_folder_before(self, key: str, value: str) -> None:
        if key not in self._folder:
            self._describe(self._folder, _FOLDER_KEYS, key, value)

    def _about_album(self, key: str, value: str) -> None:
        self._describe(self._albums[self._section], _ALBUM_KEYS, key, value)

    def _describe(self, values: dict[str, str], keys: frozenset[str], key: str, value: str) -> None:
        if key not in keys or not value:
            return
        meaning = _date(value) if key == "date" else _text(value) if key == "description" else single_line(value)
        if meaning is None:
            self._complain("not a date")
        elif meaning:
            values[key] = meaning

    def _contact(self, key: str, value: str) -> None:
        contact = rect64.parse(key)
        if value.lower() in _BACKWARDS:
            return
        if contact is None:
            self._complain("the id of a contact has 1 to 16 hexadecimal digits")
        elif contact not in NOBODY:
            name, email, account = (single_line(part) for part in (value + ";;").split(";", 2))
            entry, entries = ContactName(name, email, account.strip("; ")), self._contacts.setdefault(contact, {})
            entries.pop(entry, None)  # said again, it is the last one
            entries[entry] = None

    def _account(self, key: str, value: str) -> None:
        user, _, digits = value.strip("; ").rpartition(",")
        contact, subject = rect64.parse(key), rect64.parse(digits.strip())
        if value.lower() in _BACKWARDS:
            return
        if contact is None or subject is None or not user.strip():
            self._complain("not a contact of the form id=account,id")
        elif contact not in NOBODY:
            self._accounts.setdefault(contact, {})[Account(single_line(user), subject)] = None


# ------------------------------------------------------------------------------------------------------------- values

_NOTHING = PhotoEntry()
_FACE = re.compile(r"rect64\(([0-9a-f]{1,16})\)\s*,\s*([0-9a-f]{1,16})", re.IGNORECASE | re.ASCII)
_RECT = re.compile(r"rect64\(([0-9a-f]{1,16})\)", re.IGNORECASE | re.ASCII)
_CROPS = re.compile(r"(?:^|;)crop64=[^,;]*,([0-9a-f]{1,16})", re.IGNORECASE)
_ENTITY = re.compile(r"&#(\d{1,7});", re.ASCII)
_DAYS = re.compile(r"-?\d{1,7}(?:[.,]\d{1,20})?", re.ASCII)
_DEGREES = re.compile(r"([+-]?\d{1,3}(?:\.\d{1,20})?)\s*,\s*([+-]?\d{1,3}(?:\.\d{1,20})?)", re.ASCII)
_OLE_EPOCH = datetime(1899, 12, 30)


def read_faces(value: str) -> tuple[tuple[PicasaFace, ...], tuple[str, ...]]:
    """The faces of `rect64(h),id;rect64(h),id`, and the parts that are damaged.

    Of a damaged part the half that can be read is kept: a rectangle without a name, or a person without a rectangle
    (`rect` 0).

    >>> read_faces("rect64(7c4ff8bf8da),ffffffffffffffff;rect64(12")
    ((PicasaFace(rect=8542682347738, contact=None),), ('rect64(12',))
    """
    faces, damaged = [], []
    for part in filter(None, map(str.strip, value.split(";"))):
        whole = _FACE.fullmatch(part)
        if whole is None:
            damaged.append(part)
            faces += _half_face(part)
        else:
            contact = int(whole[2], 16)
            faces.append(PicasaFace(int(whole[1], 16), None if contact in NOBODY else contact))
    return tuple(dict.fromkeys(faces)), tuple(damaged)


def _half_face(part: str) -> list[PicasaFace]:
    rect = _RECT.match(part)
    contact = rect64.parse(part.rpartition(",")[2].strip()) if part.lower().startswith("rect64(") else None
    if rect is None and contact is None:
        return []
    return [PicasaFace(int(rect[1], 16) if rect else 0, None if contact in NOBODY else contact)]


def _text(value: str) -> str:
    """Text of several lines, trimmed: Picasa writes a new line as `\\n`, and what its code page lacks as `&#8364;`."""
    value = value.replace("\\r\\n", "\n").replace("\\n", "\n")
    if "&#" in value:
        # Characters beyond U+FFFF may come as two entities, the halves that UTF-16 has.
        units = _ENTITY.sub(_character, value).encode("utf-16-le", "surrogatepass")
        value = units.decode("utf-16-le", "replace")
    return "\n".join(map(single_line, value.split("\n"))).strip()


def _character(entity: re.Match[str]) -> str:
    number = int(entity[1])
    return chr(number) if 0 < number <= 0x10FFFF else entity[0]


def _date(value: str) -> str | None:
    """ISO 8601 from OLE's days since 1899-12-30 (local time) or from ISO; '' for the zero that means none."""
    try:
        if not _DAYS.fullmatch(value):
            return datetime.fromisoformat(value).isoformat()
        days = float(value.replace(",", "."))
        # Before 1899 the fraction still counts forward: -1.25 is six in the morning of the 29th.
        moment = _OLE_EPOCH + timedelta(days=int(days), seconds=round(abs(days - int(days)) * 86400))
    except (ValueError, OverflowError):
        return None
    return moment.isoformat() if days else ""


def _flag(value: str) -> bool:
    return value.lower() not in ("no", "0", "false")  # Picasa only ever writes 'yes'


def _list(value: str) -> dict[str, None]:
    return dict.fromkeys(filter(None, map(single_line, value.split(","))))


def _tokens(value: str) -> dict[str, None]:
    return _list(value.lower())


def _turns(value: str) -> int | None:
    turns = re.fullmatch(r"rotate\((-?[0-9])\)", value, re.IGNORECASE)
    return int(turns[1]) % 4 if turns else None


def _rect(value: str) -> int | None:
    rect = _RECT.fullmatch(value)
    return int(rect[1], 16) if rect else None


def _pixels(value: str) -> int | None:
    return int(value) if re.fullmatch(r"[0-9]{1,9}", value) and int(value) else None


def _place(value: str) -> tuple[float, float] | None:
    degrees = _DEGREES.fullmatch(value)
    if degrees is None:
        return None
    latitude, longitude = float(degrees[1]), float(degrees[2])
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None


def _entry(values: dict[str, Any]) -> PhotoEntry:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, dict) else value for key, value in values.items()}
    if "crop" not in fields and (crops := _CROPS.findall(fields.get("filters", ""))):
        fields["crop"] = int(crops[-1], 16)  # each is relative to the original; the last one is what `crop=` repeats
    return PhotoEntry(**fields)


# What is kept of a photo: how it is read, and what is wrong where it cannot be. All other keys are known to be of no use
# (backuphash, moddate, textactive, IIDLIST_...), or nobody knows them.
_PHOTO_KEYS: dict[str, tuple[Callable[[str], Any], str]] = {
    "faces": (read_faces, ""),
    "star": (_flag, ""),
    "hidden": (_flag, ""),
    "caption": (_text, ""),
    "keywords": (_list, ""),
    "albums": (_tokens, ""),
    "rotate": (_turns, "not rotate(0) to rotate(3)"),
    "crop": (_rect, "not rect64(...)"),
    "width": (_pixels, "not a number of pixels"),
    "height": (_pixels, "not a number of pixels"),
    "filters": (single_line, ""),
    "geotag": (_place, "not latitude,longitude in degrees"),
}
# Picasa is known to have written lines backwards, `05292=hsahpukcab`; among the contacts that would be a person.
_BACKWARDS = frozenset(key[::-1] for key in ("backuphash", *_PHOTO_KEYS))
_ALBUM_KEYS = frozenset(["name", "date", "description", "location"])
_FOLDER_KEYS = _ALBUM_KEYS | {"category", "p2category"}
