"""What `facelib import-picasa` promises: nothing that Picasa left is lost, in any order, and never against the user."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import DATA, Library, draw, needs
from leftovers import (
    DETECTOR,
    NOBODY,
    NOTHING,
    SIZE,
    Importer,
    Seen,
    faces,
    framed,
    mwg,
    patch,
    rect,
    shrunk,
    turned,
    write_contacts,
    write_ini,
)
from make_db3 import Db3Maker

from facelib.errors import PicasaError, UsageError
from facelib.models import Box
from facelib.picasa import rect64
from facelib.picasa.paths import parse_rule
from facelib.progress import Silent, Stop
from facelib.stages import imports, picasa
from facelib.stages.beside import LARGEST
from facelib.stages.pool import InlineExecutor
from facelib.store import WriterLock, runs

Make = Callable[..., Path]

ANN, BOB, CLEO, DORA = 0xA11, 0xB0B, 0xC1E0, 0x0D0A_2A4E_F23C_02BE


@pytest.fixture
def importer(db: Library) -> Importer:
    return Importer(db)


@pytest.fixture
def others(tmp_path: Path) -> Iterator[Callable[[], Importer]]:
    """More libraries, each of its own."""
    made: list[Importer] = []

    def make() -> Importer:
        made.append(Importer(Library(tmp_path / f"other-{len(made)}.db")))
        return made[-1]

    yield make
    for one in made:
        one.db.db.close()


# ------------------------------------------------------------------------------------------------------- the album


ALBUM = DATA / "album"


@pytest.fixture(scope="module")
def truth() -> dict[str, dict[str, object]]:
    photos: dict[str, dict[str, object]] = json.loads((ALBUM / "gt.json").read_text())["photos"]
    return photos


@pytest.fixture(scope="module")
def seen_in_album(truth: dict[str, dict[str, object]]) -> Seen:
    """A detector that finds every face of the album, where gt.json has it."""
    return Seen(
        {
            str(ALBUM / name): [Box(*map(round, face["box"])) for face in photo["faces"]]  # type: ignore[attr-defined]
            for name, photo in truth.items()
        }
    )


def score(importer: Importer, truth: dict[str, dict[str, object]]) -> tuple[int, int, int]:
    """Tagged faces, how many of them are named rightly by Picasa, and how many others are named by Picasa."""
    tagged = right = wrong = 0
    for name, photo in truth.items():
        rows = importer.db.rows(
            'SELECT "left", top, "right", bottom, person, source FROM faces_v1 WHERE path = ?', str(ALBUM / name)
        )
        for face in photo["faces"]:  # type: ignore[attr-defined]
            left, top, right_, bottom = face["box"]
            here = [r for r in rows if left <= (int(str(r[0])) + int(str(r[2]))) / 2 <= right_
                    and top <= (int(str(r[1])) + int(str(r[3]))) / 2 <= bottom]  # fmt: skip
            said = {row[4] for row in here if row[5] == "picasa"}
            if face.get("picasa"):
                tagged += 1
                right += said == {face["id"].replace("_", " ")}
            else:
                wrong += bool(said)
    return tagged, right, wrong


def finished(importer: Importer, truth: dict[str, dict[str, object]]) -> list[tuple[object, ...]]:
    """The faces of the album, after asserting that they are named as gt.json says."""
    assert score(importer, truth) == (341, 341, 0)
    assert int(str(importer.db.rows("SELECT count(*) FROM people_v1")[0][0])) <= 40
    two = importer.db.rows(
        "SELECT name, count(*) FROM cluster JOIN person USING (person_id) GROUP BY 1 HAVING count(*) > 1 ORDER BY 1"
    )
    assert [name for name, _ in two] == [
        "Andy Roddick", "Bill Clinton", "Hans Blix", "Lance Armstrong", "Nancy Pelosi", "Tony Blair",
    ]  # fmt: skip
    assert {number for _, number in two} == {2}
    return importer.shown()


CONTACTS = ALBUM / "contacts.xml"


@needs("album")
def test_a_scan_and_an_import_give_the_same_in_either_order_and_the_second_time_changes_nothing(
    importer: Importer, others: Callable[[], Importer], truth: dict[str, dict[str, object]], seen_in_album: Seen
) -> None:
    importer.scan(ALBUM, seen=seen_in_album)
    importer.import_picasa(ALBUM, contacts=[CONTACTS])
    other = others()
    other.import_picasa(ALBUM, contacts=[CONTACTS])
    other.scan(ALBUM, seen=seen_in_album)
    assert finished(importer, truth) == finished(other, truth)
    for one in (importer, other):
        before = one.dump()
        report = one.import_picasa(ALBUM, contacts=[CONTACTS])
        assert one.dump() == before
        one.scan(ALBUM, seen=seen_in_album)
        assert one.dump() == before
        assert report.quiet


@needs("album")
def test_an_import_among_interrupted_nights_ends_like_one_that_was_left_alone(
    importer: Importer, others: Callable[[], Importer], truth: dict[str, dict[str, object]], seen_in_album: Seen
) -> None:
    importer.import_picasa(ALBUM, contacts=[CONTACTS])
    importer.scan(ALBUM, limit=50, seen=seen_in_album)
    importer.scan(ALBUM, seen=seen_in_album)
    other = others()
    other.scan(ALBUM, seen=seen_in_album)
    other.import_picasa(ALBUM, contacts=[CONTACTS])
    assert finished(importer, truth) == finished(other, truth)


class Killed(Silent):
    """Ends the process, as it were, after so many steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def advance(self, amount: int = 1) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise KeyboardInterrupt


@needs("album")
def test_an_import_that_is_killed_anywhere_is_simply_run_again(
    importer: Importer, others: Callable[[], Importer], truth: dict[str, dict[str, object]], seen_in_album: Seen
) -> None:
    importer.scan(ALBUM, seen=seen_in_album)
    options = picasa.PicasaOptions((str(CONTACTS),))
    kills = 0
    for steps in range(10, 200, 6):
        run_id = runs.start(importer.db.db, "import-picasa")
        try:
            imports.run(
                importer.db.db, run_id, "import-picasa", [str(ALBUM)], importer.config, picasa.gather(options),
                Killed(steps), Stop(), executor=InlineExecutor(),
            )  # fmt: skip
        except KeyboardInterrupt:
            kills += 1
        else:
            break
    assert kills > 5
    importer.import_picasa(ALBUM, contacts=[CONTACTS])
    other = others()
    other.scan(ALBUM, seen=seen_in_album)
    other.import_picasa(ALBUM, contacts=[CONTACTS])
    assert finished(importer, truth) == finished(other, truth)


# -------------------------------------------------------------------------------------------------------- frames


UPRIGHT = (300, 200)
BOXES = [Box(20, 20, 90, 104), Box(130, 30, 200, 114), Box(215, 100, 285, 184)]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("first", ["import", "scan"])
def test_boxes_of_stored_pixels_are_laid_in_the_upright_photo(
    importer: Importer, tmp_path: Path, orientation: int, first: str
) -> None:
    root = tmp_path / "library"
    turned(root / "a.jpg", orientation, UPRIGHT)
    pairs = list(zip(BOXES, (ANN, BOB, CLEO), strict=True))
    write_ini(root, {"a.jpg": [faces(*pairs, size=UPRIGHT, orientation=orientation)], "Contacts2": CONTACTS2})
    seen = Seen({str(root / "a.jpg"): [shrunk(box) for box in BOXES[:2]]})
    if first == "import":
        importer.import_picasa(root)
        importer.scan(seen=seen)
    else:
        importer.scan(root, seen=seen)
        importer.import_picasa()
    shown = importer.shown()
    assert [row[5] for row in shown] == ["Ann", "Bob", "Cleo"]
    assert [Box(*row[1:5]) for row in shown[:2]] == [shrunk(box) for box in BOXES[:2]]  # type: ignore[arg-type]
    last = Box(*shown[2][1:5])  # type: ignore[arg-type]
    assert all(abs(a - b) <= 1 for a, b in zip(_sides(last), _sides(BOXES[2]), strict=True))
    assert importer.db.rows("SELECT DISTINCT frame, verified FROM region") == [("rule", 1)]


CONTACTS2 = (f"{ANN:x}=Ann;;", f"{BOB:x}=Bob;;", f"{CLEO:x}=Cleo;;")


def _sides(box: Box) -> tuple[int, int, int, int]:
    return box.left, box.top, box.right, box.bottom


@pytest.mark.parametrize("first", ["import", "scan"])
def test_a_folder_whose_boxes_were_divided_by_the_wrong_size_is_rescaled(
    importer: Importer, tmp_path: Path, first: str
) -> None:
    """The case of the reference, 1.3: photos of 800 pixels, boxes of a version of 1024; one passes the edge and wraps."""
    root, size, times = tmp_path / "library", (600, 450), 1024 / 800
    people = {
        "a.jpg": [Box(60, 60, 120, 132), Box(300, 200, 370, 284)],
        "b.jpg": [Box(200, 100, 260, 172), Box(410, 40, 480, 124)],
        "c.jpg": [Box(100, 250, 160, 322), Box(400, 250, 475, 340)],
    }
    for name in people:
        turned(root / name, 1, size)
    large = {
        name: [Box(*(round(side * times) for side in _sides(box))) for box in boxes] for name, boxes in people.items()
    }
    sections = {name: [faces(*zip(boxes, (ANN, BOB), strict=True), size=size)] for name, boxes in large.items()}
    write_ini(root, {**sections, "Contacts2": CONTACTS2})
    seen = Seen({str(root / name): [shrunk(box) for box in boxes] for name, boxes in people.items()})
    if first == "import":
        importer.import_picasa(root)
        importer.scan(seen=seen)
        report = importer.import_picasa()
    else:
        importer.scan(root, seen=seen)
        report = importer.import_picasa()
    assert [row[5] for row in importer.shown()] == ["Ann", "Bob"] * 3
    totals = report.totals["picasa"]
    assert (totals["rescaled"], totals["joined"], totals["wrapped"]) == (6, 6, 2)
    ((frame,),) = importer.db.rows("SELECT DISTINCT frame FROM region")
    assert float(str(frame).removeprefix("scaled ")) == pytest.approx(800 / 1024, rel=0.02)


@pytest.mark.parametrize(("wrong", "right"), [("1", "2"), ("2", "1")])
def test_a_copy_in_another_folder_has_the_frame_of_its_own_ini(
    importer: Importer, tmp_path: Path, wrong: str, right: str
) -> None:
    root, size, times = tmp_path / "library", (600, 450), 1024 / 800
    people = {"a.jpg": Box(60, 60, 120, 132), "b.jpg": Box(300, 200, 370, 284), "c.jpg": Box(150, 250, 210, 322)}
    for name in people:
        turned(root / wrong / name, 1, size)
    (root / right).mkdir()
    shutil.copy(root / wrong / "a.jpg", root / right / "a.jpg")
    large = {name: Box(*(round(side * times) for side in _sides(box))) for name, box in people.items()}
    sections = {name: [faces((box, ANN), size=size)] for name, box in large.items()}
    write_ini(root / wrong, {**sections, "Contacts2": CONTACTS2})
    write_ini(root / right, {"a.jpg": [faces((people["a.jpg"], ANN), size=size)], "Contacts2": CONTACTS2})
    seen = {str(root / wrong / name): [shrunk(box)] for name, box in people.items()}
    importer.scan(root, seen=Seen(seen | {str(root / right / "a.jpg"): [shrunk(people["a.jpg"])]}))
    importer.import_picasa()
    assert [row[5] for row in importer.shown()] == ["Ann"] * 3
    rows = importer.db.rows("SELECT path, frame FROM region JOIN folder USING (folder_id) ORDER BY 1")
    kinds = [(Path(str(path)).name, str(frame).split()[0]) for path, frame in rows]
    assert kinds == sorted([(right, "rule"), *[(wrong, "scaled")] * 3])


def test_a_box_past_the_edge_is_cut_off_there(importer: Importer, library: Make) -> None:
    """rect64(d0365d70006c88f5) is in a real ini: its right edge is at 601 of 600 pixels."""
    root = library({"a.png": ()})
    write_ini(root, {"a.png": ["faces=rect64(d0365d70006c88f5),a11"], "Contacts2": CONTACTS2})
    report = importer.import_picasa(root)
    ((_, left, top, right, bottom, *_),) = importer.shown()
    assert (left, right) == (163, 200)
    assert report.totals["picasa"]["wrapped"] == 1
    assert (top, bottom) == (44, 64)


def test_a_box_from_before_a_saved_crop_is_found_in_what_is_left(importer: Importer, tmp_path: Path) -> None:
    root, whole, crop = tmp_path / "library", (800, 600), Box(200, 100, 600, 400)
    people = [Box(250, 150, 320, 234), Box(380, 160, 450, 244), Box(500, 280, 570, 364)]
    turned(root / "a.jpg", 1, (crop.width, crop.height))
    pairs = zip(people, (ANN, BOB, CLEO), strict=True)
    write_ini(root, {"a.jpg": [faces(*pairs, size=whole)], "Contacts2": CONTACTS2})
    saved = f"crop=rect64({rect(crop, whole):x})"
    write_ini(root / ".picasaoriginals", {"a.jpg": [saved, "width=800", "height=600"]})
    here = [Box(b.left - 200, b.top - 100, b.right - 200, b.bottom - 100) for b in people]
    importer.import_picasa(root)
    importer.scan(seen=Seen({str(root / "a.jpg"): [shrunk(box) for box in here]}))
    assert [row[5] for row in importer.shown()] == ["Ann", "Bob", "Cleo"]
    assert importer.db.rows("SELECT DISTINCT frame FROM region") == [("crop",)]


def test_a_box_without_an_area_is_a_person_in_the_photo_and_no_face(importer: Importer, library: Make) -> None:
    root = library({"a.png": ("red",)})
    write_ini(root, {"a.png": ["faces=rect64(0),a11;rect64(2000200020002000),b0b"], "Contacts2": CONTACTS2})
    report = importer.import_picasa(root)
    importer.scan()
    assert importer.people() == []
    assert report.totals["picasa"]["without_box"] == 2
    assert importer.db.rows("SELECT name FROM region ORDER BY 1") == [("Ann",), ("Bob",)]


# --------------------------------------------------------------------------------------------------------- names


def one_face(root: Path, contact: int, name: str = "a.png", extra: dict[str, list[str]] | None = None) -> None:
    write_ini(root, {name: [faces((framed(patch(0)), contact))], **(extra or {})})


def test_names_come_from_contacts_xml_then_the_folder_then_above_then_anywhere(
    importer: Importer, library: Make, tmp_path: Path
) -> None:
    root = library({f"{name}/a.png": ("red",) for name in ("x", "x/own", "y", "z")})
    one_face(root / "x", ANN, extra={"Contacts2": [f"{ANN:x}=Ann of x;;"]})
    one_face(root / "x" / "own", ANN, extra={"Contacts2": [f"{ANN:x}=Ann of own;;"]})
    one_face(root / "y", ANN)
    one_face(root / "z", ANN, extra={"Contacts2": [f"{ANN:x}=Ann of x;;"]})
    write_ini(root / "x" / "below", {"Contacts2": [f"{BOB:x}=Bob;;"]})
    draw(root / "x" / "below" / "b.png", ("red",), seed=77)
    one_face(root / "x" / "below", ANN, "b.png")
    importer.import_picasa(root)
    by_folder = {
        str(Path(str(path)).parent.relative_to(root)): person
        for path, person in importer.db.rows("SELECT path, person FROM faces_v1")
    }
    assert by_folder == {
        "x": "Ann of x", "x/own": "Ann of own", "x/below": "Ann of x", "y": "Ann of x", "z": "Ann of x",
    }  # fmt: skip
    contacts = write_contacts(tmp_path / "contacts.xml", {ANN: "Ann Lee"})
    report = importer.import_picasa(root, contacts=[contacts])
    assert {row[1] for row in importer.people()} == {"Ann Lee"}
    assert list(report.picasa.conflicts.values()) == [("Ann Lee", "Ann of x", "Ann of own")]  # type: ignore[union-attr]


def test_a_part_of_the_library_has_the_same_names_as_the_whole(importer: Importer, library: Make) -> None:
    root = library({"a/one.png": ("red",), "b/two.png": ("blue",)})
    write_ini(root / "a", {"one.png": [faces((framed(patch(0)), DORA))], "Contacts2": list(CONTACTS2)})
    one_face(root / "b", ANN, "two.png")
    importer.db.scan(root)
    report = importer.import_picasa(root / "b")
    assert importer.people() == [("two.png", "Ann", "picasa")]
    assert report.picasa is not None
    assert (report.picasa.inis, report.picasa.orphans) == (1, ())


def test_what_contacts_xml_said_once_is_known_without_it(importer: Importer, library: Make, tmp_path: Path) -> None:
    root = library({"a.png": ("red",)})
    one_face(root, ANN, extra={"Contacts2": [f"{ANN:x}=Annie (old);;"]})
    importer.import_picasa(root, contacts=[write_contacts(tmp_path / "contacts.xml", {ANN: "Ann"})])
    before = importer.dump()
    importer.import_picasa(root)
    assert importer.dump() == before


def test_several_ids_of_one_name_are_clusters_of_one_person(importer: Importer, library: Make) -> None:
    root = library({"a.png": ("red", "blue")})
    write_ini(
        root,
        {
            "a.png": [faces((framed(patch(0)), ANN), (framed(patch(1)), DORA))],
            "Contacts2": [f"{ANN:x}=Ann;;", f"{DORA:x}=  ann ;;"],
        },
    )
    report = importer.import_picasa(root)
    importer.scan()
    assert importer.db.rows("SELECT name FROM person") == [("Ann",)]
    assert importer.db.rows("SELECT count(DISTINCT cluster_id), count(DISTINCT person_id) FROM faces_v1") == [(2, 1)]
    assert report.people == [("Ann", 2, None, None)]


def test_an_id_without_a_name_is_a_cluster_that_becomes_the_persons_once_contacts_xml_names_it(
    importer: Importer, library: Make, tmp_path: Path
) -> None:
    root = library({"a.png": ("red",), "b.png": ("red",)})
    write_ini(root, {name: [faces((framed(patch(0)), ANN))] for name in ("a.png", "b.png")})
    report = importer.import_picasa(root)
    importer.scan()
    assert report.picasa is not None
    assert report.picasa.orphans == (ANN,)
    assert [row[5:] for row in importer.shown()] == [(None, None, f"{ANN:016x}")] * 2
    before = importer.db.rows("SELECT cluster_id FROM faces_v1")
    importer.import_picasa(contacts=[write_contacts(tmp_path / "contacts.xml", {ANN: "Ann"})])
    assert [row[5:] for row in importer.shown()] == [("Ann", "picasa", f"{ANN:016x}")] * 2
    assert importer.db.rows("SELECT cluster_id FROM faces_v1") == before
    assert importer.db.rows("SELECT count(*), min(person_id) FROM cluster") == [(1, 1)]


def test_an_id_without_a_name_has_the_one_that_xmp_says_at_the_place_of_its_face(
    importer: Importer, library: Make
) -> None:
    """The sixth way of the reference, 2.6: one id is one person in all photos."""
    root = library({"a.png": ("red",), "b.png": ("red",)})
    write_ini(root, {name: [faces((framed(patch(0)), ANN))] for name in ("a.png", "b.png")})
    (root / "a.png.xmp").write_bytes(mwg([("Ann", shrunk(framed(patch(0))))]))
    importer.import_picasa(root)
    importer.scan()
    assert importer.people() == [("a.png", "Ann", "xmp"), ("b.png", "Ann", "picasa")]
    before = importer.dump()
    importer.import_picasa()
    assert importer.dump() == before
    (root / "a.png.xmp").write_bytes(mwg([("Eve", shrunk(framed(patch(0))))]))
    importer.import_picasa()
    assert importer.people() == [("a.png", "Eve", "xmp"), ("b.png", "Eve", "picasa")]


def test_nobody_and_zero_are_faces_without_a_name(importer: Importer, library: Make) -> None:
    root = library({"a.png": ("red", "blue")})
    write_ini(root, {"a.png": [faces((framed(patch(0)), NOBODY), (framed(patch(1)), 0))]})
    report = importer.import_picasa(root, contacts=[])
    importer.scan()
    assert [row[5:] for row in importer.shown()] == [(None, None, None)] * 2
    assert importer.db.rows("SELECT count(*) FROM cluster") == [(0,)]
    assert (report.totals["picasa"]["unnamed"], report.picasa.orphans) == (2, ())  # type: ignore[union-attr]


def test_names_are_kept_in_one_form_and_on_one_line(importer: Importer, library: Make) -> None:
    root = library({"a.png": ("red", "blue", "lime")})
    names = (
        "Jose\u0301 \x07\x1bGarci\u0301a",
        "JOS\u00c9  GARC\u00cdA",
        "\U0001f469\u200d\U0001f33e \u202eM\u00e9lanie",
    )
    pairs = [(framed(patch(i)), i + 1) for i in range(3)]
    contacts2 = [f"{i + 1:x}={name};;" for i, name in enumerate(names)]
    write_ini(root, {"a.png": [faces(*pairs)], "Contacts2": contacts2})
    report = importer.import_picasa(root)
    found = [str(row[0]) for row in importer.db.rows("SELECT name FROM person ORDER BY person_id")]
    assert found == ["Jos\u00e9 Garc\u00eda", "\U0001f469\u200d\U0001f33e \u202eM\u00e9lanie"]
    assert all(line.isprintable() for line in report.lines(verbose=True))


def test_a_face_that_picasa_gives_to_somebody_else_is_followed(importer: Importer, library: Make) -> None:
    root = library({"a.png": ("red", "blue")})
    contacts2 = {"Contacts2": list(CONTACTS2)}
    write_ini(root, {"a.png": [faces((framed(patch(0)), ANN), (framed(patch(1)), ANN))], **contacts2})
    importer.import_picasa(root)
    importer.scan()
    importer.user_says(importer.face_at("a.png", patch(1)), "is", "Dora")
    write_ini(root, {"a.png": [faces((framed(patch(0)), BOB), (framed(patch(1)), BOB))], **contacts2})
    report = importer.import_picasa()
    assert importer.people() == [("a.png", "Bob", "picasa"), ("a.png", "Dora", "user")]
    assert (report.laid.decided, report.laid.replaced, report.laid.kept) == (1, 2, 1)
    assert importer.db.rows("SELECT contact FROM cluster") == [(f"{BOB:016x}",)]
    write_ini(root, {"a.png": [faces((framed(patch(0)), NOBODY), (framed(patch(1)), NOBODY))], **contacts2})
    importer.import_picasa()
    assert importer.people() == [("a.png", "Dora", "user")]
    assert importer.db.rows("SELECT count(*) FROM match") == [(0,)]


def test_somebody_who_was_renamed_in_picasa_is_the_same_person_by_another_name(
    importer: Importer, library: Make, tmp_path: Path
) -> None:
    root = library({"a.png": ("red", "blue")})
    one_face(root, ANN)
    contacts = tmp_path / "contacts.xml"
    importer.import_picasa(root, contacts=[write_contacts(contacts, {ANN: "Ann", BOB: "Bob"})])
    importer.scan()
    importer.user_says(importer.face_at("a.png", patch(1)), "is", "Ann")
    report = importer.import_picasa(root, contacts=[write_contacts(contacts, {ANN: "Ann Lee", BOB: "Bob"})])
    assert importer.people() == [("a.png", "Ann Lee", "picasa"), ("a.png", "Ann Lee", "user")]
    assert report.picasa is not None
    assert report.picasa.renamed == [("Ann", "Ann Lee")]
    assert importer.db.rows("SELECT person_id, name FROM person") == [(1, "Ann Lee")]
    report = importer.import_picasa(root, contacts=[write_contacts(contacts, {ANN: "Dora"})])
    importer.user_says(importer.face_at("a.png", patch(1)), "is", "Eve")
    importer.import_picasa(root, contacts=[write_contacts(contacts, {ANN: "Eve"})])  # whom there is already
    assert importer.people() == [("a.png", "Eve", "picasa"), ("a.png", "Eve", "user")]


def test_copies_with_other_names_in_their_folders_do_not_change_back_and_forth(
    importer: Importer, library: Make
) -> None:
    root = library({"a/one.png": ("red",)})
    (root / "b").mkdir()
    shutil.copy(root / "a" / "one.png", root / "b" / "two.png")
    one_face(root / "a", ANN, "one.png", {"Contacts2": [f"{ANN:x}=Ann;;"]})
    one_face(root / "b", ANN, "two.png", {"Contacts2": [f"{ANN:x}=Annie;;"], "Picasa": ["name=b"]})
    (root / "b" / "two.png.xmp").write_bytes(mwg([("Anna", framed(patch(0)))]))
    report = importer.import_picasa(root)
    importer.scan()
    assert importer.people() == [("one.png", "Ann", "picasa")]
    assert [row[1:] for row in report.differences] == [("Annie", "Ann"), ("Anna", "Ann")]
    before = importer.dump()
    for _ in range(2):
        importer.import_picasa()
        assert importer.dump() == before


def test_a_photo_that_moved_with_its_ini_keeps_its_names_and_follows_the_ini_in_its_new_place(
    importer: Importer, library: Make
) -> None:
    root = library({"old/a.png": ("red",), "old/b.png": ("red",)})
    contacts2 = {"Contacts2": list(CONTACTS2)}
    write_ini(
        root / "old",
        {n: [faces((framed(patch(0)), ANN)), "star=yes", "keywords=x"] for n in ("a.png", "b.png")} | contacts2,
    )
    importer.scan(root)
    importer.import_picasa()
    (root / "new").mkdir()
    for name in ("a.png", ".picasa.ini"):
        shutil.move(root / "old" / name, root / "new" / name)
    write_ini(root / "new", {"a.png": [faces((framed(patch(0)), BOB))]} | contacts2)
    report = importer.import_picasa(root)
    assert importer.people() == [("a.png", "Bob", "picasa"), ("b.png", "Ann", "picasa")]
    assert importer.db.rows("SELECT path, starred FROM photos_v1 ORDER BY 1") == [
        (str(root / "new" / "a.png"), 0), (str(root / "old" / "b.png"), 1),
    ]  # fmt: skip
    assert report.exit_code == 0


# ------------------------------------------------------------------------------------------------ beside the faces


def test_stars_captions_keywords_albums_and_folders_are_kept_and_follow_the_ini(
    importer: Importer, library: Make
) -> None:
    root = library({"a.png": (), "b.png": ()})
    token, other = "f" * 31 + "1", "f" * 31 + "2"
    write_ini(
        root,
        {
            "Picasa": ["name=Garden", "description=All of it", "date=42078.416667", "location=Bonn"],
            f".album:{token}": ["name=Best", f"token={token}", "date=2015-03-15T09:59:59-07:00"],
            "a.png": ["star=yes", "caption=The pond", "keywords=pond, frogs", f"albums={token},{other}"],
            "b.png": [f"albums={token}"],
        },
    )
    report = importer.import_picasa(root)
    db = importer.db
    assert db.rows("SELECT starred, caption FROM photos_v1 ORDER BY path") == [(1, "The pond"), (0, None)]
    assert db.rows("SELECT keyword FROM keywords_v1 ORDER BY 1") == [("frogs",), ("pond",)]
    assert db.rows("SELECT name, date, photos FROM albums_v1 ORDER BY photos DESC") == [
        ("Best", "2015-03-15T09:59:59-07:00", 2), (None, None, 1),
    ]  # fmt: skip
    assert db.rows("SELECT name, description, location, date FROM folders_v1") == [
        ("Garden", "All of it", "Bonn", "2015-03-15T10:00:00")
    ]
    assert (report.picasa.starred, report.picasa.albums, report.picasa.noted) == (1, 2, 2)  # type: ignore[union-attr]
    before = importer.dump()
    assert importer.import_picasa().quiet
    assert importer.dump() == before
    write_ini(root, {"a.png": ["keywords=pond"], "b.png": ["star=yes"]})
    importer.import_picasa()
    assert db.rows("SELECT starred, caption FROM photos_v1 ORDER BY path") == [(0, None), (1, None)]
    assert db.rows("SELECT keyword FROM keywords_v1") == [("pond",)]
    assert db.rows("SELECT sum(photos) FROM albums_v1") == [(0,)]
    assert db.rows("SELECT name FROM folders_v1") == [("Garden",)]  # of which nothing is said any more


def test_a_photo_without_a_section_keeps_what_was_imported(importer: Importer, library: Make) -> None:
    """Picasa leaves the header when it takes something back; an ini without it was lost, or is another one."""
    root = library({"a.png": ("red",)})
    one_face(root, ANN, extra={"Contacts2": list(CONTACTS2)})
    importer.import_picasa(root)
    importer.scan()
    write_ini(root, {"other.png": ["star=yes"]})
    importer.import_picasa()
    assert importer.people() == [("a.png", "Ann", "picasa")]
    (root / ".picasa.ini").unlink()
    importer.import_picasa()
    assert importer.people() == [("a.png", "Ann", "picasa")]
    write_ini(root, {"a.png": []})
    importer.import_picasa()
    assert importer.people() == []


# ------------------------------------------------------------------------------------------------------ database


def database(tmp_path: Path, folder: str = "C:\\Photos\\") -> tuple[Db3Maker, int, Path]:
    maker = Db3Maker()
    return maker, maker.folder(folder), tmp_path / "db3"


def number(box: Box) -> int:
    return rect(box)


def test_faces_that_picasa_was_told_to_ignore_are_ignored_and_the_ini_goes_before_the_database(
    importer: Importer, library: Make, tmp_path: Path
) -> None:
    root = library({"a.png": ("red", "blue", "lime")})
    write_ini(root, {"a.png": [faces((framed(patch(0)), ANN))], "Contacts2": list(CONTACTS2)})
    maker, folder, place = database(tmp_path)
    bob, ignored = maker.person("Bob", BOB), maker.album("]ignoreface", "Ignored", 8)
    photo = maker.photo(folder, "A.PNG", caption="only here", star=True)
    maker.face(photo, number(framed(patch(0))), bob)  # older than the ini
    maker.face(photo, number(framed(patch(1))), ignored)
    maker.face(photo, number(framed(patch(2))), bob)  # taken back since
    maker.write(place)
    rules = [parse_rule(f"c:/photos={root}")]
    report = importer.import_picasa(root, db3=place, rules=rules)
    importer.scan()
    assert importer.people() == [("a.png", "Ann", "picasa")]
    assert importer.db.rows("SELECT verdict FROM standing_decision ORDER BY 1") == [("ignore",), ("is",)]
    assert importer.db.rows("SELECT starred, caption FROM photos_v1") == [(1, "only here")]
    assert report.totals["picasa"]["ignored"] == 1
    assert (report.picasa.db3_photos, report.picasa.db3_missing) == (1, 0)  # type: ignore[union-attr]
    before = importer.dump()
    importer.import_picasa(root, db3=place, rules=rules)
    assert importer.dump() == before


def test_photos_whose_ini_is_lost_have_their_names_from_the_database(
    importer: Importer, library: Make, tmp_path: Path
) -> None:
    root = library({"Sommer/B\u00e4der.png": ("red",), "Sommer/c.png": ("red",)})
    maker, folder, place = database(tmp_path, "D:\\Bilder\\SOMMER\\")
    ann = maker.person("Ann", ANN)
    maker.face(maker.photo(folder, "ba\u0308der.PNG"), number(framed(patch(0))), ann)
    maker.face(maker.photo(folder, "c.png"), number(framed(patch(0))))  # never named
    lost = maker.photo(folder, "gone.png")
    maker.face(lost, number(framed(patch(0))), ann)
    maker.write(place)
    report = importer.import_picasa(root, db3=place)
    importer.scan()
    assert importer.people() == [("B\u00e4der.png", "Ann", "picasa")]
    assert [row[5:] for row in importer.shown()] == [("Ann", "picasa", f"{ANN:016x}"), (None, None, None)]
    assert report.picasa is not None
    assert [str(rule) for rule in report.picasa.rules] == [f"D:\\Bilder={root}"]
    assert report.picasa.db3_missing == 1
    text = "\n".join(report.lines())
    assert "2 photos of Picasa's database are here; 1 with faces are not" in text
    assert f"learned from 2 files: D:\\Bilder={root}" in text


def test_the_names_of_the_database_are_used_where_its_list_of_files_is_lost(
    importer: Importer, library: Make, tmp_path: Path
) -> None:
    root = library({"a.png": ("red",)})
    one_face(root, ANN)
    maker, _, place = database(tmp_path)
    maker.person("Ann", ANN)
    maker.write(place)
    (place / "thumbindex.db").unlink()
    report = importer.import_picasa(root, db3=place)
    assert importer.people() == [("a.png", "Ann", "picasa")]
    assert report.exit_code == 3
    why = "no thumbindex.db: this is not the folder db3 of Picasa's database"
    assert report.unread == [(str(place), f"{why}; the names of its people are used, and nothing else of it")]
    importer.import_picasa(root)  # the name is remembered
    assert importer.people() == [("a.png", "Ann", "picasa")]


def test_the_contacts_that_lie_beside_the_database_are_read_with_it(
    importer: Importer, library: Make, tmp_path: Path
) -> None:
    root = library({"a.png": ("red",)})
    one_face(root, ANN)
    maker, _, place = database(tmp_path / "Picasa2")
    maker.person("Ann (before)", ANN)
    maker.write(place)
    (tmp_path / "Picasa2" / "contacts").mkdir()
    contacts = write_contacts(tmp_path / "Picasa2" / "contacts" / "contacts.xml", {ANN: "Ann"})
    report = importer.import_picasa(root, db3=place)
    assert importer.people() == [("a.png", "Ann", "picasa")]
    assert f"           names from {contacts}" in list(report.lines())
    elsewhere = write_contacts(tmp_path / "other.xml", {ANN: "Ann Lee"})
    importer.import_picasa(root, db3=place, contacts=[elsewhere])
    assert importer.people() == [("a.png", "Ann Lee", "picasa")]


def test_a_folder_that_is_no_database_is_refused_before_anything_is_indexed(tmp_path: Path) -> None:
    (tmp_path / "db3").mkdir()
    with pytest.raises(PicasaError, match=r"--db3 .*db3: no thumbindex\.db: .*; name the folder that has it"):
        picasa.gather(picasa.PicasaOptions(db3=str(tmp_path / "db3")))
    (tmp_path / "db3" / "thumbindex.db").write_bytes(b"rubbish")
    with pytest.raises(PicasaError, match=r"thumbindex\.db: not Picasa's list of files"):
        picasa.gather(picasa.PicasaOptions(db3=str(tmp_path / "db3")))
    with pytest.raises(UsageError, match="No such file or directory; name Picasa's folder db3"):
        picasa.gather(picasa.PicasaOptions(db3=str(tmp_path / "nowhere")))


# -------------------------------------------------------------------------------------------------------- report


def test_the_report_says_what_was_found_and_what_was_not(importer: Importer, library: Make, tmp_path: Path) -> None:
    root = library({"2015/a.png": ("red", "blue"), "2015/b.png": ("red",), "2016/c.png": ()})
    taken(root / "2015" / "a.png", "2015:07:01 10:00:00")
    write_ini(
        root / "2015",
        {
            "a.png": [faces((framed(patch(0)), ANN), (framed(patch(1)), BOB), (NOTHING, NOBODY)), "rotate=upwards"],
            "b.png": [faces((framed(patch(0)), ANN)), "star=yes"],
            "gone.jpg": [faces((framed(patch(0)), ANN))],
            "DSC_1.NEF": [faces((framed(patch(0)), ANN))],
            "film.avi": [faces((framed(patch(0)), ANN))],
            "Contacts2": [f"{ANN:x}=Ann;;", f"{CLEO:x}=Cleo;;"],
        },
    )
    (root / "2015" / "dsc_1.nef").write_bytes(b"II*\0")
    (root / "2015" / "FILM.AVI").write_bytes(b"RIFF")
    write_ini(
        root / "2016",
        {"c.png": ["faces=rect64(xyz),12;rect64(d0365d70006c88f5),a11"], "Contacts2": [f"{ANN:x}=Annie;;"]},
    )
    importer.scan(root)
    report = importer.import_picasa()
    told = report.picasa
    assert told is not None
    assert (told.inis, told.photos, told.starred, report.new_people) == (2, 3, 1, 2)
    assert (told.stale.rows, told.stale.count) == ([(str(root / "2015"), "gone.jpg")], 1)
    assert sorted(told.unknown.rows) == [(str(root / "2015"), "DSC_1.NEF"), (str(root / "2015"), "film.avi")]
    assert told.orphans == (BOB, 0x12)
    assert {contact: sorted(names) for contact, names in told.conflicts.items()} == {ANN: ["Ann", "Annie"]}
    totals = report.totals["picasa"]
    assert {name: totals[name] for name in ("faces", "photos", "photos_named", "named", "unnamed", "joined", "boxes")} == {
        "faces": 5, "photos": 3, "photos_named": 3, "named": 3, "unnamed": 2, "joined": 3, "boxes": 2,
    }  # fmt: skip
    assert (totals["wrapped"], totals["without_box"], totals["waiting"]) == (3, 1, 0)
    assert report.people == [("Ann", 2, "2015", "2015"), ("Annie", 1, None, None)]
    assert report.lines_unread == [
        (str(root / "2015" / ".picasa.ini"), 3, "not rotate(0) to rotate(3): rotate=upwards"),
        (str(root / "2016" / ".picasa.ini"), 2, "not a face of the form rect64(...),id: rect64(xyz),12"),
    ]
    assert report.exit_code == 0, "what is wrong inside of an ini stays so for ever"
    lines = list(report.lines())
    assert lines[1:6] == [
        "  Picasa   2 ini files: 3 photos with faces, 1 with a star",
        "  faces    5 by Picasa in 3 photos: 3 named in 3 photos, 2 without a name",
        "           3 joined to detected faces, 2 kept as boxes where no detector sees a face, 1 named without a place",
        "           of these 1 where no detected face confirms the place, 3 past an edge of the photo",
        "  changes  6 new, 2 new people, 3 named or ignored",
    ]
    text = "\n".join(lines)
    for said in (
        "    Ann: 2 faces, 2015",
        "  ids without a name: 2\n    picasa:0000000000000b0b",
        "  ids with several names: 1\n    picasa:0000000000000a11: Ann",
        f"  sections with faces of files that are not there: 1\n    {root}/2015: [gone.jpg]",
        "  sections with faces of files that facelib does not read (RAW, films): 2",
        f"  lines and entries that make no sense: 2\n    {root}/2015/.picasa.ini, line 3: not rotate(0)",
        "NEXT   the ids without a name may be in Picasa's contacts.xml",
    ):
        assert said in text
    data = report.as_dict()
    assert json.loads(json.dumps(data)) == data
    assert data["picasa"]["orphans"] == [f"{BOB:016x}", f"{0x12:016x}"]
    assert data["lines"][0]["line"] == 3
    assert data["people"][0] == {"name": "Ann", "faces": 2, "first_year": "2015", "last_year": "2015"}
    assert data["regions"]["picasa"]["joined"] == 3


def taken(path: Path, when: str) -> None:
    """Give a drawn photograph a date."""
    from PIL import Image

    with Image.open(path) as image:
        exif = Image.Exif()
        exif[0x0132] = when
        exif.get_ifd(0x8769)[0x9003] = when
        image.load()
        image.save(path, exif=exif)


def test_before_a_scan_the_report_says_that_nobody_has_looked_yet(importer: Importer, library: Make) -> None:
    root = library({"a.png": ("red",)})
    one_face(root, ANN, extra={"Contacts2": list(CONTACTS2)})
    text = "\n".join(importer.import_picasa(root).lines())
    assert "0 joined to detected faces, 1 in photos that no detector has searched yet" in text
    assert "kept as boxes" not in text
    assert text.endswith("NEXT   facelib scan looks for the 1 face in photos that no detector has searched yet")


def test_what_cannot_be_read_is_named_and_the_exit_status_is_3(importer: Importer, library: Make) -> None:
    root = library({"a.png": ("red",), "b/b.png": ()})
    one_face(root, ANN, extra={"Contacts2": list(CONTACTS2)})
    (root / "b" / ".picasa.ini").write_bytes(b"")
    os.truncate(root / "b" / ".picasa.ini", LARGEST + 1)
    report = importer.import_picasa(root)
    assert report.exit_code == 3
    assert report.unread == [(str(root / "b" / ".picasa.ini"), "it has 67,108,865 bytes and is no file of Picasa's")]
    assert importer.people() == [("a.png", "Ann", "picasa")]


def test_the_twins_that_syncing_makes_are_read_last_and_what_they_say_otherwise_is_told(
    importer: Importer, library: Make
) -> None:
    root = library({"a.png": ("red",), "b.png": ("red",)})
    contacts2 = {"Contacts2": list(CONTACTS2)}
    write_ini(root, {"a.png": [faces((framed(patch(0)), ANN))], **contacts2})
    write_ini(root, {n: [faces((framed(patch(0)), BOB))] for n in ("a.png", "b.png")} | contacts2, ".picasa (2).ini")
    report = importer.import_picasa(root)
    assert importer.people() == [("a.png", "Ann", "picasa"), ("b.png", "Bob", "picasa")]
    assert [words for _, _, words in report.lines_unread] == [
        "[a.png]: .picasa.ini says something else about it, which counts"
    ]


@pytest.mark.parametrize("line", ["junk", "faces"])
def test_a_hostile_ini_costs_a_bounded_time_and_nothing_else(importer: Importer, library: Make, line: str) -> None:
    root = library({"a.png": ("red",), "b/b.png": ("red",)})
    one_face(root / "b", ANN, "b.png", {"Contacts2": list(CONTACTS2)})
    if line == "junk":
        (root / ".picasa.ini").write_bytes(b"[a.png]\r\n" + bytes(range(256)) * 40_000)
    else:
        pairs = ";".join(
            f"rect64({(i * 2654435761 & 0xFFFFFFFF) << 32 | 0xFFFFFFFF:x}),{i + 1:x}" for i in range(100_000)
        )
        (root / ".picasa.ini").write_bytes(b"[a.png]\r\nfaces=" + pairs.encode())
    report = importer.import_picasa(root)
    assert ("b.png", "Ann", "picasa") in importer.people()
    assert report.exit_code == 0
    if line == "faces":
        assert "100,000 faces, of which the first 1,000 are read" in "\n".join(report.lines())
        assert int(str(importer.db.rows("SELECT count(*) FROM region")[0][0])) == 1001


def test_the_fixtures_of_the_real_picasa_are_imported(importer: Importer, tmp_path: Path) -> None:
    source = DATA / "picasa-fixtures"
    if not source.is_dir():
        pytest.skip(f"no {source}")
    root = tmp_path / "library"
    for index in ("1", "4"):
        (root / index).mkdir(parents=True)
        shutil.copy(source / index / ".picasa.ini", root / index / ".picasa.ini")
        for photo in range(3):
            draw(root / index / f"photo0{photo}.jpg", (), size=(800, 600), seed=int(index) * 10 + photo)
    report = importer.import_picasa(root, contacts=[source / "2" / "contacts.xml"])
    assert [row[:6] for row in importer.shown()] == [
        ("photo00.jpg", 325, 225, 475, 375, "synthetiic person 1200"),
        ("photo00.jpg", 325, 225, 475, 375, "synthetiic person 1200"),
    ]
    assert importer.db.rows("SELECT name, photos FROM albums_v1") == [("Synthetic Album B", 4)]
    assert report.lines_unread == []


# ---------------------------------------------------------------------------------------------------- command line


class Inline(InlineExecutor):
    """A pool of workers that is none: what the command line does is tested, not the pool."""

    cpu_seconds = 0.0

    def __init__(self, *_: object) -> None: ...
    def kill(self) -> None: ...


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def facelib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run `facelib` with the fake engine, in this process: exit status, output, errors."""
    from facelib.cli import main
    from facelib.stages import pool

    monkeypatch.setattr(pool, "WorkerPool", Inline)
    config = tmp_path / "config.toml"
    config.write_text('[detect]\ndetector = "fake"\n')

    def run(*arguments: object, db: Path = tmp_path / "cli.db") -> tuple[int, str, str]:
        words = ["facelib", "--config", str(config), "--db", str(db), *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


def test_the_command_imports_and_a_second_time_is_quiet(facelib: Call, library: Make, tmp_path: Path) -> None:
    root = library({"a.png": ("red",)})
    one_face(root, ANN)
    contacts = write_contacts(tmp_path / "contacts.xml", {ANN: "Ann"})
    code, output, errors = facelib("import-picasa", root, "--contacts", contacts)
    assert (code, errors) == (0, "")
    assert "  indexed  1 new photograph on the way" in output
    assert "  changes  1 new, 1 new person, 1 named or ignored" in output
    assert facelib("-q", "scan")[0] == 0
    assert facelib("-q", "import-picasa") == (0, "", "")
    one_face(root, BOB)
    assert "1 new" in facelib("-q", "import-picasa")[1]
    assert (tmp_path / "cli.db.decisions.jsonl").exists()


def test_json_ends_with_the_report(facelib: Call, library: Make) -> None:
    root = library({"a.png": ("red",)})
    one_face(root, ANN)
    code, output, _ = facelib("--json", "import-picasa", root)
    events = [json.loads(line) for line in output.splitlines()]
    assert (code, events[-1]["event"]) == (0, "report")
    assert (events[-1]["picasa"]["inis"], events[-1]["regions"]["picasa"]["regions"]) == (1, 1)


def test_a_dry_run_writes_nothing(facelib: Call, library: Make, tmp_path: Path) -> None:
    root, place = library({"a.png": ("red",)}), tmp_path / "cli.db"
    one_face(root, ANN, extra={"Contacts2": list(CONTACTS2)})
    code, output, _ = facelib("import-picasa", root, "--dry-run")
    assert code == 0
    assert "a dry run: nothing was written" in output
    assert "1 named in 1 photo" in output
    assert not place.exists()
    facelib("scan", root)
    before = {path: path.read_bytes() for path in tmp_path.glob("cli.db*") if not path.name.endswith("-shm")}
    code, output, _ = facelib("import-picasa", "--dry-run")
    assert "1 joined to detected faces" in output
    after = {path: path.read_bytes() for path in tmp_path.glob("cli.db*") if not path.name.endswith("-shm")}
    assert {path: data for path, data in after.items() if data} == {path: data for path, data in before.items() if data}
    with WriterLock(str(place), "scan"):
        assert facelib("import-picasa", "--dry-run")[0] == 0  # it writes nothing, and so waits for nobody


def test_wrong_usage_is_one_line_before_anything_is_indexed(facelib: Call, library: Make, tmp_path: Path) -> None:
    root = library({"a.png": ()})
    (tmp_path / "empty").mkdir()
    for arguments, status, words in (
        (["--contacts", tmp_path / "none.xml"], 2, "none.xml: it cannot be read: No such file or directory"),
        (["--contacts", tmp_path], 2, "it cannot be read: Is a directory"),
        (["--db3", tmp_path / "none"], 2, "No such file or directory; name Picasa's folder db3"),
        (["--db3", tmp_path / "empty"], 1, "no thumbindex.db"),
        (["--map", "C:\\Photos"], 2, "no '=' in it"),
        (["--map", "C:\\Photos=Pictures"], 2, "has to be a full path"),
        (["--ansi", "klingon"], 2, "'klingon' is no code page"),
    ):
        code, output, errors = facelib("import-picasa", root, *arguments)
        assert (code, output) == (status, "")
        assert words in errors
        assert errors.count("\n") == 1
        assert not (tmp_path / "cli.db").exists()
    assert facelib("import-picasa")[0] == 10
    assert facelib("import-picasa", tmp_path / "nowhere")[0] == 2


def test_another_facelib_that_writes_is_not_disturbed(facelib: Call, library: Make, tmp_path: Path) -> None:
    root = library({"a.png": ()})
    facelib("scan", root)
    with WriterLock(str(tmp_path / "cli.db"), "scan"):
        assert facelib("import-picasa")[0] == 11


def test_ctrl_c_ends_after_the_folder_in_work_and_the_next_run_goes_on(
    facelib: Call, library: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = library({f"{i}/a.png": ("red",) for i in range(4)})
    for i in range(4):
        one_face(root / str(i), ANN, extra={"Contacts2": list(CONTACTS2)})
    whole = picasa._Import.folder
    seen: list[object] = []

    def folder(self: picasa._Import, one: picasa._Folder) -> None:
        whole(self, one)
        seen.append(one)
        if len(seen) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(picasa._Import, "folder", folder)
    code, output, _ = facelib("import-picasa", root)
    assert code == 130
    assert "interrupted: run it again to go on" in output
    connection = sqlite3.connect(tmp_path / "cli.db")
    assert connection.execute("SELECT count(*) FROM region").fetchone() == (2,)
    assert connection.execute("SELECT outcome FROM run").fetchall() == [("interrupted",)]
    connection.close()
    assert "4 named in 4 photos" in facelib("import-picasa")[1]


def test_nothing_of_picasas_is_written_to(importer: Importer, library: Make) -> None:
    root = library({"a.png": ("red",)})
    one_face(root, ANN)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()}
    importer.import_picasa(root)
    importer.scan()
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in root.rglob("*") if path.is_file()} == before


def test_the_rectangles_of_the_tests_are_picasas() -> None:
    assert rect64.to_text(rect(Box(43, 128, 617, 387), (800, 600))) == "dc3369dc570a51e"
    assert SIZE == (200, 120)
    assert DETECTOR.startswith("fake-1")
