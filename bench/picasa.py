"""What Picasa left in a large library: `facelib import-picasa` of 1,000 inis with 20,000 faces that a detector has seen.

Each folder has an ini and five photos of four faces; the JPEG files are grey, of 640 x 480 stored pixels, in four EXIF
orientations, and differ by a comment. The library is indexed before, and holds a detection for each face, as much smaller
than Picasa's box and as far off its middle as detectors' are, with an encoding: so nothing but reading and joining is left
to do. The inis have what real ones have: ids with leading zeros dropped, ids that nobody names, that several names go by, or
that share one; unnamed faces, folders whose boxes were divided by the wrong size, old files in cp1252, stars, captions,
keywords, albums. Measured from outside: user and system time, the lowest of several imports, each into a copy of the index;
the same once for an import that comes before the detector; and the largest resident memory, which may not grow with the
library.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from struct import pack
from sys import executable
from typing import Any
from xml.sax.saxutils import quoteattr

from PIL import Image

from bench.figures import Figure
from bench.measure import Bench, BenchError, Used, digest, run
from facelib.config import DetectOptions
from facelib.engines.registry import detector_key
from facelib.geometry import to_stored
from facelib.models import Analysis, Box, Face
from facelib.picasa import rect64
from facelib.store import create_or_open, faces, files, runs

FOLDERS, QUICK_FOLDERS = 1000, 100
PARTS = 4  # memory is compared with that of the first of so many parts
PHOTOS = 5  # in a folder
FACES = 4  # in a photo
PEOPLE_OF_FOLDER = 8
REPEAT = 3
MAX_SECONDS = 20.0  # for FOLDERS
MAX_MIB = 20.0

WIDTH, HEIGHT = 640, 480  # stored pixels
ORIENTATIONS = (1, 1, 6, 8, 3)
PICASA_SHAPE = 0.834  # width by height of Picasa's boxes; this and what follows: see facelib.picasa.frames and join
CENTRE = (0.52, 0.56)  # of a detection in the box
WRONG_SIZE = 1024 / 800
REACH = 1 / WRONG_SIZE  # faces are in this part of the picture, so that no box leaves it where the size was wrong

FIRST = ("Ada", "Björn", "Chloé", "Dmitri", "Ebba", "Félix", "Greta", "Hugo", "Inès", "Jörg",
         "Kaja", "Luís", "Mia", "Noël", "Olga", "Piet", "Quinn", "Rosa", "Søren", "Tove")  # fmt: skip
LAST = ("Ahlgren", "Berg", "Castaño", "Dupont", "Evans", "Fuchs", "Grün", "Horn", "Iversen", "Jansen",
        "Köhler", "López", "Moreau", "Novak", "Olsen", "Perez", "Quist", "Ruiz", "Strauß", "Turner")  # fmt: skip
NAMES = tuple(f"{first} {last}" for last in LAST for first in FIRST)
LISTED = 300  # of these are in contacts.xml; the others' names are in the inis alone
NAMELESS = 25  # ids that have no name anywhere


def figures(bench: Bench) -> list[Figure]:
    """CPU time of the import in either order, and how much more memory the whole takes than a part of it."""
    count = QUICK_FOLDERS if bench.quick else FOLDERS
    place = bench.folder / f"picasa-{count}"
    bench.say(f"picasa: {count:,} folders with {count * PHOTOS * FACES:,} faces, {REPEAT} imports")
    make_tree(place, count)
    whole = _Library(bench, place, place / "tree", range(count))
    part = _Library(bench, place, place / "tree" / "0", range(count // PARTS))
    walk = whole.walk()
    firsts, seconds = zip(*(whole.twice() for _ in range(REPEAT)), strict=True)
    small, _ = part.twice()
    early, laid = whole.before_detector()
    cpu, again, peak = min(u.cpu for u in firsts), min(u.cpu for u in seconds), max(u.own_peak_mib for u in firsts)
    spread = f"highest {max(u.cpu for u in firsts):.2f} s, wall {min(u.wall for u in firsts):.2f} s"
    notes = (
        f"{whole.faces:,} faces; lowest of {REPEAT}, {spread}",
        f"of these `scan --no-faces`, which walks and finds nothing new, takes {walk.cpu:.2f} s",
        f"a second import, in which nothing changed: {again:.2f} s",
    )
    order = (f"the import {early.cpu:.2f} s, the scan that lays the boxes on the faces found since {laid.cpu:.2f} s",)
    peaks = (f"{peak:.0f} MiB for {count:,} folders, {small.own_peak_mib:.0f} MiB for {count // PARTS:,}",)
    limit = MAX_SECONDS * count / FOLDERS
    return [
        Figure("Picasa import, CPU", cpu, limit, "{:.1f} s", notes=notes),
        Figure("the same before the detector", early.cpu + laid.cpu, limit, "{:.1f} s", notes=order),
        Figure("Picasa import, growth of memory", peak - small.own_peak_mib, MAX_MIB, "{:.1f} MiB", notes=peaks),
    ]


# ------------------------------------------------------------------------------------------------------- importing


class _Library:
    """A tree or a part of it, indexed; imports go into copies of the index, with or without what a detector found."""

    def __init__(self, bench: Bench, place: Path, top: Path, folders: range) -> None:
        self._bench, self._top = bench, top
        self._contacts, self._config = place / "contacts.xml", place / "config.toml"
        name = f"picasa-{len(folders)}"
        self._unseen, self._seen, self._copy = (bench.scratch / f"{name}{kind}.db" for kind in ("", "-seen", "-copy"))
        self._persons = [
            None if face.contact is None else contacts()[face.contact]
            for number in folders
            for photo in photos_of(number).values()
            for face in photo.faces
        ]
        self._walk(self._unseen)
        shutil.copyfile(self._unseen, self._seen)
        _detect(self._seen)

    @property
    def faces(self) -> int:
        return len(self._persons)

    def walk(self) -> Used:
        """A walk that finds nothing new."""
        return self._walk(self._seen)

    def twice(self) -> tuple[Used, Used]:
        """An import after the detector, and another one that has nothing left to do."""
        shutil.copyfile(self._seen, self._copy)
        first, second = self._import(), self._import()
        self._check(digest(first), digest(second))
        return first, second

    def before_detector(self) -> tuple[Used, Used]:
        """An import before the detector, and the scan after it, which lays the boxes on the faces that it found."""
        shutil.copyfile(self._unseen, self._copy)
        first = self._import()
        _detect(self._copy)
        second = self._walk(self._copy)
        last = digest(self._import())
        self._check(last, last)
        return first, second

    def _walk(self, database: Path) -> Used:
        return self._bench.scan(database, self._top, "--no-faces", config=self._config)

    def _import(self) -> Used:
        command = [executable, "-m", "facelib", "--json", "--db", self._copy, "--config", self._config, "import-picasa"]
        return run([*map(str, command), str(self._top), "--contacts", str(self._contacts)], self._bench.env())

    def _check(self, first: dict[str, Any], last: dict[str, Any]) -> None:
        """All faces were read, named and joined, and the last import found nothing new."""
        known = first["regions"]["picasa"]
        for what, found, wanted in (
            ("faces were read", known["regions"], self.faces),
            ("of them have a name", known["named"], sum(person is not None for person in self._persons)),
            ("of them were joined to detected faces", known["joined"], self.faces),
            ("photos were encoded", first["encode"]["done"], 0),
            ("things changed in the last import", _changes(last), 0),
        ):
            if found != wanted:
                raise BenchError(f"picasa: {found:,} {what}, not {wanted:,}")


def _changes(report: dict[str, Any]) -> int:
    return int(sum(report["picasa"][name] for name in ("new", "changed", "people")) + report["laid"]["decided"])


def _detect(database: Path) -> None:
    """Write what a detector would have found, and an encoding for each face."""
    detector = detector_key(DetectOptions("fake"))
    with create_or_open(str(database)) as db:
        run_id = runs.start(db, "scan")
        with db.atomic():
            for path, photo_id in list(files.all_photos(db)):
                place = Path(path)
                photo = photos_of(int(place.parent.name))[place.name]
                found = tuple(
                    Face(face.seen, 1.0, "fake", encodings={"fake": pack("<128f", *[photo_id] * 128)})
                    for face in photo.faces
                )
                faces.save_detection(db, run_id, detector, Analysis(photo_id, faces=found))
        runs.end(db, run_id, "done", {})


# ------------------------------------------------------------------------------------------------ who is in the photos


@dataclass(frozen=True, slots=True)
class Marked:
    """A face that Picasa marked and a detector found; pixels of the upright photo."""

    box: Box
    seen: Box
    contact: int | None  # None: unnamed


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo of the library."""

    orientation: int  # EXIF
    faces: tuple[Marked, ...]


@cache
def contacts() -> dict[int, int | None]:
    """All ids, with the person, an index of NAMES, that each is; None: nobody knows. Each tenth person has two ids."""
    dice = random.Random("contacts")
    people = [*range(len(NAMES)), *range(0, len(NAMES), 10), *[None] * NAMELESS]
    return {dice.getrandbits(dice.choice((64, 64, 64, 60, 56))): person for person in people}


@cache
def photos_of(folder: int) -> dict[str, Photo]:
    """The photos of a folder by file name: always the same for one number."""
    dice = random.Random(folder)
    here = dice.sample(list(contacts()), PEOPLE_OF_FOLDER)
    found = {}
    for number in range(folder * PHOTOS, (folder + 1) * PHOTOS):
        orientation = 1 if _is_wrong(folder) else dice.choice(ORIENTATIONS)
        size = (WIDTH, HEIGHT) if orientation < 5 else (HEIGHT, WIDTH)
        ids = [contact if dice.random() < 0.95 else None for contact in dice.sample(here, FACES)]
        marked = tuple(_marked(dice, place, size, contact) for place, contact in enumerate(ids))
        found[f"IMG_{number:05d}.JPG"] = Photo(orientation, marked)
    return found


def _is_wrong(folder: int) -> bool:
    """Whether Picasa divided the boxes of this folder, of exported and so of upright pictures, by the wrong size."""
    return folder % 50 == 7


def _marked(dice: random.Random, place: int, size: tuple[int, int], contact: int | None) -> Marked:
    """A face in its quarter of the picture, as Picasa frames it and as a detector does."""
    across, down = int(size[0] * REACH / 2), int(size[1] * REACH / 2)
    height = dice.randint(80, 160)
    width = round(height * PICASA_SHAPE)
    left = place % 2 * across + dice.randint(0, across - width)
    top = place // 2 * down + dice.randint(0, down - height)
    half = round(width * dice.uniform(0.5, 0.75) / 2)
    x = left + round(width * (CENTRE[0] + dice.uniform(-0.04, 0.04)))
    y = top + round(height * (CENTRE[1] + dice.uniform(-0.04, 0.04)))
    return Marked(Box(left, top, left + width, top + height), Box(x - half, y - half, x + half, y + half), contact)


# --------------------------------------------------------------------------------------------------------- the files


def make_tree(place: Path, count: int) -> None:
    """Write the photos, the inis, contacts.xml and a configuration, unless they are there already."""
    done = place / "tree-is-complete"
    if done.exists():
        return
    blank = {orientation: _jpeg(orientation) for orientation in ORIENTATIONS}
    for number in range(count):
        folder = place / "tree" / str(number * PARTS // count) / f"{number:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, photo in photos_of(number).items():
            (folder / name).write_bytes(_commented(blank[photo.orientation], name))
        old = number % 10 == 9  # Picasa 2: other name, and the system's code page
        text = "\r\n".join((*ini_lines(number, old), ""))
        (folder / ("Picasa.ini" if old else ".picasa.ini")).write_bytes(text.encode("cp1252" if old else "utf-8"))
    (place / "contacts.xml").write_text("\n".join(("<contacts>", *_contact_elements(), "</contacts>\n")), "utf-8")
    (place / "config.toml").write_text('[detect]\ndetector = "fake"\n', "utf-8")
    done.touch()


def _jpeg(orientation: int) -> bytes:
    """A grey picture with this EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = BytesIO()
    Image.new("L", (WIDTH, HEIGHT), 128).save(file, "JPEG", quality=50, exif=exif)
    return file.getvalue()


def _commented(jpeg: bytes, comment: str) -> bytes:
    """The same picture with other bytes: a COM segment (ITU-T T.81, B.2.4.5) follows the first one, which has the EXIF.

    >>> _commented(b"\\xff\\xd8" + b"\\xff\\xe1\\0\\4--" + b"\\xff\\xd9", "!")
    b'\\xff\\xd8\\xff\\xe1\\x00\\x04--\\xff\\xfe\\x00\\x03!\\xff\\xd9'
    """
    after = 4 + int.from_bytes(jpeg[4:6], "big")
    text = comment.encode()
    return jpeg[:after] + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + jpeg[after:]


def ini_lines(folder: int, old: bool) -> Iterator[str]:
    """What Picasa says of a folder."""
    yield from ("[Picasa]", f"name=Folder {folder}", f"date={40000 + folder}.500000", "P2category=Folders on Disk")
    if not old:
        yield from ("[encoding]", "utf8=1")
    album = f"{folder % 50:032x}"
    yield from (f"[.album:{album}]", f"name=Album {folder % 50}", f"token={album}", "date=2014-07-01T12:00:00+02:00")
    here: dict[int, None] = {}
    times = WRONG_SIZE if _is_wrong(folder) else 1.0
    for number, (name, photo) in enumerate(photos_of(folder).items()):
        here.update((face.contact, None) for face in photo.faces if face.contact is not None)
        yield f"[{name}]"
        yield "faces=" + ";".join(_face(face, photo.orientation, times) for face in photo.faces)
        yield f"backuphash={folder * 31 % 65536}"
        if number == 0:
            yield from ("star=yes", f"albums={album}")
        if number == 1:
            yield from (f"caption=Das Fest, Teil {folder}", "keywords=Fest,Sommer,Garten")
    yield "[Contacts2]"
    for contact in here:
        said = _name_in(folder, contact)
        if said is not None:
            yield f"{contact:x}={said};;"
    yield f"[deleted-{folder}.JPG]"
    yield "faces=rect64(3f845bcb59418507),9b9dbbc5e4babcc"


def _face(face: Marked, orientation: int, times: float) -> str:
    """`rect64(...),id` of a face: shares of the stored picture."""
    size = (WIDTH, HEIGHT) if orientation < 5 else (HEIGHT, WIDTH)
    corners = ((face.box.left, face.box.top), (face.box.right, face.box.bottom))
    (x, y), (u, v) = (to_stored((x / size[0], y / size[1]), orientation) for x, y in corners)
    rect = rect64.encode(*(edge * times for edge in (min(x, u), min(y, v), max(x, u), max(y, v))))
    return f"rect64({rect64.to_text(rect)}),{0xFFFF_FFFF_FFFF_FFFF if face.contact is None else face.contact:x}"


def _name_in(folder: int, contact: int) -> str | None:
    """What the ini of a folder calls this id. Some ids had another name once, and some folders still have that one."""
    person = contacts()[contact]
    if person is None:
        return None
    return f"{NAMES[person].split()[0]} ?" if person % 20 == 3 and folder % 4 == 0 else NAMES[person]


def _contact_elements() -> Iterator[str]:
    for contact, person in contacts().items():
        if person is not None and person < LISTED:
            name = quoteattr(NAMES[person])
            yield f' <contact id="{contact:x}" name={name} modified_time="2014-11-02T20:40:16+01:00" local_contact="1"/>'
