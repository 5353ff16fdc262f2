"""Face regions in XMP: the bytes of a packet in, regions out. `regions` says which are the same, and where they may lie.

Three schemas: MWG regions (`mwg-rs`; Picasa, digiKam, Lightroom), Microsoft's people tags (`MP`; Windows) and IPTC image
regions. Nothing here raises: what cannot be used is absent, and `problems` says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from facelib.picasa import rdf
from facelib.picasa.rdf import Node, Properties

LARGEST_PACKET = 16 << 20  # bytes; depth maps and editing histories reach several MiB, faces some KiB
MOST_REGIONS = 1_000  # of one packet
FARTHEST, SMALLEST = 1e7, 1e-7  # no picture has coordinates beyond the one, or sides (as fractions) below the other

MWG, MP, IPTC = "mwg-rs", "MP", "iptc"
FACE, PERSON = "Face", "Person"
RECTANGLE, CIRCLE, POLYGON, POINT = "rectangle", "circle", "polygon", "point"
RELATIVE, PIXEL = "relative", "pixel"

_MWG = "{http://www.metadataworkinggroup.com/schemas/regions/}"
_MP, _MPRI = "{http://ns.microsoft.com/photo/1.2/}", "{http://ns.microsoft.com/photo/1.2/t/RegionInfo#}"
_MPREG = "{http://ns.microsoft.com/photo/1.2/t/Region#}"
_IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
_DC, _XMP = "{http://purl.org/dc/elements/1.1/}", "{http://ns.adobe.com/xap/1.0/}"
_ORIENTATION = "{http://ns.adobe.com/tiff/1.0/}Orientation"
_SIDECAR_FOR = "{http://ns.adobe.com/photoshop/1.0/}SidecarForExtension"
_READ = frozenset(
    [_MWG + "Regions", _MWG + "RegionList", _MP + "RegionInfo", _IPTC + "ImageRegion", _IPTC + "PersonInImage"]
    + [_IPTC + "PersonInImageWDetails", _DC + "subject", _DC + "title", _DC + "description", _XMP + "Rating"]
    + [_XMP + "CreatorTool", _ORIENTATION, _SIDECAR_FOR]
)

_KINDS = {"": FACE, "face": FACE, "person": PERSON, "pet": "Pet", "focus": "Focus", "barcode": "BarCode"}
# https://cv.iptc.org/newscodes/imageregiontype/, by the last part of the address
_IPTC_KINDS = {"face": FACE, "headshot": FACE, "human": PERSON, "person": PERSON}

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle in fractions 0..1 of a picture (or in its pixels, where so said); it may pass the edges."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class XmpRegion:
    """A region as one schema of one packet has it."""

    schema: str  # 'mwg-rs', 'MP' or 'iptc'
    name: str | None  # None: nobody is named
    kind: str = FACE  # 'Person': perhaps more of somebody than the face; else as the writer says: 'Pet', 'Focus', ...
    box: Area | None = None  # in the frame of its writer, see regions.candidates; None: nobody said where
    unit: str = RELATIVE  # 'pixel': the box is in pixels, and the packet does not say of how many
    shape: str = (
        RECTANGLE  # 'circle': the box is right in a square picture only, see regions.in_frame; 'polygon'; 'point'
    )
    people: tuple[str, ...] = ()  # everybody, where one region shows several; `name` is None then
    applied_to: Size | None = None  # AppliedToDimensions of its packet
    packet: int = 0  # which of the packets that were combined

    @property
    def shows_person(self) -> bool:
        """Whether it is about a person, not a pet, a focus point or a bar code."""
        return self.kind in (FACE, PERSON)


@dataclass(frozen=True, slots=True)
class XmpRegions:
    """What a packet, or several of one photo, say about the people in it; and what its owner wrote beside."""

    regions: tuple[XmpRegion, ...] = ()  # in the order of the schemas above, then of the packet
    applied_to: Size | None = None  # the size of the picture in which the MWG regions were drawn
    people: tuple[str, ...] = ()  # named for the whole picture (IPTC PersonInImage)
    keywords: tuple[str, ...] = ()  # dc:subject
    rating: int | None = None  # 0..5 stars, -1 rejected
    title: str | None = None
    description: str | None = None
    orientation: int | None = None  # tiff:Orientation, which may differ from that of the photo itself
    creator_tool: str | None = None  # what made the photo, or wrote this
    sidecar_for: str | None = None  # photoshop:SidecarForExtension, 'NEF': IMG_1.xmp beside IMG_1.nef and IMG_1.jpg
    problems: tuple[str, ...] = ()  # what could not be used, for a person

    @property
    def by_picasa(self) -> bool:
        """Whether the packet says that it was written by Picasa, or in a photo that Picasa made."""
        return "picasa" in (self.creator_tool or "").casefold()


def read(packet: bytes) -> XmpRegions:
    """Everything facelib wants from an XMP packet or sidecar; equal regions of several schemas are all there.

    A damaged packet gives what is whole before the damage. One that declares a document type (entities can grow without
    bounds), or is larger than faces explain, gives nothing but a problem.
    """
    if len(packet) > LARGEST_PACKET:
        return XmpRegions(problems=(f"the XMP has {len(packet):,} bytes and was not read",))
    kept, fault = rdf.parse(packet, _READ)
    problems = [fault] if fault else []
    applied_to = _applied_to(kept)
    regions = tuple(_regions(kept, applied_to, problems))
    rating, orientation = _number(_first(kept, _XMP + "Rating")), _number(_first(kept, _ORIENTATION))
    return XmpRegions(
        regions,
        applied_to,
        people=tuple(dict.fromkeys(_people(kept))),
        keywords=tuple(dict.fromkeys(text for node in kept.get(_DC + "subject", ()) for text in rdf.texts(node))),
        rating=int(rating) if rating is not None and -1 <= rating <= 5 else None,
        title=_first(kept, _DC + "title") or None,
        description=_first(kept, _DC + "description") or None,
        orientation=int(orientation) if orientation is not None and orientation in range(1, 9) else None,
        creator_tool=_first(kept, _XMP + "CreatorTool") or None,
        sidecar_for=_first(kept, _SIDECAR_FOR) or None,
        problems=tuple(problems),
    )


def combined(parts: Sequence[XmpRegions]) -> XmpRegions:
    """What several packets of one photo say together, the most trusted first: its own, its extension, its sidecars.

    Each region keeps its own `applied_to`, and knows by `packet` which part it is from.
    """

    def first(name: str) -> object:
        return next((value for part in parts if (value := getattr(part, name)) is not None), None)

    return XmpRegions(
        tuple(replace(region, packet=index) for index, part in enumerate(parts) for region in part.regions),
        people=tuple(dict.fromkeys(name for part in parts for name in part.people)),
        keywords=tuple(dict.fromkeys(word for part in parts for word in part.keywords)),
        problems=tuple(problem for part in parts for problem in part.problems),
        **{name: first(name) for name in _SINGLE},  # type: ignore[arg-type]
    )


_SINGLE = ("applied_to", "rating", "title", "description", "orientation", "creator_tool", "sidecar_for")


# ---------------------------------------------------------------------------------------------------- the schemas


class _UnusableError(Exception):
    """A region's place cannot be used; the message says why."""


_Fields = dict[str, Node]
_Place = tuple[Area, str, str]  # box, shape and unit


def _regions(kept: Properties, applied_to: Size | None, problems: list[str]) -> list[XmpRegion]:
    """The regions of the three schemas; what cannot be used of them is told in `problems`."""
    entries = [
        *((_mwg_person, _mwg_place, entry) for entry in _mwg_entries(kept)),
        *((_mp_person, _mp_place, entry) for entry in _mp_entries(kept)),
        *(
            (_iptc_person, _iptc_place, entry)
            for node in kept.get(_IPTC + "ImageRegion", ())
            for entry in rdf.items(node)
        ),
    ]
    if len(entries) > MOST_REGIONS:
        problems.append(f"{len(entries):,} regions, of which the first {MOST_REGIONS:,} were read")
    found = []
    for person, place, entry in entries[:MOST_REGIONS]:
        fields = rdf.fields(entry)
        region = replace(person(fields), applied_to=applied_to)
        try:
            region = _placed(region, place(fields))
        except _UnusableError as error:
            problems.append(f"a region of {region.name or 'nobody'} ({region.schema}) has no place: {error}")
        if region.box or region.name or region.people:
            found.append(region)
    return found


def _placed(region: XmpRegion, place: _Place | None) -> XmpRegion:
    if place is None:
        return region
    box, shape, unit = place
    if unit == PIXEL and region.schema == MWG and region.applied_to:  # only MWG says which picture the pixels are of
        box, unit = scaled(box, *region.applied_to), RELATIVE
    return replace(region, box=box, shape=shape, unit=unit)


def _mwg_entries(kept: Properties) -> Iterator[Node]:
    for node in kept.get(_MWG + "Regions", ()):
        yield from rdf.items(rdf.fields(node).get(_MWG + "RegionList"))
    for node in kept.get(_MWG + "RegionList", ()):  # written without its Regions
        yield from rdf.items(node)


def _applied_to(kept: Properties) -> Size | None:
    for node in kept.get(_MWG + "Regions", ()):
        size = rdf.local(rdf.fields(node).get(_MWG + "AppliedToDimensions"))
        width, height = _number(size.get("w")), _number(size.get("h"))
        if width and height and width >= 1 and height >= 1:
            return round(width), round(height)
    return None


def _mwg_person(fields: _Fields) -> XmpRegion:
    kind = rdf.text(fields.get(_MWG + "Type"))
    return XmpRegion(MWG, _name(rdf.text(fields.get(_MWG + "Name"))), _KINDS.get(kind.casefold(), kind))


def _mwg_place(fields: _Fields) -> _Place | None:
    """MWG 2.0: x and y are the centre; w and h, or the diameter d, or nothing: a point."""
    area = rdf.local(fields.get(_MWG + "Area"))
    if not area:
        return None
    x, y = _coordinate(area, "x"), _coordinate(area, "y")
    if "w" in area or "h" in area:
        width, height, shape = _side(area, "w"), _side(area, "h"), RECTANGLE
    elif "d" in area:
        width, height, shape = *(_side(area, "d"),) * 2, CIRCLE
    else:
        width, height, shape = 0.0, 0.0, POINT
    return _around(x, y, width / 2, height / 2), shape, _unit(area.get("unit", ""), x, y, width, height)


def _mp_entries(kept: Properties) -> Iterator[Node]:
    for node in kept.get(_MP + "RegionInfo", ()):
        yield from rdf.items(rdf.fields(node).get(_MPRI + "Regions"))


def _mp_person(fields: _Fields) -> XmpRegion:
    return XmpRegion(MP, _name(rdf.text(fields.get(_MPREG + "PersonDisplayName"))))


def _mp_place(fields: _Fields) -> _Place | None:
    """Microsoft's "left, top, width, height"."""
    rectangle = rdf.text(fields.get(_MPREG + "Rectangle"))
    if not rectangle:
        return None
    parts = re.split(r"[;\s]+|,\s+", rectangle)
    if len(parts) == 1:  # no blanks: the commas stand between the numbers, or in them too
        digits = rectangle.split(",")
        parts = digits if len(digits) == 4 else [".".join(digits[i : i + 2]) for i in range(0, len(digits), 2)]
    if len(parts) != 4:
        raise _UnusableError(f"{rectangle[:60]!r} is no rectangle")
    values = dict(zip("xywh", parts, strict=True))
    x, y, width, height = _coordinate(values, "x"), _coordinate(values, "y"), _side(values, "w"), _side(values, "h")
    return Area(x, y, x + width, y + height), RECTANGLE, _unit("", x, y, width, height)


def _iptc_person(fields: _Fields) -> XmpRegion:
    """Whom an IPTC region shows. Its own Name may be anything ("Listener 1"); it counts where people are not named else."""
    people = tuple(dict.fromkeys(_people({tag: [node] for tag, node in fields.items()})))
    kinds = list(_iptc_kinds(fields))
    kind = next((_IPTC_KINDS[k] for k in kinds if k in _IPTC_KINDS), None)
    if kind is None:
        kind = PERSON if people else next(iter(kinds), "Region")
    if len(people) > 1:
        return XmpRegion(IPTC, None, kind, people=people)
    name = people[0] if people else _name(rdf.text(fields.get(_IPTC + "Name")))
    return XmpRegion(IPTC, name, kind)


def _iptc_kinds(fields: _Fields) -> Iterator[str]:
    """What a region is said to show, and to be for: names, and the last parts of addresses in vocabularies."""
    for tag in ("rCtype", "rRole"):
        for entry in rdf.items(fields.get(_IPTC + tag)):
            said = rdf.fields(entry)
            addresses = rdf.texts(said.get(_XMP + "Identifier"))
            words = [address.rstrip("/").rpartition("/")[2] for address in addresses]
            yield from (word.casefold() for word in (*words, rdf.text(said.get(_IPTC + "Name"))) if word)


def _iptc_place(fields: _Fields) -> _Place | None:
    """IPTC: a rectangle by its top left corner, a circle by centre and radius, a polygon by its corners (one: a point)."""
    boundary = fields.get(_IPTC + "RegionBoundary")
    values = rdf.local(boundary)
    if not values:
        return None
    unit = values.get("rbUnit", "")
    vertices = [rdf.local(entry) for entry in rdf.items(rdf.fields(boundary).get(_IPTC + "rbVertices"))]
    if vertices:
        xs, ys = ([_coordinate(vertex, name) for vertex in vertices] for name in ("rbX", "rbY"))
        shape = POLYGON if len(vertices) > 1 else POINT
        return Area(min(xs), min(ys), max(xs), max(ys)), shape, _unit(unit, max(xs), max(ys))
    x, y = _coordinate(values, "rbX"), _coordinate(values, "rbY")
    if "rbRx" in values:
        radius = _side(values, "rbRx")
        return _around(x, y, radius, radius), CIRCLE, _unit(unit, x, y, radius)
    width, height = _side(values, "rbW"), _side(values, "rbH")
    return Area(x, y, x + width, y + height), RECTANGLE, _unit(unit, x, y, width, height)


def _people(kept: Properties) -> Iterator[str]:
    """Names in IPTC's PersonInImage, and in the longer form that came later."""
    for node in kept.get(_IPTC + "PersonInImage", ()):
        yield from filter(None, map(_name, rdf.texts(node)))
    for node in kept.get(_IPTC + "PersonInImageWDetails", ()):
        for entry in rdf.items(node):
            name = _name(rdf.text(rdf.fields(entry).get(_IPTC + "PersonName")))
            if name:
                yield name


def _first(kept: Properties, tag: str) -> str:
    return next((found for node in kept.get(tag, ()) if (found := rdf.text(node))), "")


def _name(text: str) -> str | None:
    """A person's name on one line; Picasa's id of nobody in its place (exiftool's convert_regions) names nobody."""
    return None if text.casefold() == "f" * 16 else " ".join(text.split()) or None


def _number(text: str | None) -> float | None:
    """A number as XMP, and those who write decimals with a comma, have it; None for what is none or beyond any picture."""
    if not text or not _NUMBER.fullmatch(text):
        return None
    value = float(text.replace(",", "."))
    return value if abs(value) < FARTHEST else None


_NUMBER = re.compile(r"[+-]?(\d{1,30}([.,]\d{0,30})?|[.,]\d{1,30})([eE][+-]?\d{1,3})?")


def _coordinate(values: dict[str, str], name: str) -> float:
    value = _number(values.get(name))
    if value is None:
        raise _UnusableError(f"{name} is {values.get(name, '')[:40]!r}")
    return value


def _side(values: dict[str, str], name: str) -> float:
    value = _coordinate(values, name)
    if value < SMALLEST:
        raise _UnusableError(f"{name} is {values[name][:40]!r}")
    return value


def _unit(said: str, *values: float) -> str:
    """The unit that is said; where none is, numbers far above 1 are pixels."""
    return PIXEL if said.casefold().startswith("pixel") or (not said and max(values) > 2) else RELATIVE


def _around(x: float, y: float, half_width: float, half_height: float) -> Area:
    return Area(x - half_width, y - half_height, x + half_width, y + half_height)


def scaled(box: Area, width: float, height: float) -> Area:
    """A box in pixels of a picture of this size, in fractions of it."""
    return Area(box.left / width, box.top / height, box.right / width, box.bottom / height)
