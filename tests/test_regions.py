"""What laying imported regions on faces promises: the same end whatever came first, and the user's word before all."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Library, draw
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from leftovers import (
    NOBODY,
    NOTHING,
    Importer,
    Seen,
    faces,
    framed,
    mp,
    mwg,
    patch,
    turned,
    write_contacts,
    write_ini,
)

from facelib.models import Box
from facelib.progress import Silent, Stop
from facelib.stages import encode
from facelib.stages import regions as laying
from facelib.stages.pool import InlineExecutor
from facelib.store import decisions, runs
from facelib.store.faces import draw_face

Make = Callable[..., Path]

ANN, BOB, CLEO = 0xA11, 0xB0B, 0xC1E0
NAMES = ("[Contacts2]", f"{ANN:x}=Ann;;", f"{BOB:x}=Bob;;", f"{CLEO:x}=Cleo;;")


@pytest.fixture
def importer(db: Library) -> Importer:
    return Importer(db)


def with_ini(root: Path, name: str = "a.png", *pairs: tuple[Box, int]) -> Path:
    """One photograph, and its faces by Picasa."""
    write_ini(root, {name: [faces(*pairs)], "Contacts2": NAMES[1:]})
    return root


# ---------------------------------------------------------------------------------------------------- drawn faces


def test_a_box_that_no_detector_sees_is_a_face_of_its_own_and_is_encoded_once_a_detector_has_looked(
    importer: Importer, library: Make
) -> None:
    root = with_ini(library({"a.png": ("red",)}), "a.png", (framed(patch(0)), ANN), (NOTHING, BOB))
    importer.import_picasa(root)
    db = importer.db
    assert db.rows("SELECT DISTINCT source FROM face") == [("picasa",)]
    assert db.rows("SELECT count(*) FROM encoding") == [(0,)]
    assert db.rows("SELECT count(*) FROM face WHERE landmarks IS NOT NULL OR quality IS NOT NULL") == [(0,)]
    importer.scan()
    shown = db.rows("SELECT f.source, v.person FROM face f JOIN faces_v1 v USING (face_id) ORDER BY 1")
    assert shown == [("detector", "Ann"), ("picasa", "Bob")]
    qualities = {source: float(str(quality)) for source, quality in db.rows("SELECT source, quality FROM face")}
    assert db.rows("SELECT count(*) FROM encoding") == [(2,)]
    assert db.rows("SELECT count(*) FROM face WHERE landmarks IS NULL") == [(0,)]
    assert 0 < qualities["picasa"] < qualities["detector"] / 2


def test_a_face_that_the_user_drew_does_not_let_picasas_be_encoded_before_a_detector_has_looked(
    importer: Importer, library: Make
) -> None:
    root = with_ini(library({"a.png": ("red",)}), "a.png", (NOTHING, BOB))
    importer.import_picasa(root)
    with importer.db.db.atomic():
        draw_face(importer.db.db, 1, "user", patch(0))
    importer.import_picasa()
    run_id = runs.start(importer.db.db, "encode")
    encode.run(importer.db.db, run_id, importer.config, "fake", Silent(), Stop(), executor=InlineExecutor())
    assert importer.db.rows("SELECT source FROM encoding JOIN face USING (face_id)") == [("user",)]


def test_what_is_said_of_a_drawn_face_is_said_of_the_detected_one_when_another_detector_sees_it(
    importer: Importer, library: Make
) -> None:
    root = with_ini(library({"a.png": ("red",)}), "a.png", (framed(patch(2)), ANN), (framed(patch(0)), BOB))
    importer.import_picasa(root)
    importer.scan()  # sees one of two
    drawn = importer.face_at("a.png", framed(patch(2)))
    importer.user_says(drawn, "is", "Dora")
    path = str(root / "a.png")
    importer.scan(seen=Seen({path: [patch(0), patch(2)]}), detector="other-1")
    assert importer.db.rows("SELECT count(*) FROM face") == [(2,)]
    assert importer.people() == [("a.png", "Bob", "picasa"), ("a.png", "Dora", "user")]
    made = importer.db.rows("SELECT made_by FROM decision WHERE face_id = ? AND undone_at IS NULL ORDER BY 1",
                            importer.face_at("a.png", patch(2)))  # fmt: skip
    assert made == [("picasa",), ("user",)]
    assert importer.db.rows("SELECT count(*) FROM region JOIN face USING (face_id) WHERE face.source = 'picasa'") == [
        (0,)
    ]


def test_a_decision_moves_its_box_with_the_face_so_that_a_reset_finds_it_again(
    importer: Importer, library: Make
) -> None:
    root = with_ini(library({"a.png": ("red",)}), "a.png", (framed(patch(0)), ANN))
    importer.import_picasa(root)
    importer.scan()
    rows = importer.db.rows(
        'SELECT d."left" = f."left" AND d."right" = f."right" AND d.top = f.top FROM decision d JOIN face f USING (face_id)'
    )
    assert rows == [(1,)]


def test_when_the_frame_proves_to_be_another_one_the_drawn_faces_move_and_none_is_left_behind(
    importer: Importer, tmp_path: Path
) -> None:
    """Boxes that somebody wrote in the upright frame, of photos that are stored turned: only detected faces can tell."""
    root, size = tmp_path / "library", (300, 200)
    boxes = [Box(20, 20, 90, 104), Box(130, 30, 200, 114), Box(215, 100, 285, 184)]
    found = {}
    for index, box in enumerate(boxes):
        name = f"{index}.jpg"
        turned(root / name, 6, size)
        found[str(root / name)] = [Box(box.left + 15, box.top + 17, box.right - 13, box.bottom - 8)]
    write_ini(
        root,
        {f"{i}.jpg": [faces((box, ANN), size=size)] for i, box in enumerate(boxes)} | {"Contacts2": NAMES[1:]},
    )
    importer.import_picasa(root)
    before = importer.shown()
    importer.scan(seen=Seen(found))
    after = importer.shown()
    assert len(before) == len(after) == 3
    assert importer.db.rows("SELECT DISTINCT frame, verified FROM region") == [("other", 1)]
    assert [Box(*row[1:5]) for row in after] == [found[str(root / f"{i}.jpg")][0] for i in range(3)]  # type: ignore[arg-type]
    assert {row[5] for row in after} == {"Ann"}
    assert importer.db.rows("SELECT count(*) FROM decision WHERE undone_at IS NULL") == [(3,)]


def test_what_the_user_said_of_a_box_in_the_wrong_place_does_not_travel_to_the_right_one(
    importer: Importer, tmp_path: Path
) -> None:
    root, size = tmp_path / "library", (300, 200)
    boxes = [Box(20, 20, 90, 104), Box(130, 30, 200, 114), Box(215, 100, 285, 184)]
    for index in range(3):
        turned(root / f"{index}.jpg", 6, size)
    write_ini(
        root,
        {f"{i}.jpg": [faces((box, ANN), size=size)] for i, box in enumerate(boxes)} | {"Contacts2": NAMES[1:]},
    )
    importer.import_picasa(root)
    (wrong,) = importer.db.rows("SELECT face_id FROM face JOIN file USING (photo_id) WHERE path LIKE '%0.jpg'")[0]
    importer.user_says(wrong, "no_face")  # there is nothing to be seen there, which is true
    importer.scan(seen=Seen({str(root / f"{i}.jpg"): [box] for i, box in enumerate(boxes)}))
    assert [row[5] for row in importer.shown()] == ["Ann", "Ann", "Ann"]
    assert importer.db.rows("SELECT source FROM face WHERE face_id = ?", wrong) == [("user",)]
    importer.scan(seen=Seen({}), detector="third-1")
    assert [row[5] for row in importer.shown()] == ["Ann", "Ann", "Ann"]


def test_boxes_that_nobody_says_any_more_leave_no_face_behind(importer: Importer, library: Make) -> None:
    root = with_ini(library({"a.png": ()}), "a.png", (framed(patch(0)), ANN), (NOTHING, BOB))
    importer.import_picasa(root)
    importer.scan()
    with_ini(root, "a.png", (framed(patch(0)), ANN))
    report = importer.import_picasa()
    assert report.changes.gone == 1
    assert importer.people() == [("a.png", "Ann", "picasa")]
    assert importer.db.rows("SELECT count(*) FROM face") == [(1,)]
    assert importer.db.rows("SELECT count(*) FROM decision WHERE undone_at IS NULL") == [(1,)]
    with_ini(root, "a.png", (framed(patch(0)), ANN), (NOTHING, BOB))
    importer.import_picasa()
    assert importer.people() == [("a.png", "Ann", "picasa"), ("a.png", "Bob", "picasa")]


def test_a_drawn_face_that_the_user_named_stays_when_picasa_forgets_it(importer: Importer, library: Make) -> None:
    root = with_ini(library({"a.png": ()}), "a.png", (NOTHING, BOB), (framed(patch(0)), ANN))
    importer.import_picasa(root)
    importer.user_says(importer.face_at("a.png", NOTHING), "is", "Dora")
    with_ini(root, "a.png", (framed(patch(0)), ANN))
    importer.import_picasa()
    importer.scan()
    assert importer.people() == [("a.png", "Ann", "picasa"), ("a.png", "Dora", "user")]


def test_a_drawn_face_is_the_same_one_when_picasa_gives_it_to_somebody_else(importer: Importer, library: Make) -> None:
    root = with_ini(library({"a.png": ()}), "a.png", (NOTHING, ANN))
    importer.import_picasa(root)
    importer.scan()
    face = importer.face_at("a.png", NOTHING)
    with_ini(root, "a.png", (NOTHING, BOB))
    importer.import_picasa()
    assert importer.people() == [("a.png", "Bob", "picasa")]
    importer.user_says(face, "is", "Dora")
    with_ini(root, "a.png", (NOTHING, CLEO))
    importer.import_picasa()
    assert importer.people() == [("a.png", "Dora", "user")]
    assert importer.db.rows("SELECT face_id FROM face") == [(face,)]


# ------------------------------------------------------------------------------------------- decisions of the user


@pytest.mark.parametrize("verdict", ["is", "no_face", "ignore", "is_not"])
@pytest.mark.parametrize("order", ["before the import", "after the import"])
@pytest.mark.parametrize("rescan", [False, True])
def test_what_the_user_said_of_a_face_is_never_overruled(
    importer: Importer, library: Make, verdict: str, order: str, rescan: bool
) -> None:
    root = with_ini(library({"a.png": ("red",)}), "a.png", (framed(patch(0)), ANN))
    importer.scan(root)
    face = importer.face_at("a.png", patch(0))
    if order == "after the import":
        importer.import_picasa()
        assert importer.people() == [("a.png", "Ann", "picasa")]
    importer.user_says(face, verdict, {"is": "Dora", "is_not": "Ann"}.get(verdict))
    if rescan:
        importer.scan(seen=Seen({str(root / "a.png"): [Box(9, 29, 42, 72)]}), detector="other-1")
    report = importer.import_picasa()
    if order == "before the import":
        assert report.laid.kept == 1
    importer.scan(seen=Seen({str(root / "a.png"): [Box(11, 31, 42, 72)]}), detector="third-1")
    shown = {"is": [("Dora", "user")], "no_face": [], "ignore": [(None, None)], "is_not": [(None, None)]}[verdict]
    assert [row[5:7] for row in importer.shown()] == shown
    assert [row[1:] for row in report.differences] == [
        ("Ann", {"is": "Dora", "no_face": "a face"}.get(verdict, "anybody"))
    ]


def test_that_a_face_is_not_bob_does_not_keep_picasa_from_saying_who_it_is(importer: Importer, library: Make) -> None:
    root = with_ini(library({"a.png": ("red",)}), "a.png", (framed(patch(0)), ANN))
    importer.scan(root)
    importer.user_says(importer.face_at("a.png", patch(0)), "is_not", "Bob")
    importer.import_picasa()
    assert importer.people() == [("a.png", "Ann", "picasa")]


def test_a_decision_of_picasa_that_was_taken_back_is_not_made_again(importer: Importer, library: Make) -> None:
    root = with_ini(library({"a.png": ("red",)}), "a.png", (framed(patch(0)), ANN), (NOTHING, BOB))
    importer.import_picasa(root)
    with importer.db.db.atomic():
        importer.db.db.execute("UPDATE decision SET undone_at = '2026-01-01T00:00:00Z'")
    report = importer.import_picasa()
    assert importer.people() == []
    importer.scan()
    assert importer.people() == []
    (root / "a.png.xmp").write_bytes(mwg([("Ann", framed(patch(0)))]))
    report = importer.import_xmp()
    assert importer.people() == []
    assert report.laid.kept >= 1
    with_ini(root, "a.png", (framed(patch(0)), CLEO), (NOTHING, BOB))  # somebody else now: that was not taken back
    importer.import_picasa()
    assert importer.people() == [("a.png", "Cleo", "picasa")]


def test_somebody_whom_the_user_renamed_keeps_that_name_in_the_next_import(importer: Importer, library: Make) -> None:
    from facelib.stages import deciding

    root = with_ini(library({"a.png": ("red", "blue")}), "a.png", (framed(patch(0)), ANN))
    importer.import_picasa(root)
    deciding.rename(importer.db.db, deciding.find_person(importer.db.db, "Ann"), "Annie Lee")
    with_ini(root, "a.png", (framed(patch(0)), ANN), (framed(patch(1)), ANN))
    importer.import_picasa()
    importer.scan()
    assert importer.people() == [("a.png", "Annie Lee", "picasa")] * 2
    assert importer.db.rows("SELECT name FROM person") == [("Annie Lee",)]


def test_somebody_whom_the_user_merged_into_another_is_that_one_and_undoing_gives_him_back(
    importer: Importer, library: Make
) -> None:
    from facelib.stages import deciding

    db = importer.db.db
    root = with_ini(
        library({"a.png": ("red", "blue", "lime")}), "a.png", (framed(patch(0)), ANN), (framed(patch(1)), BOB)
    )
    importer.import_picasa(root)
    deciding.merge(db, [deciding.find_person(db, "Bob")], deciding.find_person(db, "Ann"))
    boxes = [(framed(patch(0)), ANN), (framed(patch(1)), BOB), (framed(patch(2)), BOB)]
    with_ini(root, "a.png", *boxes)
    report = importer.import_picasa()
    importer.scan()
    assert {row[1] for row in importer.people()} == {"Ann"}
    assert report.differences == []
    deciding.undo(db, 1)
    assert sorted(str(row[1]) for row in importer.people()) == ["Ann", "Bob", "Bob"]


def test_the_words_of_the_user_follow_into_an_edited_photo_although_picasa_spoke_there_first(
    importer: Importer, library: Make
) -> None:
    root = with_ini(library({"a.png": ("red",)}), "a.png", (framed(patch(0)), ANN), (NOTHING, BOB))
    importer.scan(root)
    importer.import_picasa()
    importer.user_says(importer.face_at("a.png", patch(0)), "is", "Dora")
    importer.user_says(importer.face_at("a.png", NOTHING), "is", "Eve")  # whom no detector sees
    draw(root / "a.png", ("red",), seed=42)
    importer.import_picasa()  # the new content is known to Picasa, and not yet searched
    importer.scan()
    rows = importer.db.rows(
        "SELECT person, source FROM faces_v1 JOIN files_v1 USING (photo_id) WHERE present = 1 ORDER BY 1"
    )
    assert rows == [("Dora", "user"), ("Eve", "user")]


# --------------------------------------------------------------------------------- the same end, whatever came first


def test_an_interrupted_laying_goes_on_where_it_stopped(importer: Importer, library: Make) -> None:
    content = {f"{folder}/a.png": ("red",) for folder in range(4)}
    root = library(content)
    for folder in range(4):
        with_ini(root / str(folder), "a.png", (framed(patch(0)), ANN))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(laying, "run", lambda *_: laying.RegionSummary())
        importer.import_picasa(root)
    importer.scan(limit=2)

    class After(Stop):
        asked = 0

        @property
        def due(self) -> bool:
            self.asked += 1
            return self.asked > 2

    with importer.db.db.atomic():
        importer.db.db.execute("UPDATE region SET settled_detection = NULL")
    assert laying.run(importer.db.db, Silent(), After()).complete is False
    importer.scan()
    assert [row[5] for row in importer.shown()] == ["Ann"] * 4
    assert len(importer.db.rows("SELECT * FROM face")) == 4


def test_a_run_that_ended_before_names_were_taken_from_xmp_is_made_up_for(importer: Importer, library: Make) -> None:
    root = library({"a.png": ("red",), "b.png": ("red",)})
    write_ini(root, {name: [faces((framed(patch(0)), 0xD00D))] for name in ("a.png", "b.png")})
    (root / "a.png.xmp").write_bytes(mwg([("Ann", framed(patch(0)))]))
    importer.scan(root)

    def killed(_db: object) -> bool:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(laying.regions, "name_by_place", killed)
        with pytest.raises(KeyboardInterrupt):
            importer.import_picasa()
    assert importer.people() == [("a.png", "Ann", "xmp")]
    importer.scan()
    assert importer.people() == [("a.png", "Ann", "xmp"), ("b.png", "Ann", "picasa")]


BOXES = [framed(patch(0)), framed(patch(1)), framed(patch(2)), NOTHING, Box(100, 5, 130, 25)]
IDS = st.sampled_from([ANN, BOB, CLEO, 0xD00D, NOBODY])  # the fourth has no name but what XMP gives it
PICASAS = st.lists(st.tuples(st.sampled_from(BOXES), IDS), max_size=4, unique_by=lambda pair: (pair[0], pair[1]))
OTHERS = st.lists(
    st.tuples(st.sampled_from(["Ann", "Bob", "Eve", None]), st.sampled_from(BOXES)),
    max_size=3,
    unique_by=lambda pair: pair[1],
)


@dataclasses.dataclass(frozen=True)
class Left:
    """What is said at one time of two photographs and of a copy of the first one."""

    picasa: tuple[list[tuple[Box, int]], list[tuple[Box, int]], list[tuple[Box, int]]]
    xmp: tuple[list[tuple[str | None, Box]], list[tuple[str | None, Box]], list[tuple[str | None, Box]]]

    def write(self, root: Path) -> Path:
        first, second, copy = self.picasa
        write_ini(root, {"a.png": [faces(*first)], "b.png": [faces(*second)]})
        write_ini(root / "copy", {"a.png": [faces(*copy)]})
        one, other, third = self.xmp
        (root / "a.png.xmp").write_bytes(mwg(one))
        (root / "b.png.xmp").write_bytes(mwg(other))
        (root / "a.xmp").write_bytes(mp([(name or "", box) for name, box in third]))
        return write_contacts(root.parent / "contacts.xml", {ANN: "Ann", BOB: "Bob", CLEO: "Cleo"})


LEFT = st.builds(Left, st.tuples(PICASAS, PICASAS, PICASAS), st.tuples(OTHERS, OTHERS, OTHERS))
STEPS = st.lists(st.sampled_from(["import", "scan", "scan one", "look again"]), max_size=5)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=LEFT, after=LEFT, steps=STEPS, last=st.sampled_from(["import", "scan"]))
def test_whatever_came_before_the_end_is_what_the_files_say(
    tmp_path_factory: pytest.TempPathFactory, before: Left, after: Left, steps: list[str], last: str
) -> None:
    """Any sequence of imports and scans over earlier files ends as one import and one scan of the files as they are."""
    place = tmp_path_factory.mktemp("any")
    root = place / "library"
    draw(root / "a.png", ("red", "blue"), seed=1)
    draw(root / "b.png", ("red",), seed=2)
    draw(root / "copy" / "a.png", ("red", "blue"), seed=1)

    def do(importer: Importer, step: str, contacts: Path) -> None:
        if step == "import":
            importer.import_picasa(root, contacts=[contacts])
        elif step == "look again":
            importer.scan(root, seen=Seen({str(root / "a.png"): [patch(0)]}), detector="other-1")
        else:
            importer.scan(root, limit=1 if step == "scan one" else None)

    used, fresh = (Importer(Library(place / f"{name}.db")) for name in ("used", "fresh"))
    try:
        contacts = before.write(root)
        for step in steps:
            do(used, step, contacts)
        contacts = after.write(root)
        ends = ["import", "scan"] if last == "scan" else ["scan", "import"]
        for step in ends:
            do(used, step, contacts)
        for step in ["scan", "look again", "import"] if "look again" in steps else ["scan", "import"]:
            do(fresh, step, contacts)
        assert used.shown() == fresh.shown()
        ends_as = used.dump()
        do(used, "import", contacts)
        do(used, "scan", contacts)
        assert used.dump() == ends_as
        live = "SELECT count(*) FROM face WHERE source IN ('picasa', 'xmp') AND face_id NOT IN (SELECT face_id FROM region WHERE gone = 0 AND face_id IS NOT NULL)"  # noqa: E501
        assert used.db.rows(live) == [(0,)]
        twice = "SELECT face_id FROM decision WHERE undone_at IS NULL GROUP BY face_id HAVING count(*) > 1 OR face_id IS NULL"
        assert used.db.rows(twice) == []
    finally:
        used.db.db.close()
        fresh.db.db.close()


def test_decisions_are_found_again_after_all_detections_were_forgotten(importer: Importer, library: Make) -> None:
    from facelib.store import reset

    root = with_ini(
        library({"a.png": ("red", "blue")}), "a.png", (framed(patch(0)), ANN), (framed(patch(1)), BOB), (NOTHING, CLEO)
    )
    importer.import_picasa(root)
    importer.scan()
    importer.user_says(importer.face_at("a.png", patch(1)), "is", "Dora")
    importer.user_says(importer.face_at("a.png", NOTHING), "is", "Fay")
    before = importer.shown()
    with importer.db.db.atomic():
        reset.forget(importer.db.db, detections=True, matches=True, facts=False)
    importer.scan()
    assert importer.shown() == before
    assert importer.db.rows("SELECT count(*) FROM decision WHERE face_id IS NULL AND undone_at IS NULL") == [(0,)]
    assert decisions.homeless(importer.db.db) == []
