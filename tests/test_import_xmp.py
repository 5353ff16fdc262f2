"""What `facelib import-xmp` promises: every region of a person lands on the face that it is, or the report says why not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import DATA, Library, draw, needs
from leftovers import (
    NOTHING,
    SIZE,
    Importer,
    Seen,
    faces,
    framed,
    mp,
    mwg,
    patch,
    shrunk,
    turned,
    write_contacts,
    write_ini,
)
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from facelib.models import Box

Make = Callable[..., Path]

ANN, BOB = 0xA11, 0xB0B
XMP = DATA / "xmp-regions"


@pytest.fixture
def importer(db: Library) -> Importer:
    return Importer(db)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Importer]:
    made = Importer(Library(tmp_path / "other.db"))
    yield made
    made.db.db.close()


# ---------------------------------------------------------------------------------------------------- the samples

# Where dlib's network finds the two Curies, upright, and the one face of niaz.jpg.
CURIES = [Box(269, 170, 364, 265), Box(534, 123, 629, 217)]
SEEN = {
    "immich/portrait.jpg": CURIES,
    "immich/portrait-orientation-6.jpg": CURIES,
    "librephotos/niaz.jpg": [Box(120, 56, 247, 183)],
    "skatsubo/images/photo.3.embedded.jpg": CURIES,
    "skatsubo/images/photo.3.embedded_sidecar.jpg": CURIES,
    "skatsubo/images/photo.6.embedded.jpg": CURIES,
    "skatsubo/images/photo.6.embedded_sidecar.jpg": CURIES,
    "skatsubo/images/photo.8.embedded.jpg": CURIES,
    "skatsubo/images/photo.8.embedded_sidecar.jpg": CURIES,
    "skatsubo/input/photo.jpg": CURIES,
}


@needs("xmp-regions")
@pytest.mark.parametrize("first", ["import", "scan"])
def test_every_region_of_the_samples_lands_on_the_face_that_a_detector_sees_or_the_report_says_why_not(
    importer: Importer, first: str
) -> None:
    seen = Seen({str(XMP / name): boxes for name, boxes in SEEN.items()})
    if first == "import":
        importer.import_xmp(XMP)
        importer.scan(seen=seen)
    else:
        importer.scan(XMP, seen=seen)
    report = importer.import_xmp(XMP)
    found: dict[str, list[object]] = {}
    for path, left, person, source in importer.db.rows(
        'SELECT path, "left", person, source FROM faces_v1 ORDER BY 1, 2'
    ):
        assert source in ("xmp", None)
        found.setdefault(str(Path(str(path)).relative_to(XMP)), []).append((left, person))
    both: list[object] = [(269, "Marie Curie"), (534, "Pierre Curie")]
    wanted = dict.fromkeys(SEEN, both) | {"librephotos/niaz.jpg": [(120, "Niaz Faridani-Rad")]}
    assert found == wanted
    turned_ = sorted(str(Path(path).relative_to(XMP)) for path, _ in report.xmp.turned.rows)
    assert turned_ == [f"skatsubo/images/photo.{n}.sidecar.jpg.xmp" for n in (3, 6, 8)]
    assert [Path(path).name for path, _ in report.xmp.alone.rows] == ["XMP5.xmp"]
    totals = report.totals["xmp"]
    assert (totals["faces"], totals["joined"], totals["boxes"], totals["outside"]) == (19, 19, 0, 0)
    # Six boxes around people in IPTC's pictures, in which nobody's face is seen, and names for whole pictures.
    assert totals["whole"] == 6
    text = "\n".join(report.lines(verbose=True))
    assert "6 boxes around people in which no face is seen" in text
    assert "sidecars of photos that are turned otherwise: 3" in text
    assert "sidecars of no photo that facelib reads: 1" in text
    assert (report.exit_code, report.differences) == (0, [])


@needs("xmp-regions")
def test_all_that_the_samples_are_expected_to_hold_is_kept(importer: Importer) -> None:
    importer.import_xmp(XMP)
    expected = json.loads((XMP / "regions-expected.json").read_text())
    for name, entries in expected.items():
        if not name.endswith(".jpg") or not (XMP / name).exists():
            continue
        photo = f"{name}.xmp" if f"{name}.xmp" in expected else f"{name.removesuffix('.jpg')}.xmp"
        said = entries + expected.get(photo, [])
        names = {e[k] for e in said for k in ("Name", "PersonDisplayName") if k in e}
        names |= {who for e in said for who in e.get("PersonInImage", ())}
        kept = importer.db.rows(
            "SELECT DISTINCT name FROM region JOIN file USING (photo_id) WHERE path = ?", str(XMP / name)
        )
        assert names <= {str(row[0]) for row in kept}, name


# ------------------------------------------------------------------------------------------------- where XMP stands


def test_regions_are_found_inside_of_jpeg_png_tiff_and_webp_and_in_both_kinds_of_sidecars(
    importer: Importer, tmp_path: Path
) -> None:
    root = tmp_path / "library"
    root.mkdir()
    image, packet = Image.new("RGB", SIZE, (20, 20, 20)), mwg([("Ann", NOTHING)])
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", packet.decode())
    tags = ImageFileDirectory_v2()
    tags[700] = packet
    image.save(root / "a.png", pnginfo=text)
    image.save(root / "b.webp", xmp=packet)
    image.save(root / "c.tif", tiffinfo=tags)
    jpeg = root / "d.jpg"
    image.save(jpeg)
    segment = b"http://ns.adobe.com/xap/1.0/\0" + packet
    jpeg.write_bytes(
        jpeg.read_bytes()[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg.read_bytes()[2:]
    )
    for index, name in enumerate(("e.png", "f.png")):
        draw(root / name, (), seed=index + 1)
    (root / "E.PNG.XMP").write_bytes(packet)
    (root / "f.xmp").write_bytes(packet)
    report = importer.import_xmp(root)
    shown = importer.shown()
    assert [(row[0], row[5], row[6]) for row in shown] == [
        (name, "Ann", "xmp") for name in ("a.png", "b.webp", "c.tif", "d.jpg", "e.png", "f.png")
    ]
    assert {row[1:5] for row in shown} == {(150, 80, 190, 118)}
    assert (report.xmp.photos, report.xmp.with_regions) == (6, 6)


def test_a_sidecar_of_a_raw_file_says_nothing_about_the_jpeg_beside_it(importer: Importer, library: Make) -> None:
    root = library({"IMG_1.png": ()})
    packet = mwg([("Ann", NOTHING)]).replace(
        b"<rdf:Description rdf:about=''",
        b"<rdf:Description xmlns:photoshop='http://ns.adobe.com/photoshop/1.0/' photoshop:SidecarForExtension='NEF'"
        b" rdf:about=''",
    )
    (root / "IMG_1.xmp").write_bytes(packet)
    importer.import_xmp(root)
    assert importer.shown() == []


def test_regions_without_a_name_are_boxes(importer: Importer, library: Make) -> None:
    root = library({"a.png": ("red",)})
    (root / "a.png.xmp").write_bytes(mwg([(None, framed(patch(0))), (None, NOTHING)]))
    report = importer.import_xmp(root)
    importer.scan()
    assert [row[5:] for row in importer.shown()] == [(None, None, None)] * 2
    assert report.totals["xmp"]["unnamed"] == 2
    assert importer.db.rows("SELECT count(*) FROM decision") == [(0,)]


def test_pets_and_focus_points_are_counted_and_not_kept(importer: Importer, library: Make) -> None:
    root = library({"a.png": ("red",)})
    (root / "a.png.xmp").write_bytes(mwg([("Rex", framed(patch(0)))], kind="Pet"))
    report = importer.import_xmp(root)
    assert importer.db.rows("SELECT count(*) FROM region") == [(0,)]
    assert report.xmp.other_kinds == 1
    assert "1 more are of pets or things" in "\n".join(report.lines())


def test_a_box_around_a_whole_person_is_no_face_but_names_the_one_in_it(importer: Importer, library: Make) -> None:
    root = library({"a.png": ("red",), "b.png": (), "c.png": ("red", "blue")})
    person = Box(0, 15, 52, 120)
    for name in ("a.png", "b.png"):
        (root / f"{name}.xmp").write_bytes(mwg([("Ann", person)], kind="Person"))
    (root / "c.png.xmp").write_bytes(mwg([("Ann", Box(0, 20, 100, 120))], kind="Person"))  # two faces are in it
    importer.import_xmp(root)
    assert importer.shown() == []
    importer.scan()
    report = importer.import_xmp()
    assert importer.people() == [("a.png", "Ann", "xmp")]
    assert len(importer.shown()) == 3
    assert report.totals["xmp"]["whole"] == 2


# ------------------------------------------------------------------------------------------- one face told many times


def test_the_same_face_in_several_schemas_and_beside_the_ini_is_one(importer: Importer, library: Make) -> None:
    root = library({"a.png": ("red",)})
    box, tight = framed(patch(0)), shrunk(framed(patch(0)))
    write_ini(root, {"a.png": [faces((box, ANN), (NOTHING, BOB))], "Contacts2": [f"{ANN:x}=Ann;;", f"{BOB:x}=Bob;;"]})
    (root / "a.png.xmp").write_bytes(mwg([("Ann", tight), ("Bob", shrunk(NOTHING))]))
    (root / "a.xmp").write_bytes(mp([("Ann", Box(tight.left + 1, tight.top, tight.right, tight.bottom + 1))]))
    importer.import_picasa(root)
    assert importer.people() == [("a.png", "Ann", "picasa"), ("a.png", "Bob", "picasa")]
    importer.scan()
    assert importer.people() == [("a.png", "Ann", "picasa"), ("a.png", "Bob", "picasa")]
    assert importer.db.rows("SELECT count(*) FROM face") == [(2,)]
    assert importer.db.rows("SELECT count(*) FROM region") == [(5,)]
    report = importer.import_picasa()
    assert report.totals["xmp"]["faces"] == 2
    assert report.quiet


def test_where_the_ini_and_xmp_name_one_face_differently_the_ini_counts_and_the_other_is_told(
    importer: Importer, library: Make
) -> None:
    root = library({"a.png": ("red",)})
    write_ini(root, {"a.png": [faces((framed(patch(0)), ANN))], "Contacts2": [f"{ANN:x}=Ann;;"]})
    (root / "a.png.xmp").write_bytes(mwg([("Eve", shrunk(framed(patch(0))))]))
    importer.import_picasa(root)
    importer.scan()
    report = importer.import_picasa()
    assert importer.people() == [("a.png", "Ann", "picasa")]
    assert importer.db.rows("SELECT count(*) FROM face") == [(1,)]
    assert report.differences == [(str(root / "a.png"), "Eve", "Ann")]
    assert f"{root}/a.png: Eve, shown as Ann" in "\n".join(report.lines())


@pytest.mark.parametrize("first", ["import", "scan"])
def test_of_two_schemas_that_disagree_about_the_place_the_one_on_a_face_is_right(
    importer: Importer, library: Make, first: str
) -> None:
    root = library({"a.png": ("red", "blue")})
    (root / "a.png.xmp").write_bytes(mwg([("Ann", framed(patch(0))), ("Bob", framed(patch(1)))]))
    (root / "a.xmp").write_bytes(mp([("Ann", NOTHING), ("Bob", Box(150, 2, 180, 28))]))
    if first == "import":
        importer.import_xmp(root)
        importer.scan()
    else:
        importer.scan(root)
        importer.import_xmp()
    assert importer.people() == [("a.png", "Ann", "xmp"), ("a.png", "Bob", "xmp")]
    assert importer.db.rows("SELECT count(*) FROM face") == [(2,)]


def test_one_name_twice_in_one_schema_is_two_faces_a_mirror_or_a_montage(importer: Importer, library: Make) -> None:
    root = library({"a.png": ("red",)})
    (root / "a.png.xmp").write_bytes(mwg([("Ann", framed(patch(0))), ("Ann", NOTHING)]))
    importer.import_xmp(root)
    importer.scan()
    assert importer.people() == [("a.png", "Ann", "xmp")] * 2


def test_write_faces_to_xmp_takes_the_faces_out_of_the_ini_and_keeps_the_names(
    importer: Importer, library: Make
) -> None:
    root = library({"a.png": ("red",), "b.png": ("red",)})
    contacts2 = {"Contacts2": [f"{ANN:x}=Ann;;"]}
    write_ini(root, {name: [faces((framed(patch(0)), ANN))] for name in ("a.png", "b.png")} | contacts2)
    importer.import_picasa(root)
    importer.scan()
    write_ini(root, {"a.png": [], "b.png": [faces((framed(patch(0)), ANN))]} | contacts2)
    (root / "a.png.xmp").write_bytes(mwg([("Ann", framed(patch(0)))]))
    importer.import_picasa()
    assert importer.people() == [("a.png", "Ann", "xmp"), ("b.png", "Ann", "picasa")]
    assert importer.db.rows("SELECT name FROM person") == [("Ann",)]


# ----------------------------------------------------------------------------------------------- sidecars that change


def test_a_person_who_is_renamed_in_a_sidecar_is_followed_although_the_photo_still_says_the_old_name(
    importer: Importer, tmp_path: Path
) -> None:
    root = tmp_path / "library"
    root.mkdir()
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", mwg([("Ann", NOTHING)]).decode())
    Image.new("RGB", SIZE, (20, 20, 20)).save(root / "a.png", pnginfo=text)
    sidecar = root / "a.png.xmp"
    sidecar.write_bytes(mwg([("Ann", NOTHING)]))
    importer.import_xmp(root)
    assert importer.people() == [("a.png", "Ann", "xmp")]
    sidecar.write_bytes(mwg([("Anna", NOTHING)]))
    report = importer.import_xmp()
    assert importer.people() == [("a.png", "Anna", "xmp")]
    assert importer.db.rows("SELECT count(*) FROM face") == [(1,)]
    assert report.xmp.changes.changed == 1
    before = importer.dump()
    assert importer.import_xmp().quiet
    assert importer.dump() == before
    importer.user_says(importer.face_at("a.png", NOTHING), "is", "Dora")
    sidecar.write_bytes(mwg([("Annika", NOTHING)]))
    importer.import_xmp()
    assert importer.people() == [("a.png", "Dora", "user")]


def test_a_region_that_a_sidecar_does_not_have_any_more_is_gone_and_one_of_a_lost_sidecar_is_not(
    importer: Importer, library: Make
) -> None:
    root = library({"a.png": ("red",)})
    sidecar = root / "a.png.xmp"
    sidecar.write_bytes(mwg([("Ann", framed(patch(0))), ("Bob", NOTHING)]))
    importer.import_xmp(root)
    sidecar.write_bytes(mwg([("Ann", framed(patch(0)))]))
    assert importer.import_xmp().changes.gone == 1
    assert importer.people() == [("a.png", "Ann", "xmp")]
    sidecar.write_bytes(sidecar.read_bytes()[:-400])  # half written
    importer.import_xmp()
    assert importer.people() == [("a.png", "Ann", "xmp")]
    sidecar.unlink()
    importer.import_xmp()
    assert importer.people() == [("a.png", "Ann", "xmp")]


def test_a_sidecar_that_thinks_the_photo_turned_otherwise_is_reported_and_its_boxes_are_not_guessed(
    importer: Importer, library: Make
) -> None:
    root = library({"a.png": ("red",)})
    (root / "a.png.xmp").write_bytes(mwg([("Ann", framed(patch(0)))], orientation=3))
    report = importer.import_xmp(root)
    importer.scan()
    assert importer.people() == []
    assert report.totals["xmp"]["without_box"] == 1
    ((path, words),) = report.xmp.turned.rows
    assert path == str(root / "a.png.xmp")
    assert words == (
        "it says that the picture is turned (orientation 3), the photograph itself says 1: the people in it are kept, the"
        " places of their faces are not"
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("applied", ["stored", "upright", "wrong"])
def test_the_frame_is_that_of_the_applied_dimensions_unless_the_faces_say_otherwise(
    importer: Importer, tmp_path: Path, orientation: int, applied: str
) -> None:
    """'wrong': numbers about the upright picture under the dimensions of the stored one, as some programs leave them."""
    from facelib.geometry import to_stored

    root, upright = tmp_path / "library", (300, 200)
    box = Box(20, 20, 90, 104)
    turned(root / "a.jpg", orientation, upright)
    stored = upright if orientation < 5 else (200, 300)
    packet = mwg([("Ann", box)], upright, applied=stored if applied == "wrong" else upright)
    if applied == "stored":
        corners = ((box.left / 300, box.top / 200), (box.right / 300, box.bottom / 200))
        (x, y), (u, v) = (to_stored(corner, orientation) for corner in corners)
        there = Box(round(min(x, u) * stored[0]), round(min(y, v) * stored[1]),
                    round(max(x, u) * stored[0]), round(max(y, v) * stored[1]))  # fmt: skip
        packet = mwg([("Ann", there)], stored)
    (root / "a.jpg.xmp").write_bytes(packet)
    importer.import_xmp(root)
    importer.scan(seen=Seen({str(root / "a.jpg"): [shrunk(box)]}))
    assert importer.people() == [("a.jpg", "Ann", "xmp")]
    assert len(importer.shown()) == 1


# ------------------------------------------------------------------------------------------------------------ flow


def test_an_import_and_a_scan_give_the_same_in_either_order(importer: Importer, other: Importer, library: Make) -> None:
    root = library({"a.png": ("red", "blue"), "b/c.png": ("lime",)})
    (root / "a.png.xmp").write_bytes(mwg([("Ann", framed(patch(0))), (None, framed(patch(1))), ("Eve", NOTHING)]))
    (root / "b" / "c.xmp").write_bytes(mp([("Ann", shrunk(framed(patch(0))))]))
    importer.import_xmp(root)
    importer.scan()
    other.scan(root)
    other.import_xmp()
    assert importer.shown() == other.shown()
    assert [row[1] for row in importer.people()] == ["Ann", "Eve", "Ann"]
    for one in (importer, other):
        before = one.dump()
        assert one.import_xmp().quiet
        assert one.dump() == before


def test_captions_and_keywords_of_xmp_are_kept_below_those_of_picasa(importer: Importer, library: Make) -> None:
    root = library({"a.png": ()})
    words = (
        b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
        b"<rdf:Description rdf:about='' xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:subject><rdf:Bag><rdf:li>pond"
        b"</rdf:li></rdf:Bag></dc:subject><dc:description><rdf:Alt><rdf:li xml:lang='x-default'>by XMP</rdf:li></rdf:Alt>"
        b"</dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    (root / "a.png.xmp").write_bytes(words)
    importer.import_xmp(root)
    assert importer.db.rows("SELECT caption FROM photos_v1") == [("by XMP",)]
    write_ini(root, {"a.png": ["caption=by Picasa", "keywords=pond,frogs"]})
    importer.import_picasa()
    assert importer.db.rows("SELECT caption FROM photos_v1") == [("by Picasa",)]
    assert importer.db.rows("SELECT keyword FROM keywords_v1 ORDER BY 1") == [("frogs",), ("pond",)]


def test_of_two_copies_in_a_folder_the_one_with_a_sidecar_says_the_newer_words(
    importer: Importer, tmp_path: Path
) -> None:
    def words(caption: str) -> str:
        return (
            "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
            "<rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:description><rdf:Alt>"
            f"<rdf:li xml:lang='x-default'>{caption}</rdf:li></rdf:Alt></dc:description></rdf:Description></rdf:RDF>"
            "</x:xmpmeta>"
        )

    root = tmp_path / "library"
    root.mkdir()
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", words("old"))
    Image.new("RGB", SIZE, (20, 20, 20)).save(root / "a.png", pnginfo=text)
    shutil.copy(root / "a.png", root / "b.png")
    (root / "b.png.xmp").write_text(words("new"))
    importer.import_xmp(root)
    assert importer.db.rows("SELECT caption FROM photos_v1") == [("new",)]


def test_import_picasa_reads_the_xmp_of_folders_with_an_ini_only(importer: Importer, library: Make) -> None:
    root = library({"with/a.png": (), "without/b.png": ()})
    write_ini(root / "with", {"Picasa": ["name=With"]})
    for path in ("with/a.png", "without/b.png"):
        (root / f"{path}.xmp").write_bytes(mwg([("Ann", NOTHING)]))
    importer.import_picasa(root)
    assert importer.people() == [("a.png", "Ann", "xmp")]
    importer.import_xmp(root)
    assert importer.people() == [("a.png", "Ann", "xmp"), ("b.png", "Ann", "xmp")]


def test_people_are_one_whether_picasa_or_xmp_named_them_first(
    importer: Importer, library: Make, tmp_path: Path
) -> None:
    root = library({"a.png": ("red",), "b.png": ("red",)})
    (root / "a.png.xmp").write_bytes(mwg([("ann  LEE", framed(patch(0)))]))
    importer.import_xmp(root)
    write_ini(root, {"b.png": [faces((framed(patch(0)), ANN))]})
    importer.import_picasa(contacts=[write_contacts(tmp_path / "contacts.xml", {ANN: "Ann Lee"})])
    assert importer.db.rows("SELECT name FROM person") == [("ann LEE",)]
    assert len(importer.people()) == 2


def test_a_photo_that_cannot_be_read_and_one_that_is_gone_cost_themselves_only(
    importer: Importer, library: Make
) -> None:
    root = library({"a.png": ("red",)})
    (root / "b.jpg").write_bytes(b"\xff\xd8\xff\xe1 rubbish")
    (root / "b.jpg.xmp").write_bytes(mwg([("Bob", NOTHING)]))
    (root / "a.png.xmp").write_bytes(mwg([("Ann", framed(patch(0)))]))
    shutil.copy(root / "a.png.xmp", root / "gone.jpg.xmp")
    report = importer.import_xmp(root)
    assert importer.people() == [("a.png", "Ann", "xmp")]
    assert report.exit_code == 3
    assert [path for path, _ in report.unread] == [str(root / "b.jpg")]
    assert (str(root / "b.jpg.xmp"), 0, "it has face regions, but the picture cannot be read") in report.lines_unread
    assert report.xmp.alone.rows == [(str(root / "gone.jpg.xmp"), "1 face region")]
