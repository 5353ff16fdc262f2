"""Libraries with what Picasa and others left in them, and what one does with these; for the tests of the importers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from conftest import FAKE, Library

from facelib.geometry import to_stored, upright_size
from facelib.models import Analysis, Box, Face, Job
from facelib.picasa import rect64
from facelib.picasa.paths import Rule
from facelib.progress import Silent, Stop
from facelib.stages import detect, encode, imports, picasa
from facelib.stages import regions as laying
from facelib.stages.analyse import analyse
from facelib.stages.import_report import ImportReport
from facelib.stages.pool import InlineExecutor
from facelib.stages.regions import RegionSummary
from facelib.store import runs

DETECTOR = "fake-1 @700-1200"
SIZE = (200, 120)  # of the photographs that conftest.draw makes
NOBODY = 0xFFFF_FFFF_FFFF_FFFF
# What Picasa's boxes have around a detector's: see the reference, measured on 84 faces.
MARGINS = (0.21, 0.20, 0.18, 0.10)


def patch(index: int) -> Box:
    """Where the fake detector sees face number `index` of a drawn photograph."""
    return Box(10 + 45 * index, 30, 41 + 45 * index, 71)


def framed(face: Box) -> Box:
    """The box that Picasa would draw around a detected face."""
    left, top, right, bottom = MARGINS
    width, height = face.width / (1 - left - right), face.height / (1 - top - bottom)
    x, y = face.left - left * width, face.top - top * height
    return Box(round(x), round(y), round(x + width), round(y + height))


def shrunk(box: Box) -> Box:
    """What a detector would see in a box of Picasa's."""
    left, top, right, bottom = MARGINS
    return Box(
        round(box.left + left * box.width),
        round(box.top + top * box.height),
        round(box.right - right * box.width),
        round(box.bottom - bottom * box.height),
    )


NOTHING = Box(150, 80, 190, 118)  # a place in a drawn photograph where no face is


def rect(box: Box, size: tuple[int, int] = SIZE, orientation: int = 1) -> int:
    """Picasa's number for a box in pixels of the upright photo of this size."""
    corners = ((box.left / size[0], box.top / size[1]), (box.right / size[0], box.bottom / size[1]))
    (x, y), (u, v) = (to_stored(corner, orientation) for corner in corners)
    return rect64.encode(min(x, u), min(y, v), max(x, u), max(y, v))


def faces(*pairs: tuple[Box, int], size: tuple[int, int] = SIZE, orientation: int = 1) -> str:
    """`faces=rect64(...),id;...` for boxes in the upright photo."""
    parts = (f"rect64({rect(box, size, orientation):x}),{contact:x}" for box, contact in pairs)
    return "faces=" + ";".join(parts)


def write_ini(folder: Path, sections: Mapping[str, Iterable[str]], name: str = ".picasa.ini") -> None:
    """An ini of these sections and lines."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [line for section, said in sections.items() for line in (f"[{section}]", *said)]
    (folder / name).write_bytes("\r\n".join([*lines, ""]).encode())


def write_contacts(path: Path, names: Mapping[int, str]) -> Path:
    """A contacts.xml."""
    entries = "".join(f'<contact id="{contact:x}" name="{name}"/>' for contact, name in names.items())
    path.write_text(f"<contacts>{entries}</contacts>", encoding="utf-8")
    return path


def mwg(
    boxes: Sequence[tuple[str | None, Box]],
    size: tuple[int, int] = SIZE,
    *,
    applied: tuple[int, int] | None = None,
    orientation: int | None = None,
    kind: str = "Face",
) -> bytes:
    """A packet with MWG regions, boxes in pixels of a picture of this size."""
    items = []
    for name, box in boxes:
        x, y = box.center
        items.append(
            "<rdf:li rdf:parseType='Resource'><mwg-rs:Area rdf:parseType='Resource'>"
            f"<stArea:x>{x / size[0]:.6f}</stArea:x><stArea:y>{y / size[1]:.6f}</stArea:y>"
            f"<stArea:w>{box.width / size[0]:.6f}</stArea:w><stArea:h>{box.height / size[1]:.6f}</stArea:h>"
            "<stArea:unit>normalized</stArea:unit></mwg-rs:Area>"
            + (f"<mwg-rs:Name>{name}</mwg-rs:Name>" if name else "")
            + f"<mwg-rs:Type>{kind}</mwg-rs:Type></rdf:li>"
        )
    width, height = applied or size
    turned = f"<tiff:Orientation>{orientation}</tiff:Orientation>" if orientation else ""
    return (
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
        "<rdf:Description rdf:about='' xmlns:mwg-rs='http://www.metadataworkinggroup.com/schemas/regions/'"
        " xmlns:stArea='http://ns.adobe.com/xmp/sType/Area#' xmlns:stDim='http://ns.adobe.com/xap/1.0/sType/Dimensions#'"
        " xmlns:tiff='http://ns.adobe.com/tiff/1.0/'>"
        f"{turned}<mwg-rs:Regions rdf:parseType='Resource'><mwg-rs:AppliedToDimensions rdf:parseType='Resource'>"
        f"<stDim:w>{width}</stDim:w><stDim:h>{height}</stDim:h><stDim:unit>pixel</stDim:unit>"
        f"</mwg-rs:AppliedToDimensions><mwg-rs:RegionList><rdf:Bag>{''.join(items)}</rdf:Bag></mwg-rs:RegionList>"
        "</mwg-rs:Regions></rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def mp(boxes: Sequence[tuple[str, Box]], size: tuple[int, int] = SIZE) -> bytes:
    """A packet with Microsoft's regions."""
    items = "".join(
        f"<rdf:li><rdf:Description MPReg:PersonDisplayName='{name}' MPReg:Rectangle='{box.left / size[0]:.6f}, "
        f"{box.top / size[1]:.6f}, {box.width / size[0]:.6f}, {box.height / size[1]:.6f}'/></rdf:li>"
        for name, box in boxes
    )
    return (
        "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
        "<rdf:Description rdf:about='' xmlns:MP='http://ns.microsoft.com/photo/1.2/'"
        " xmlns:MPRI='http://ns.microsoft.com/photo/1.2/t/RegionInfo#'"
        " xmlns:MPReg='http://ns.microsoft.com/photo/1.2/t/Region#'><MP:RegionInfo><rdf:Description><MPRI:Regions>"
        f"<rdf:Bag>{items}</rdf:Bag></MPRI:Regions></rdf:Description></MP:RegionInfo></rdf:Description></rdf:RDF>"
        "</x:xmpmeta>"
    ).encode()


@dataclass(frozen=True)
class Seen:
    """A detector that finds what it is told to, by path; where it is told nothing, nobody."""

    boxes: Mapping[str, Sequence[Box]] = field(default_factory=dict)

    def __call__(self, job: Job) -> Analysis:
        if not job.detect:
            return analyse(FAKE, job)
        read = analyse(FAKE, replace(job, detect=False, faces=()))
        found = tuple(
            Face(box, 1.0, "fake", encodings={"fake": bytes(512)})
            for box in sorted(self.boxes.get(job.path, ()), key=str)
        )
        return replace(read, faces=found)


Shown = tuple[object, ...]


class Importer:
    """A database, and importing into it in this process."""

    config = FAKE

    def __init__(self, db: Library) -> None:
        self.db = db

    def import_picasa(
        self,
        *paths: Path,
        contacts: Sequence[Path] = (),
        db3: Path | None = None,
        rules: Sequence[Rule] = (),
        ansi: str = "cp1252",
        stop: Stop | None = None,
    ) -> ImportReport:
        options = picasa.PicasaOptions(tuple(map(str, contacts)), db3 and str(db3), tuple(rules), ansi)
        return self._import("import-picasa", paths, picasa.gather(options), stop)

    def import_xmp(self, *paths: Path, stop: Stop | None = None) -> ImportReport:
        return self._import("import-xmp", paths, None, stop)

    def _import(
        self, command: str, paths: Sequence[Path], sources: picasa.Sources | None, stop: Stop | None
    ) -> ImportReport:
        run_id = runs.start(self.db.db, command)
        names = [str(path) for path in paths]
        report = imports.run(
            self.db.db, run_id, command, names, FAKE, sources, Silent(), stop or Stop(), executor=InlineExecutor()
        )
        runs.end(self.db.db, run_id, "done", report.as_dict())
        return report

    def scan(
        self, *paths: Path, limit: int | None = None, seen: Seen | None = None, detector: str = DETECTOR
    ) -> RegionSummary:
        """What `facelib scan` does, with the fake engine or a detector that finds what it is told to."""
        self.db.scan(*paths)
        run_id = runs.start(self.db.db, "scan")
        db, inline = self.db.db, InlineExecutor()
        detect.run(db, run_id, FAKE, detector, Silent(), Stop(), limit=limit, executor=inline, analyse=seen)
        laid = laying.run(db, Silent(), Stop())
        encode.run(db, run_id, FAKE, "fake", Silent(), Stop(), executor=inline)
        runs.end(db, run_id, "done", {})
        return laid

    def shown(self) -> list[Shown]:
        """faces_v1 as it is to be whatever came first: path, box, who, by whom, grouped by which of Picasa's ids."""
        rows = self.db.rows(
            'SELECT path, "left", top, "right", bottom, person, source, contact FROM faces_v1'
            " LEFT JOIN cluster USING (cluster_id) ORDER BY 1, 2, 3, 4, 5, 6, 7, 8"
        )
        return [(os.path.basename(str(row[0])), *row[1:]) for row in rows]

    def people(self) -> list[tuple[object, ...]]:
        """Who is on which photograph, and by whom it was said: (file name, name, source), named faces only."""
        rows = self.db.rows("SELECT path, person, source FROM faces_v1 WHERE person IS NOT NULL ORDER BY 1, 2, 3")
        return [(os.path.basename(str(path)), *rest) for path, *rest in rows]

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        """All tables but `run`, and of folders not when they were seen."""
        tables = [str(row[0]) for row in self.db.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
        kept = {name: self.db.rows(f"SELECT * FROM {name}") for name in tables if not name.startswith("sqlite_")}
        del kept["run"]
        for name in ("folder", "root"):  # which say in which run they were last seen
            kept[name] = self.db.rows(f"SELECT path FROM {name} ORDER BY 1")
        return kept

    def user_says(self, face_id: object, verdict: str, name: str | None = None) -> int:
        """A decision as a person makes it; gives its decision_id."""
        from facelib.stages import deciding

        deciding.decide(self.db.db, [int(str(face_id))], verdict, name)
        return int(str(self.db.rows("SELECT max(decision_id) FROM decision")[0][0]))

    def face_at(self, path: str, box: Box, tolerance: int = 3) -> object:
        """The face_id at a place."""
        sides = (box.left, box.top, box.right, box.bottom)
        for face_id, where, *there in self.db.rows('SELECT face_id, (SELECT path FROM file WHERE photo_id = f.photo_id),'
                                                   ' "left", top, "right", bottom FROM face f'):  # fmt: skip
            near = all(abs(int(str(a)) - b) <= tolerance for a, b in zip(there, sides, strict=True))
            if str(where).endswith(path) and near:
                return face_id
        raise AssertionError(f"no face at {box} of {path}")


def turned(path: Path, orientation: int, upright: tuple[int, int], save: str = "JPEG") -> None:
    """A dark photograph of this upright size, stored turned."""
    from PIL import Image

    width, height = upright_size(*upright, orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = path.name  # so that each is a photo of its own
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (width, height), (20, 20, 20))
    image.save(path, save, exif=exif)
