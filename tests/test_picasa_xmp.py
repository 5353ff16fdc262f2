"""What reading XMP promises: however RDF is written, the same regions; nothing lost, nothing invented, no exception."""

from __future__ import annotations

import json
import math
import time
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest
from conftest import DATA, needs
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from facelib.geometry import to_stored, upright_size
from facelib.picasa import packets, regions, xmp
from facelib.picasa.regions import candidates, frames, merged
from facelib.picasa.xmp import Area, XmpRegion, XmpRegions, combined, read

SAMPLES = DATA / "xmp-regions"
NAMESPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
    "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
    "MP": "http://ns.microsoft.com/photo/1.2/",
    "MPRI": "http://ns.microsoft.com/photo/1.2/t/RegionInfo#",
    "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
}
PREFIXES = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
RESOURCE = 'rdf:parseType="Resource"'
ANN = Area(0.25, 0.125, 0.5, 0.375)


def packet(inside: str, attributes: str = "") -> bytes:
    """A packet with these properties, as elements and as attributes of its Description."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF{PREFIXES}><rdf:Description rdf:about="" {attributes}>{inside}</rdf:Description></rdf:RDF>'
        f'</x:xmpmeta>{" " * 40}<?xpacket end="w"?>'
    ).encode()


def mwg(*entries: str, size: tuple[int, int] | None = None) -> str:
    dims = f'<mwg-rs:AppliedToDimensions stDim:w="{size[0]}" stDim:h="{size[1]}" stDim:unit="pixel"/>' if size else ""
    listed = "".join(f"<rdf:li {RESOURCE}>{entry}</rdf:li>" for entry in entries)
    return (
        f"<mwg-rs:Regions {RESOURCE}>{dims}<mwg-rs:RegionList><rdf:Bag>{listed}</rdf:Bag></mwg-rs:RegionList>"
        "</mwg-rs:Regions>"
    )


def face(name: str, area: str, kind: str = "Face") -> str:
    """An entry of mwg-rs; `area` is 'x=0.5 y=0.5 ...'."""
    parts = " ".join(f'stArea:{part.partition("=")[0]}="{part.partition("=")[2]}"' for part in area.split())
    typed = f"<mwg-rs:Type>{kind}</mwg-rs:Type>" if kind else ""
    return f"<mwg-rs:Name>{name}</mwg-rs:Name>{typed}<mwg-rs:Area {parts}/>"


def mp(*people: tuple[str, str | None]) -> str:
    listed = "".join(
        f'<rdf:li MPReg:PersonDisplayName="{name}"' + (f' MPReg:Rectangle="{box}"/>' if box else "/>")
        for name, box in people
    )
    return f"<MP:RegionInfo {RESOURCE}><MPRI:Regions><rdf:Bag>{listed}</rdf:Bag></MPRI:Regions></MP:RegionInfo>"


def iptc(boundary: str, inside: str = "") -> str:
    return (
        f"<Iptc4xmpExt:ImageRegion><rdf:Bag><rdf:li {RESOURCE}>{inside}<Iptc4xmpExt:RegionBoundary {RESOURCE}>"
        f"{boundary}</Iptc4xmpExt:RegionBoundary></rdf:li></rdf:Bag></Iptc4xmpExt:ImageRegion>"
    )


def rb(**values: object) -> str:
    return "".join(f"<Iptc4xmpExt:rb{name}>{value}</Iptc4xmpExt:rb{name}>" for name, value in values.items())


def shown(*people: str) -> str:
    named = "".join(f"<rdf:li>{person}</rdf:li>" for person in people)
    return f"<Iptc4xmpExt:PersonInImage><rdf:Bag>{named}</rdf:Bag></Iptc4xmpExt:PersonInImage>"


def one(found: XmpRegions) -> XmpRegion:
    assert found.problems == ()
    (region,) = found.regions
    return region


def near(box: Area | None, *edges: float) -> bool:
    return box is not None and all(
        math.isclose(a, b, abs_tol=1e-6) for a, b in zip((box.left, box.top, box.right, box.bottom), edges, strict=True)
    )


# ---- the samples


def sample(name: str) -> XmpRegions:
    """What a file of the samples says, read as the importer reads it."""
    with (SAMPLES / name).open("rb") as stream:
        found = packets.find(stream)
    assert found.problems == ()
    return combined([read(each) for each in found.packets])


def expected() -> dict[str, list[dict[str, object]]]:
    if not SAMPLES.is_dir():
        return {}
    rows = json.loads((SAMPLES / "regions-expected.json").read_text(encoding="utf-8"))
    return {name: said for name, said in rows.items() if (SAMPLES / name).is_file()}


def said_of(rows: list[dict[str, object]]) -> set[tuple[str, object, tuple[float, ...] | None]]:
    """The regions of the expectation, each once: schema, name, box; None where it does not tell the box (IPTC's polygons)."""
    regions = set()
    for row in rows:
        numbers = {
            str(k).rpartition(".")[2]: float(str(v))
            for k, v in row.items()
            if str(v)[:1].isdigit() and "," not in str(v)
        }
        if "Rectangle" in row:
            x, y, w, h = (float(part) for part in str(row["Rectangle"]).split(","))
            regions.add(("MP", row["PersonDisplayName"], (x, y, x + w, y + h)))
        elif "Area.x" in row:
            x, y, w, h = (numbers[key] for key in "xywh")
            regions.add(("mwg-rs", row.get("Name"), (x - w / 2, y - h / 2, x + w / 2, y + h / 2)))
        elif "RegionBoundary.rbShape" in row:
            x, y = numbers.get("rbX", 0), numbers.get("rbY", 0)
            w, h, r = numbers.get("rbW", 0), numbers.get("rbH", 0), numbers.get("rbRx")
            box = (x - r, y - r, x + r, y + r) if r else (x, y, x + w, y + h) if w else None
            regions.add(("iptc", f"region {row['rId']}", box))
    return {(schema, name, box and tuple(round(edge, 6) for edge in box)) for schema, name, box in regions}


@needs("xmp-regions")
@pytest.mark.parametrize("name", expected())
def test_the_samples_say_what_is_expected(name: str) -> None:
    found, rows = sample(name), expected()[name]
    wanted, got = said_of(rows), set()
    for region in found.regions:
        box = region.box
        assert box is not None
        edges = tuple(round(edge, 6) for edge in (box.left, box.top, box.right, box.bottom))
        label = region.name if region.schema != "iptc" else next(
            said for schema, said, _ in wanted if schema == "iptc" and str(said) in str(region.name)
        )  # fmt: skip
        got.add((region.schema, label, None if region.shape == "polygon" else edges))
    assert got == wanted
    assert len(found.regions) == len(wanted)
    sizes = [row["AppliedToDimensions"] for row in rows if "AppliedToDimensions" in row]
    assert found.applied_to == ((int(sizes[0]["w"]), int(sizes[0]["h"])) if sizes else None)  # type: ignore[index]
    named = {person for row in rows for person in row.get("PersonInImage", ())}  # type: ignore[attr-defined]
    assert named <= {*found.people, *(region.name for region in found.regions)}


@needs("xmp-regions")
def test_there_are_samples_to_read() -> None:
    assert len(expected()) >= 20


@needs("xmp-regions")
def test_a_polygon_is_the_box_around_its_corners() -> None:
    polygon = next(region for region in sample("photoprism/iptc-2021.jpg").regions if region.shape == "polygon")
    assert near(polygon.box, 0.05, 0.041, 0.375, 0.863)


@needs("xmp-regions")
def test_keywords_captions_and_ratings_come_along() -> None:
    niaz = sample("librephotos/niaz.xmp")
    assert "First Man" in niaz.keywords
    assert niaz.rating == 5
    assert niaz.title == '"First Man" Premiere at NASM'
    assert niaz.creator_tool == "Adobe Photoshop Lightroom Classic 7.4 (Macintosh)"
    assert not niaz.by_picasa
    assert sample("exiftool/XMP.xmp").keywords == ("test1", "&-&amp;-&")
    assert sample("immich/picasa.jpg").description == "Image-Description"


MARIE, PIERRE = (
    (0.312, 0.209, 0.425, 0.407),
    (0.639, 0.119, 0.736, 0.36),
)  # upright, in all pictures made from portrait.jpg


def on_its_face(region: XmpRegion, area: Area) -> bool:
    """Whether the middle of a region is within the face of the person it names."""
    left, top, right, bottom = {"Marie Curie": MARIE, "Pierre Curie": PIERRE}[region.name or ""]
    return left < (area.left + area.right) / 2 < right and top < (area.top + area.bottom) / 2 < bottom


PORTRAITS = [
    ("immich/portrait.jpg", 1),
    ("immich/portrait-orientation-6.jpg", 6),
    ("skatsubo/input/photo.jpg", 1),
    ("skatsubo/images/photo.3.embedded.jpg", 3),
    ("skatsubo/images/photo.6.embedded.jpg", 6),
    ("skatsubo/images/photo.8.embedded_sidecar.jpg", 8),
]


@needs("xmp-regions")
@pytest.mark.parametrize(("name", "orientation"), PORTRAITS)
def test_every_person_of_the_portraits_has_a_candidate_on_the_face(name: str, orientation: int) -> None:
    with Image.open(SAMPLES / name) as photo:
        size = photo.size
    people = merged(sample(name).regions)
    assert [person.name for person in people] == ["Marie Curie", "Pierre Curie"]
    for person in people:
        places = [area for place in person.places for _, area in candidates(place, place.applied_to, size, orientation)]
        assert any(on_its_face(person.places[0], area) for area in places)


@needs("xmp-regions")
def test_one_program_turned_the_picture_and_only_one_schemas_boxes() -> None:
    people = merged(sample("immich/portrait-orientation-6.jpg").regions)
    assert [person.alternatives for person in people] == [True, True]
    for person in people:
        stored, never_turned = person.places
        assert (stored.schema, never_turned.schema) == ("mwg-rs", "MP")
        frame, area = candidates(stored, stored.applied_to, (700, 840), 6)[0]
        assert frame == "stored"
        assert on_its_face(stored, area)
        right = [
            frame for frame, area in candidates(never_turned, None, (700, 840), 6) if on_its_face(never_turned, area)
        ]
        assert right == ["shown"]


@needs("xmp-regions")
def test_a_size_that_was_not_turned_with_the_picture_misleads_and_the_other_frame_is_there_too() -> None:
    for region in sample("skatsubo/images/photo.6.embedded.jpg").regions:
        (first, wrong), (second, right) = candidates(region, region.applied_to, (700, 840), 6)
        assert (first, second) == ("shown", "stored")
        assert (on_its_face(region, wrong), on_its_face(region, right)) == (False, True)


@needs("xmp-regions")
def test_a_sidecar_that_repeats_the_photo_adds_nobody() -> None:
    name = "skatsubo/images/photo.3.embedded_sidecar.jpg"
    both = combined([sample(name), sample(f"{name}.xmp")])
    assert [region.packet for region in both.regions] == [0, 0, 1, 1]
    assert both.orientation == 3
    assert [(person.name, len(person.places)) for person in merged(both.regions)] == [
        ("Marie Curie", 1),
        ("Pierre Curie", 1),
    ]


# ---- the forms of RDF

AREA_ELEMENTS = (
    "<stArea:x>0.375</stArea:x><stArea:y>0.25</stArea:y><stArea:w>0.25</stArea:w><stArea:h>0.25</stArea:h>"
    "<stArea:unit>normalized</stArea:unit>"
)
AREA_ATTRIBUTES = 'stArea:x="0.375" stArea:y="0.25" stArea:w="0.25" stArea:h="0.25" stArea:unit="normalized"'
FIELDS = f"<mwg-rs:Name>Ann</mwg-rs:Name><mwg-rs:Type>Face</mwg-rs:Type><mwg-rs:Area {AREA_ATTRIBUTES}/>"


def listed(entry: str, container: str = "Bag") -> bytes:
    return packet(
        f"<mwg-rs:Regions><rdf:Description><mwg-rs:RegionList><rdf:{container}>{entry}</rdf:{container}>"
        "</mwg-rs:RegionList></rdf:Description></mwg-rs:Regions>"
    )


FORMS = {
    "attributes": listed(f'<rdf:li mwg-rs:Name="Ann" {RESOURCE}><mwg-rs:Area {AREA_ATTRIBUTES}/></rdf:li>'),
    "attributes of a Description": listed(
        f'<rdf:li><rdf:Description mwg-rs:Name="Ann" mwg-rs:Type="Face"><mwg-rs:Area {AREA_ATTRIBUTES}/>'
        "</rdf:Description></rdf:li>"
    ),
    "elements": listed(
        f"<rdf:li {RESOURCE}><mwg-rs:Name>Ann</mwg-rs:Name><mwg-rs:Area {RESOURCE}>{AREA_ELEMENTS}</mwg-rs:Area></rdf:li>"
    ),
    "elements of Descriptions": listed(
        "<rdf:li><rdf:Description><mwg-rs:Name>Ann</mwg-rs:Name><mwg-rs:Area><rdf:Description>"
        f"{AREA_ELEMENTS}</rdf:Description></mwg-rs:Area></rdf:Description></rdf:li>"
    ),
    "no parseType": listed(f"<rdf:li><mwg-rs:Name>Ann</mwg-rs:Name><mwg-rs:Area>{AREA_ELEMENTS}</mwg-rs:Area></rdf:li>"),
    "a Seq": listed(f"<rdf:li {RESOURCE}>{FIELDS}</rdf:li>", "Seq"),
    "an Alt": listed(f"<rdf:li {RESOURCE}>{FIELDS}</rdf:li>", "Alt"),
    "no container": packet(
        f"<mwg-rs:Regions {RESOURCE}><mwg-rs:RegionList {RESOURCE}>{FIELDS}</mwg-rs:RegionList></mwg-rs:Regions>"
    ),
    "no Regions": packet(f"<mwg-rs:RegionList><rdf:Bag><rdf:li {RESOURCE}>{FIELDS}</rdf:li></rdf:Bag></mwg-rs:RegionList>"),
    "other prefixes": listed(f"<rdf:li {RESOURCE}>{FIELDS}</rdf:li>")
    .replace(b"mwg-rs:", b"a:").replace(b":mwg-rs=", b":a=")
    .replace(b"rdf:", b"r:").replace(b":rdf=", b":r=")
    .replace(b"stArea:", b"dc2:").replace(b":stArea=", b":dc2="),
    "a wrong namespace of the area": listed(f"<rdf:li {RESOURCE}>{FIELDS}</rdf:li>").replace(
        b"http://ns.adobe.com/xmp/sType/Area#", b"http://ns.adobe.com/xap/1.0/sType/Area#"
    ),
    "a name in languages": listed(f"<rdf:li {RESOURCE}>{FIELDS}</rdf:li>").replace(
        b"<mwg-rs:Name>Ann</mwg-rs:Name>",
        b'<mwg-rs:Name><rdf:Alt><rdf:li xml:lang="de">Anne</rdf:li><rdf:li xml:lang="x-default">Ann</rdf:li></rdf:Alt>'
        b"</mwg-rs:Name>",
    ),
    "a qualified name": listed(f"<rdf:li {RESOURCE}>{FIELDS}</rdf:li>").replace(
        b"<mwg-rs:Name>Ann</mwg-rs:Name>",
        b'<mwg-rs:Name rdf:parseType="Resource"><rdf:value>Ann</rdf:value><dc:source>x</dc:source></mwg-rs:Name>',
    ),
    "blanks and lines": listed(f"<rdf:li {RESOURCE}>{FIELDS}</rdf:li>").replace(b">Ann<", b">\n  Ann\n <"),
    "no xmpmeta, no xpacket": b"<rdf:RDF" + listed(f"<rdf:li {RESOURCE}>{FIELDS}</rdf:li>")
    .partition(b"<rdf:RDF")[2].partition(b"</x:xmpmeta>")[0],
    "an XML declaration": b'<?xml version="1.0" encoding="UTF-8"?>\n' + listed(f"<rdf:li {RESOURCE}>{FIELDS}</rdf:li>"),
    "a byte order mark": b"\xef\xbb\xbf" + listed(f"<rdf:li {RESOURCE}>{FIELDS}</rdf:li>"),
    "blanks before, NULs behind": b"\r\n " + listed(f"<rdf:li {RESOURCE}>{FIELDS}</rdf:li>") + b"\0\0\0",
    "UTF-16, little end first": listed(f"<rdf:li {RESOURCE}>{FIELDS}</rdf:li>").decode().encode("utf-16-le"),
    "UTF-16, big end first, marked": b"\xfe\xff"
    + listed(f"<rdf:li {RESOURCE}>{FIELDS}</rdf:li>").decode().encode("utf-16-be"),
    "commas for points": listed(f"<rdf:li {RESOURCE}>{FIELDS}</rdf:li>").replace(b"0.", b"0,"),
    "a comment within": listed(f"<rdf:li {RESOURCE}>{FIELDS}</rdf:li>").replace(b">Ann<", b">A<!-- x -->nn<"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_region_is_the_same_in_every_form_that_rdf_has(form: str) -> None:
    assert one(read(FORMS[form])) == XmpRegion("mwg-rs", "Ann", box=ANN)


def test_names_keep_their_letters() -> None:
    for name in ("Zoë Þór", "李小龍", "O&apos;Neil &amp; Söhne", "\U0001f600"):
        wanted = name.replace("&apos;", "'").replace("&amp;", "&")
        assert one(read(packet(mwg(face(name, "x=0.375 y=0.25 w=0.25 h=0.25"))))).name == wanted


def test_names_are_on_one_line_and_captions_keep_theirs() -> None:
    found = read(packet(mwg(face("Ann\n Lee", "x=.5 y=.5 w=.1 h=.1")) + "<dc:description>one\n\ntwo</dc:description>"))
    assert one(found).name == "Ann Lee"
    assert found.description == "one\n\ntwo"


# ---- MWG


def test_the_area_of_mwg_is_told_by_its_centre() -> None:
    assert one(read(packet(mwg(face("Ann", "x=0.375 y=0.25 w=0.25 h=0.25 unit=normalized"))))).box == ANN


def test_pixels_are_fractions_of_the_dimensions_that_they_were_applied_to() -> None:
    found = read(packet(mwg(face("Ann", "x=375 y=125 w=250 h=125 unit=pixel"), size=(1000, 500))))
    assert one(found) == XmpRegion("mwg-rs", "Ann", box=ANN, applied_to=(1000, 500))
    assert found.applied_to == (1000, 500)


def test_pixels_of_nobody_knows_what_wait_for_the_size_of_the_photo() -> None:
    region = one(read(packet(mwg(face("Ann", "x=375 y=125 w=250 h=125 unit=pixel")))))
    assert (region.unit, region.box) == ("pixel", Area(250, 62.5, 500, 187.5))
    assert candidates(region, None, (1000, 500), 1) == [("stored", ANN)]


def test_large_numbers_without_a_unit_are_pixels() -> None:
    assert one(read(packet(mwg(face("Ann", "x=375 y=125 w=250 h=125"))))).unit == "pixel"
    assert one(read(packet(mwg(face("Ann", "x=0.9 y=0.9 w=0.4 h=0.3"))))).unit == "relative"


def test_boxes_may_pass_the_edges() -> None:
    assert near(one(read(packet(mwg(face("Ann", "x=0.95 y=0.02 w=0.2 h=0.2"))))).box, 0.85, -0.08, 1.05, 0.12)


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("Face", "Face"),
        ("FACE", "Face"),
        ("", "Face"),
        ("Pet", "Pet"),
        ("Focus", "Focus"),
        ("BarCode", "BarCode"),
        ("X", "X"),
    ],
)
def test_a_region_without_a_type_is_a_face_and_the_others_keep_theirs(written: str, kind: str) -> None:
    region = one(read(packet(mwg(face("Ann", "x=0.5 y=0.5 w=0.1 h=0.1", written)))))
    assert region.kind == kind
    assert region.shows_person == (kind == "Face")


def test_an_empty_type_as_picasa_writes_it_is_a_face() -> None:
    area = "<mwg-rs:Type></mwg-rs:Type><mwg-rs:Area stArea:x='.5' stArea:y='.5' stArea:w='.1' stArea:h='.1'/>"
    found = read(packet(mwg(area) + "<xmp:CreatorTool>Picasa</xmp:CreatorTool>"))
    assert (one(found).kind, one(found).name, found.by_picasa) == ("Face", None, True)


def test_a_circle_is_round_in_pixels_and_measured_by_the_shorter_side() -> None:
    region = one(read(packet(mwg(face("Ann", "x=0.5 y=0.5 d=0.5")))))
    assert region.shape == "circle"
    ((_, area),) = candidates(region, None, (2000, 1000), 1)
    assert near(area, 0.375, 0.25, 0.625, 0.75)


def test_a_point_is_a_box_without_size() -> None:
    region = one(read(packet(mwg(face("Ann", "x=0.5 y=0.25")))))
    assert (region.shape, region.box) == ("point", Area(0.5, 0.25, 0.5, 0.25))


def test_regions_may_be_spread_over_several_descriptions() -> None:
    ann, bob = (mwg(face(name, f"x={x} y=.5 w=.1 h=.1")) for name, x in (("Ann", 0.2), ("Bob", 0.8)))
    found = read(packet(f'{ann}</rdf:Description><rdf:Description rdf:about="">{bob}'))
    assert [region.name for region in found.regions] == ["Ann", "Bob"]


@pytest.mark.parametrize(
    "area",
    ["x=0.5 y=0.5 w=nan h=0.1", "x=inf y=0.5 w=0.1 h=0.1", "x=1e999 y=0.5 w=0.1 h=0.1", "x=0.5 y=0.5 w=0.1",
     "x=0.5 y=0.5 w=0 h=0", "x=0.5 y=0.5 w=-0.1 h=0.1", "x=0.5 w=0.1 h=0.1", "x=five y=0.5 w=0.1 h=0.1",
     "x=1,234.5 y=0.5 w=0.1 h=0.1", "x=0.5 y=0.5 d=0"],
)  # fmt: skip
def test_a_name_outlives_its_unusable_box_and_the_problem_is_told(area: str) -> None:
    found = read(packet(mwg(face("Ann", area), face("Bob", "x=0.5 y=0.5 w=0.1 h=0.1"))))
    assert [(region.name, region.box is None) for region in found.regions] == [("Ann", True), ("Bob", False)]
    (problem,) = found.problems
    assert "Ann" in problem


def test_entries_that_say_nothing_are_no_regions() -> None:
    found = read(packet(mwg("", "<mwg-rs:Type>Face</mwg-rs:Type>") + mp(("", None))))
    assert (found.regions, found.problems) == ((), ())


@pytest.mark.parametrize("empty", ["<rdf:Bag/>", "<rdf:Bag><rdf:li/></rdf:Bag>", ""])
def test_empty_lists_are_no_regions(empty: str) -> None:
    found = read(
        packet(
            f"<mwg-rs:Regions {RESOURCE}><mwg-rs:RegionList>{empty}</mwg-rs:RegionList></mwg-rs:Regions>"
            f"<MP:RegionInfo {RESOURCE}><MPRI:Regions>{empty}</MPRI:Regions></MP:RegionInfo>"
        )
    )
    assert (found.regions, found.problems) == ((), ())


# ---- Microsoft


@pytest.mark.parametrize(
    "rectangle",
    ["0.25, 0.125, 0.25, 0.25", "0.25,0.125,0.25,0.25", "0,25, 0,125, 0,25, 0,25", "0,25,0,125,0,25,0,25",
     "0,25;0,125;0,25;0,25", " .25 .125 .25 .25 "],
)  # fmt: skip
def test_microsofts_rectangle_is_told_by_its_top_left_corner(rectangle: str) -> None:
    assert one(read(packet(mp(("Ann", rectangle))))) == XmpRegion("MP", "Ann", box=ANN)


def test_a_person_without_a_rectangle_is_in_the_picture_somewhere() -> None:
    assert one(read(packet(mp(("Ann", None))))) == XmpRegion("MP", "Ann")


@pytest.mark.parametrize("nobody", ["", "ffffffffffffffff", "FFFFFFFFFFFFFFFF"])
def test_a_rectangle_of_nobody_is_an_unnamed_face(nobody: str) -> None:
    assert one(read(packet(mp((nobody, "0.25, 0.125, 0.25, 0.25"))))) == XmpRegion("MP", None, box=ANN)


@pytest.mark.parametrize(
    "rectangle", ["0.1, 0.2, 0.3", "1,2,3,4,5", "a, b, c, d", "0, 0, 0, 0", "0.1, 0.2, 0.3, 0.4, 0.5"]
)
def test_what_is_no_rectangle_costs_the_place_and_not_the_name(rectangle: str) -> None:
    found = read(packet(mp(("Ann", rectangle))))
    assert found.regions == (XmpRegion("MP", "Ann"),)
    assert len(found.problems) == 1


# ---- IPTC


def test_an_iptc_rectangle_is_told_by_its_top_left_corner() -> None:
    boundary = rb(Shape="rectangle", Unit="relative", X=0.25, Y=0.125, W=0.25, H=0.25)
    assert one(read(packet(iptc(boundary, shown("Ann"))))) == XmpRegion("iptc", "Ann", "Person", ANN)


def test_iptc_pixels_wait_for_the_size_of_the_photo_even_beside_dimensions_of_mwg() -> None:
    boundary = rb(Shape="rectangle", Unit="pixel", X=250, Y=125, W=250, H=250)
    found = read(packet(iptc(boundary, shown("Ann")) + mwg(size=(10, 10))))
    assert one(found).unit == "pixel"
    assert candidates(one(found), None, (1000, 1000), 1) == [("stored", ANN)]


def test_an_iptc_circle_is_round_in_pixels_and_measured_by_the_width() -> None:
    region = one(read(packet(iptc(rb(Shape="circle", Unit="relative", X=0.5, Y=0.5, Rx=0.1), shown("Ann")))))
    ((_, area),) = candidates(region, None, (2000, 1000), 1)
    assert near(area, 0.4, 0.3, 0.6, 0.7)
    (_, turned), (_, upright) = candidates(region, None, (2000, 1000), 6)  # upright it is 1000 wide
    assert near(turned, 0.3, 0.4, 0.7, 0.6)
    assert near(upright, 0.4, 0.45, 0.6, 0.55)


@pytest.mark.parametrize(
    ("corners", "shape"), [([(0.25, 0.3), (0.5, 0.125), (0.4, 0.375)], "polygon"), ([(0.5, 0.5)], "point")]
)
def test_a_polygon_of_iptc_is_its_bounding_box(corners: list[tuple[float, float]], shape: str) -> None:
    entries = "".join(f"<rdf:li {RESOURCE}>{rb(X=x, Y=y)}</rdf:li>" for x, y in corners)
    boundary = (
        rb(Shape="polygon", Unit="relative")
        + f"<Iptc4xmpExt:rbVertices><rdf:Seq>{entries}</rdf:Seq></Iptc4xmpExt:rbVertices>"
    )
    region = one(read(packet(iptc(boundary, shown("Ann")))))
    assert (region.shape, region.box) == (shape, ANN if shape == "polygon" else Area(0.5, 0.5, 0.5, 0.5))


RECT = rb(Shape="rectangle", Unit="relative", X=0.25, Y=0.125, W=0.25, H=0.25)


def content(word: str) -> str:
    return (
        f"<Iptc4xmpExt:rCtype><rdf:Bag><rdf:li {RESOURCE}><xmp:Identifier><rdf:Bag><rdf:li>"
        f"http://cv.iptc.org/newscodes/imageregiontype/{word}</rdf:li></rdf:Bag></xmp:Identifier></rdf:li></rdf:Bag>"
        "</Iptc4xmpExt:rCtype>"
    )


def test_an_iptc_region_is_a_face_where_its_type_says_so_and_else_somebody_if_a_person_is_named() -> None:
    kinds = [
        one(read(packet(iptc(RECT, said)))).kind
        for said in (content("face"), content("headshot"), content("human"), shown("Ann"), content("animal"), "")
    ]
    assert kinds == ["Face", "Face", "Person", "Person", "animal", "Region"]


def test_the_name_of_an_iptc_region_counts_where_no_person_is_named() -> None:
    label = "<Iptc4xmpExt:Name><rdf:Alt><rdf:li xml:lang='x-default'>Bob</rdf:li></rdf:Alt></Iptc4xmpExt:Name>"
    assert one(read(packet(iptc(RECT, content("face") + label)))).name == "Bob"
    assert one(read(packet(iptc(RECT, shown("Ann") + label)))).name == "Ann"


def test_details_of_a_person_name_a_region_too() -> None:
    details = (
        f"<Iptc4xmpExt:PersonInImageWDetails><rdf:Bag><rdf:li {RESOURCE}><Iptc4xmpExt:PersonName>Ann</Iptc4xmpExt:PersonName>"
        "</rdf:li></rdf:Bag></Iptc4xmpExt:PersonInImageWDetails>"
    )
    assert one(read(packet(iptc(RECT, details)))).name == "Ann"
    assert read(packet(details)).people == ("Ann",)


def test_a_region_of_several_people_is_nobodys_and_keeps_them_all() -> None:
    region = one(read(packet(iptc(RECT, shown("Ann", "Bob")))))
    assert (region.name, region.people) == (None, ("Ann", "Bob"))


# ---- what is beside the regions


def test_what_the_owner_wrote_beside_is_kept_in_either_form() -> None:
    found = read(
        packet(
            "<dc:subject><rdf:Bag><rdf:li>sea</rdf:li><rdf:li>sun</rdf:li><rdf:li>sea</rdf:li></rdf:Bag></dc:subject>"
            + shown("Ann", "Bob"),
            'xmp:Rating="4" xmp:CreatorTool="Picasa 3.9" dc:title="At sea" tiff:Orientation="6"'
            ' photoshop:SidecarForExtension="NEF"',
        )
    )
    assert found == XmpRegions(
        people=("Ann", "Bob"),
        keywords=("sea", "sun"),
        rating=4,
        title="At sea",
        orientation=6,
        creator_tool="Picasa 3.9",
        sidecar_for="NEF",
    )
    assert found.by_picasa


@pytest.mark.parametrize(
    ("text", "rating"), [("-1", -1), ("3.0", 3), ("0", 0), ("99", None), ("good", None), ("", None)]
)
def test_ratings_are_stars(text: str, rating: int | None) -> None:
    assert read(packet(f"<xmp:Rating>{text}</xmp:Rating>")).rating == rating


def test_combined_takes_the_first_that_speaks_and_keeps_every_region_with_its_own_dimensions() -> None:
    one_ = read(packet(mwg(face("Ann", "x=.5 y=.5 w=.1 h=.1"), size=(40, 30)) + "<dc:subject>sea</dc:subject>"))
    other = read(
        packet(mwg(face("Ann", "x=.5 y=.5 w=.1 h=.1"), size=(30, 40)) + "<dc:title>T</dc:title>", 'xmp:Rating="2"')
    )
    both = combined([one_, other])
    assert [(region.packet, region.applied_to) for region in both.regions] == [(0, (40, 30)), (1, (30, 40))]
    assert (both.applied_to, both.keywords, both.title, both.rating) == ((40, 30), ("sea",), "T", 2)
    assert combined([]) == XmpRegions()


# ---- damage


def test_a_packet_that_is_cut_off_gives_the_regions_before_the_cut() -> None:
    whole = packet(mwg(*(face(name, "x=.5 y=.5 w=.1 h=.1") for name in ("Ann", "Bob", "Cay"))))
    found = read(whole[: whole.index(b"Cay")])
    assert [region.name for region in found.regions] == ["Ann", "Bob"]
    assert "damaged" in found.problems[0]


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (b"Ann\x01", "Ann"),
        (b"Ann&#0;&#x1F;", "Ann"),
        (b"Jos\xe9", "José"),  # cp1252 in what should be UTF-8
        (b"\xe9\xe8 Jos\xc3\xa9", "éè José"),
    ],
)
def test_characters_that_xml_forbids_are_mended(damage: bytes, name: str) -> None:
    found = read(packet(mwg(face("Ann", "x=0.375 y=0.25 w=0.25 h=0.25"))).replace(b"Ann", damage))
    assert found.regions == (XmpRegion("mwg-rs", name, box=ANN),)
    assert "mended" in found.problems[0]


def test_rubbish_around_the_packet_is_cut_off() -> None:
    found = read(b"\x7frubbish" + packet(mwg(face("Ann", "x=0.375 y=0.25 w=0.25 h=0.25"))) + b"<more>")
    assert found.regions == (XmpRegion("mwg-rs", "Ann", box=ANN),)


@pytest.mark.parametrize("encoding", ["shift_jis", "utf-7", "nothing-known", "rot13"])
def test_an_encoding_that_nobody_reads_is_a_problem(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + packet(mwg(face("Ann", "x=.5 y=.5 w=.1 h=.1")))
    found = read(text)
    assert [region.name for region in found.regions] == ["Ann"]  # mended: the declaration is cut off
    assert len(found.problems) == 1


# ---- hostile packets

LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))


@pytest.mark.parametrize(
    "declared",
    [f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>', '<!DOCTYPE x SYSTEM "file:///etc/passwd">', "<!DOCTYPE x>",
     '<!DOCTYPE x [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>'],
)  # fmt: skip
def test_a_packet_that_declares_a_document_type_is_refused(declared: str) -> None:
    found = read(declared.encode() + packet(mwg(face("&l9;" if "l9" in declared else "Ann", "x=.5 y=.5 w=.1 h=.1"))))
    assert found.regions == ()
    assert found.problems == ("the XMP was not read: it declares a document type",)


LI = f"<rdf:li {RESOURCE}/>"
HOSTILE = {
    "deeper than anybody writes": packet(mwg("<mwg-rs:Name>" * 100_000 + "</mwg-rs:Name>" * 100_000)),
    "more elements than faces explain": packet(mwg(*[""] * 150_000)),
    "attributes without end": packet(mwg("<mwg-rs:Area " + " ".join(f'a{i}="1"' for i in range(150_000)) + "/>")),
    "a namespace put before every name": (
        f'<rdf:RDF{PREFIXES} xmlns:a="{"u" * 1_000_000}">{"<a:b/>" * 300_000}</rdf:RDF>'.encode()
    ),
}


@pytest.mark.parametrize("trick", HOSTILE)
def test_a_packet_made_to_keep_a_reader_busy_is_refused(trick: str) -> None:
    before = time.process_time()
    found = read(HOSTILE[trick])
    assert found.regions == ()
    assert found.problems[0].startswith("the XMP was not read")
    assert time.process_time() - before < 5


def test_a_packet_larger_than_any_of_use_is_not_even_parsed() -> None:
    assert "not read" in read(b"<" * (xmp.LARGEST_PACKET + 1)).problems[0]


def test_what_nobody_asked_for_costs_no_memory() -> None:
    """Photoshop's histories and Google's depth maps are in many a packet."""
    history = "".join(
        f"<photoshop:DocumentAncestors><rdf:Bag>{LI * 5}</rdf:Bag></photoshop:DocumentAncestors>" for _ in range(3_000)
    )
    large = packet(history + mwg(face("Ann", "x=0.375 y=0.25 w=0.25 h=0.25")), f'photoshop:Data="{"A" * 1_000_000}"')
    tracemalloc.start()
    try:
        assert one(read(large)).box == ANN
        assert tracemalloc.get_traced_memory()[1] < 6 * len(large)
    finally:
        tracemalloc.stop()


def test_a_thousand_regions_are_kept_and_the_rest_is_told() -> None:
    found = read(packet(mwg(*(face("", f"x={i % 40 / 40} y={i // 40 / 40} w=.02 h=.02") for i in range(1_200)))))
    assert len(found.regions) == xmp.MOST_REGIONS
    assert "1,200 regions" in found.problems[0]
    before = time.process_time()
    assert len(merged(found.regions)) == xmp.MOST_REGIONS
    assert time.process_time() - before < 10


# ---- which regions are the same


def region(
    schema: str, name: str | None, left: float = 0.1, top: float = 0.1, side: float = 0.2, **more: object
) -> XmpRegion:
    return XmpRegion(schema, name, box=Area(left, top, left + side, top + side), **more)  # type: ignore[arg-type]


def names_and_places(found: Iterable[XmpRegion]) -> list[tuple[str | None, int, bool]]:
    return [(person.name, len(person.places), person.alternatives) for person in merged(found)]


def test_one_face_in_three_schemas_is_one_region_with_one_place() -> None:
    three = [region("iptc", "Ann", kind="Person"), region("MP", "ann"), region("mwg-rs", "Ann")]
    (person,) = merged(three)
    assert (person.name, person.kind, person.alternatives) == ("Ann", "Face", False)
    assert person.places == (region("mwg-rs", "Ann"),)


def test_places_that_differ_a_little_are_candidates_and_no_contradiction() -> None:
    assert names_and_places([region("mwg-rs", "Ann"), region("MP", "Ann", 0.13)]) == [("Ann", 2, False)]


def test_a_region_without_a_name_takes_that_of_the_one_in_its_place() -> None:
    assert names_and_places([region("mwg-rs", None), region("MP", "Ann")]) == [("Ann", 1, False)]


def test_other_names_in_one_place_stay_apart() -> None:
    assert names_and_places([region("mwg-rs", "Ann"), region("MP", "Bob")]) == [("Ann", 1, False), ("Bob", 1, False)]


def test_the_same_region_twice_is_one() -> None:
    assert names_and_places([region("mwg-rs", "Ann"), region("mwg-rs", "Ann"), region("mwg-rs", None, 0.6)]) == [
        ("Ann", 1, False),
        (None, 1, False),
    ]


def test_one_name_at_two_places_of_one_schema_is_two_regions() -> None:
    """Such as in a mirror."""
    assert names_and_places([region("mwg-rs", "Ann"), region("mwg-rs", "Ann", 0.6)]) == [("Ann", 1, False)] * 2


def test_one_name_at_two_places_of_two_schemas_is_one_region_with_alternatives() -> None:
    assert names_and_places([region("mwg-rs", "Ann"), region("MP", "Ann", 0.6)]) == [("Ann", 2, True)]
    twice = [region(schema, "Ann", x, y) for schema, y in (("mwg-rs", 0.1), ("MP", 0.5)) for x in (0.1, 0.6)]
    assert names_and_places(twice) == [("Ann", 2, True)] * 2
    assert names_and_places(twice[:3]) == [("Ann", 1, False)] * 3  # which of the two is it?


def test_a_sidecar_that_disagrees_with_the_photo_gives_alternatives() -> None:
    assert names_and_places([region("mwg-rs", "Ann"), region("mwg-rs", "Ann", 0.6, packet=1)]) == [("Ann", 2, True)]


def test_a_person_without_a_place_is_found_where_another_schema_has_one() -> None:
    assert names_and_places([XmpRegion("MP", "Ann"), region("iptc", "Ann")]) == [("Ann", 1, False)]
    assert names_and_places([XmpRegion("MP", "Ann"), region("iptc", "Bob")]) == [("Bob", 1, False), ("Ann", 0, False)]


def test_a_pet_in_the_place_of_a_person_stays_a_pet() -> None:
    assert [person.kind for person in merged([region("mwg-rs", "Rex", kind="Pet"), region("MP", "Rex")])] == [
        "Pet",
        "Face",
    ]


boxes = st.tuples(*[st.integers(0, 8)] * 2, st.integers(1, 6)).map(
    lambda b: Area(b[0] / 8, b[1] / 8, (b[0] + b[2]) / 8, (b[1] + b[2]) / 8)
)
some_regions = st.lists(
    st.builds(
        XmpRegion,
        st.sampled_from(["mwg-rs", "MP", "iptc"]),
        st.sampled_from([None, "Ann", "ann", "Bob"]),
        st.sampled_from(["Face", "Person", "Pet"]),
        st.none() | boxes,
        packet=st.integers(0, 1),
    ),
    max_size=12,
)


@given(some_regions)
def test_merging_loses_no_name_and_no_place_and_invents_none(found: list[XmpRegion]) -> None:
    people = merged(found)
    assert {(p.name or "").casefold() for p in people} - {""} == {(r.name or "").casefold() for r in found} - {""}
    for given_ in found:
        if given_.box:
            assert any(
                regions._overlap(given_, place) >= regions.SAME_BOX for person in people for place in person.places
            )
    assert all(place in found for person in people for place in person.places)
    assert len(people) <= len(found)


@given(some_regions)
def test_merging_what_is_merged_changes_nothing(found: list[XmpRegion]) -> None:
    once = merged(found)
    assert merged([*found, *found]) == once


# ---- frames


@pytest.mark.parametrize(
    ("applied_to", "stored", "orientation", "wanted"),
    [
        ((4000, 3000), (4000, 3000), 6, ("stored", "shown")),
        ((3000, 4000), (4000, 3000), 6, ("shown", "stored")),
        ((600, 800), (4000, 3000), 8, ("shown", "stored")),  # a smaller copy
        ((540, 960), (720, 1280), 5, ("stored", "shown")),
        ((333, 250), (4000, 3000), 7, ("stored", "shown")),  # rounded
        ((1001, 1000), (1000, 1001), 6, ("shown", "stored")),
        ((1000, 1000), (4000, 3000), 6, ("stored", "shown")),  # neither
        (None, (4000, 3000), 6, ("stored", "shown")),
        ((2000, 2000), (2000, 2000), 6, ("stored", "shown")),  # both
        ((4000, 3000), (4000, 3000), 3, ("stored", "shown")),  # both
        ((4000, 3000), (4000, 3000), 1, ("stored",)),
        ((3000, 4000), (4000, 3000), 1, ("stored",)),
        (None, (4000, 3000), 0, ("stored",)),
        (None, (4000, 3000), 9, ("stored",)),
    ],
)
def test_the_dimensions_say_which_frame_is_the_more_likely(
    applied_to: tuple[int, int] | None, stored: tuple[int, int], orientation: int, wanted: tuple[str, ...]
) -> None:
    assert frames(applied_to, stored, orientation) == wanted


@given(boxes, st.integers(2, 8), st.sampled_from([(4, 3), (3, 4), (5, 5)]))
def test_a_face_drawn_in_either_frame_is_found_by_the_candidate_of_that_frame(
    face_: Area, orientation: int, size: tuple[int, int]
) -> None:
    corners = [to_stored(point, orientation) for point in ((face_.left, face_.top), (face_.right, face_.bottom))]
    (x1, y1), (x2, y2) = corners
    in_file = Area(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
    stored = dict(candidates(XmpRegion("mwg-rs", None, box=in_file), None, size, orientation))
    upright = dict(candidates(XmpRegion("mwg-rs", None, box=face_), None, size, orientation))
    assert stored["stored"] == upright["shown"] == face_


@given(boxes, st.integers(2, 8))
def test_pixels_are_of_the_frame_that_is_supposed(face_: Area, orientation: int) -> None:
    width, height = upright_size(4000, 3000, orientation)
    pixels = Area(face_.left * width, face_.top * height, face_.right * width, face_.bottom * height)
    area = dict(candidates(XmpRegion("iptc", None, box=pixels, unit="pixel"), None, (4000, 3000), orientation))["shown"]
    assert near(area, face_.left, face_.top, face_.right, face_.bottom)


def test_a_region_without_a_box_has_no_candidates() -> None:
    assert candidates(XmpRegion("MP", "Ann"), None, (40, 30), 6) == []


# ---- never an exception

VALID = packet(
    mwg(
        face("Ann", "x=0.375 y=0.25 w=0.25 h=0.25 unit=normalized"),
        face("Bob", "x=30 y=20 d=10 unit=pixel"),
        size=(40, 30),
    )
    + mp(("Ann", "0.25, 0.125, 0.25, 0.25"), ("Cay", None))
    + iptc(RECT, shown("Ann", "Dee") + content("human")),
    'xmp:Rating="3" tiff:Orientation="6"',
)


def check(found: XmpRegions) -> None:
    """Whatever was read can be used: finite boxes, merged and turned without an exception."""
    for each in found.regions:
        for _, area in candidates(each, each.applied_to, (40, 30), 6):
            assert all(map(math.isfinite, (area.left, area.top, area.right, area.bottom)))
            assert area.left <= area.right
            assert area.top <= area.bottom
    assert len(merged(found.regions)) <= len(found.regions)


@given(st.binary(max_size=400))
@example(b"")
@example(b"\xff\xfe<")
@example(b"\0<\0")
@example(b"</rdf:RDF><rdf:RDF>")
def test_any_bytes_are_read_without_an_exception(data: bytes) -> None:
    found = read(data)
    check(found)
    assert found.regions == ()


@settings(max_examples=200)
@given(st.data())
def test_a_mutated_packet_is_read_without_an_exception(data: st.DataObject) -> None:
    text = bytearray(VALID)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(text)))
        gone = data.draw(st.sampled_from([0, 1, 3, 40]))
        piece = data.draw(
            st.binary(max_size=4)
            | st.sampled_from([b"<rdf:Bag>", b"</rdf:li>", b"<!DOCTYPE x>", b"1e9", b"-", b"&a;", b'"', VALID[:900]])
        )
        text[at : at + gone] = piece
    check(read(bytes(text)))


numbers = st.floats(allow_nan=True, allow_infinity=True).map(str) | st.text("0123456789.,-+eE ", max_size=12)


@given(st.lists(numbers, min_size=4, max_size=4), st.sampled_from(["normalized", "pixel", ""]))
def test_any_numbers_give_a_finite_box_or_a_problem(parts: list[str], unit: str) -> None:
    area = " ".join(f"{side}={part.replace(' ', '')}" for side, part in zip("xywh", parts, strict=True))
    entry = face("Ann", f"{area} unit={unit}")
    found = read(packet(mwg(entry, size=(40, 30)) + mp(("Bob", ", ".join(parts)))))
    check(found)
    assert {each.name for each in found.regions} == {"Ann", "Bob"}
    rectangle = ", ".join(parts).strip()
    placeless = sum(each.box is None for each in found.regions)
    assert len(found.problems) == placeless - (not rectangle)


@needs("xmp-regions")
@pytest.mark.parametrize("path", sorted(SAMPLES.rglob("*.xmp")), ids=lambda path: Path(path).name)
def test_a_sidecar_cut_anywhere_gives_no_more_than_the_whole_one(path: Path) -> None:
    whole = path.read_bytes()
    everything = read(whole).regions
    for length in range(0, len(whole), 97):
        found = read(whole[:length])
        assert {(each.name, each.box) for each in found.regions} <= {(each.name, each.box) for each in everything}
