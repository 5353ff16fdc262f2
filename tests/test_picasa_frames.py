"""What the frames promise: a foreign box lands where it was drawn, and no stranger gets a name by chance."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facelib.geometry import to_stored
from facelib.models import Box
from facelib.picasa.frames import (
    PhotoBoxes,
    Shares,
    Verdict,
    frame_of_dimensions,
    frame_of_file,
    known_orientation,
    place,
    verify,
)
from facelib.picasa.join import join
from tests.conftest import DATA, needs

WIDTH, HEIGHT = 1200, 900
TURNED = (2, 3, 4, 5, 6, 7, 8)
orientations = st.integers(1, 8)
unhurried = settings(deadline=None)  # the first contest of two boxes imports scipy

Change = Callable[[PhotoBoxes], PhotoBoxes]


# ---- scenes: boxes that Picasa drew, and what a detector sees


def person(x: float, y: float, side: float = 120, random: Random | None = None) -> tuple[Box, Box]:
    """A box of Picasa's shape around a point, and the detection in it, a little off where `random` says so."""
    box = Box(round(x - side / 2), round(y - 0.6 * side), round(x + side / 2), round(y + 0.6 * side))
    dx, dy = (random.gauss(0, 0.02) * side, random.gauss(0, 0.02) * side) if random else (0.0, 0.0)
    centre_x, centre_y, half = x + dx, y + 0.06 * side + dy, 0.3 * side
    face = Box(round(centre_x - half), round(centre_y - half), round(centre_x + half), round(centre_y + half))
    return box, face


def shares(box: Box, orientation: int = 1, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Shares:
    """The box of the upright picture as shares of the stored one."""
    a = to_stored((box.left / size[0], box.top / size[1]), orientation)
    b = to_stored((box.right / size[0], box.bottom / size[1]), orientation)
    return min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])


def times(box: Shares, factor: float) -> Shares:
    return box[0] * factor, box[1] * factor, box[2] * factor, box[3] * factor


def photo(
    *people: tuple[Box, Box], orientation: int = 1, faces: Sequence[Box] | None = None, factor: float = 1.0
) -> PhotoBoxes:
    """A photo in which these people are tagged, in stored numbers, divided by `factor`; all are seen, or only `faces`."""
    boxes = tuple(times(shares(box, orientation), 1 / factor) for box, _ in people)
    seen = tuple(face for _, face in people) if faces is None else tuple(faces)
    return PhotoBoxes(boxes, WIDTH, HEIGHT, orientation, faces=seen)


def random_people(random: Random, count: int, *, size: tuple[float, float] = (90, 160)) -> list[tuple[Box, Box]]:
    """People anywhere in the picture."""
    people = []
    for _ in range(count):
        side = random.uniform(*size)
        x, y = random.uniform(side, WIDTH - side), random.uniform(side, HEIGHT - side)
        people.append(person(x, y, side, random))
    return people


def seats(*centres: tuple[float, float], seed: int = 0) -> list[tuple[Box, Box]]:
    random = Random(seed)
    return [person(x, y, 120, random) for x, y in centres]


def hypotheses(folder: Sequence[PhotoBoxes]) -> list[str]:
    return [verdict.hypothesis for verdict in verify(folder)]


# ---- the rule


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG", "a.png", "a.tif", "raw", "a.raw.jpg", "nef.", ""])
def test_rectangles_of_bitmaps_are_as_the_file_is_stored(name: str) -> None:
    assert frame_of_file(name) == "stored"


@pytest.mark.parametrize("name", ["DSC_1.NEF", "a.cr2", "a.b.dng", "x.3FR", "x.X3F", "_.arw", "a.RAW"])
def test_rectangles_of_raw_files_are_as_the_photo_is_shown(name: str) -> None:
    assert frame_of_file(name) == "upright"


@pytest.mark.parametrize("orientation", [None, 0, 1, 9, 255, -1])
def test_an_orientation_that_is_none_of_the_eight_turns_nothing(orientation: int | None) -> None:
    assert known_orientation(orientation) == 1
    assert place(PhotoBoxes(((0.1, 0.2, 0.3, 0.4),), 1000, 1000, orientation)) == (Box(100, 200, 300, 400),)


@given(orientations, st.data())
def test_a_box_lands_on_the_pixel_that_it_was_drawn_on(orientation: int, data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, 9000)), data.draw(st.integers(1, 9000))
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    box = Box(left, top, data.draw(st.integers(left + 1, width)), data.draw(st.integers(top + 1, height)))
    written = [round(edge * 65535) / 65535 for edge in shares(box, orientation, (width, height))]
    numbers = (written[0], written[1], written[2], written[3])
    assert place(PhotoBoxes((numbers,), width, height, orientation)) == (box,)
    upright = [round(edge * 65535) / 65535 for edge in shares(box, 1, (width, height))]
    raw = PhotoBoxes(((upright[0], upright[1], upright[2], upright[3]),), width, height, orientation, frame="upright")
    assert place(raw) == (box,)


def test_a_box_that_passes_the_edge_is_clipped_and_one_outside_is_none() -> None:
    boxes = ((0.8, -0.1, 1.1, 0.5), (1.0, 0.2, 1.2, 0.4), (-0.3, 0.2, 0.0, 0.4), (0.5, 0.5, 0.5, 0.5))
    assert place(PhotoBoxes(boxes, 100, 100)) == (Box(80, 0, 100, 50), None, None, Box(50, 50, 51, 51))


@pytest.mark.parametrize("faces", [None, ()])
@pytest.mark.parametrize("orientation", [1, 6])
def test_where_nobody_was_detected_the_rule_stays_unverified(faces: tuple[Box, ...] | None, orientation: int) -> None:
    seen = photo(*seats((300, 300), (800, 500)), orientation=orientation)
    verdict = verify([replace(seen, faces=faces, crop=(0.1, 0.1, 0.9, 0.9))])[0]
    assert verdict == Verdict("rule", False, place(seen))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_rule_is_verified_where_most_boxes_hold_a_face(orientation: int) -> None:
    people = seats((200, 200), (600, 300), (1000, 700))
    faces = [face for _, face in people]
    assert [verify([photo(*people, orientation=orientation, faces=faces[:seen])])[0].verified for seen in range(4)] == [
        False,
        False,
        True,
        True,
    ]


def test_a_photo_without_boxes_has_a_verdict_too() -> None:
    assert verify([PhotoBoxes((), 10, 10, faces=(Box(0, 0, 5, 5),))]) == [Verdict("rule", False, ())]
    assert verify([]) == []


def test_the_same_rectangle_twice_is_one_witness() -> None:
    someone = person(400, 400)
    assert verify([photo(someone, someone)])[0] == Verdict("rule", True, (someone[0], someone[0]), explained=1)


@unhurried
@given(orientations, st.floats(0.1, 0.9), st.floats(0.1, 0.9), st.integers(30, 300))
def test_one_tagged_profile_and_one_stranger_keep_the_rule(orientation: int, x: float, y: float, side: int) -> None:
    at = (x * WIDTH, y * HEIGHT)
    stranger = Box(round(at[0] - side / 2), round(at[1] - side / 2), round(at[0] + side / 2), round(at[1] + side / 2))
    verdict = verify([photo(person(700, 380), orientation=orientation, faces=[stranger])])[0]
    assert verdict.hypothesis == "rule"
    assert verdict.verified == bool(join([person(700, 380)[0]], [stranger]))


def test_in_a_crowd_people_whom_no_detector_sees_stay_where_the_rule_puts_them() -> None:
    random = Random(3)
    folders = [
        [
            photo(
                *random_people(random, random.randint(1, 3), size=(60, 110)),
                orientation=random.choice([1, 3, 6, 8]),
                faces=[face for _, face in random_people(random, 20, size=(60, 110))],
            )
            for _ in range(random.randint(1, 8))
        ]
        for _ in range(150)
    ]
    assert [set(hypotheses(folder)) for folder in folders] == [{"rule"}] * len(folders)


# ---- the other frame


@pytest.mark.parametrize("orientation", TURNED)
def test_numbers_of_the_other_frame_are_recognised_by_their_faces(orientation: int) -> None:
    people = seats((200, 210), (640, 300), (1010, 640))
    shown = replace(photo(*people), orientation=orientation)  # the upright shares, said to be stored ones
    assert verify([shown])[0] == Verdict("other", True, tuple(box for box, _ in people), explained=3)
    raw = replace(photo(*people, orientation=orientation), frame="upright")
    assert verify([raw])[0] == Verdict("other", True, tuple(box for box, _ in people), explained=3)


def test_an_upright_photo_has_no_other_frame() -> None:
    people = seats((200, 200), (600, 300))
    assert hypotheses([photo(*people, faces=[person(1000, 800)[1]])]) == ["rule"]


@pytest.mark.parametrize("orientation", [3, 6])
def test_square_photos_tell_by_their_faces(orientation: int) -> None:
    boxes, faces = zip(*seats((200, 210), (640, 300), (400, 700)), strict=True)
    square = PhotoBoxes(tuple(shares(box, 1, (900, 900)) for box in boxes), 900, 900, orientation, faces=faces)
    assert verify([square])[0].hypothesis == "other"
    stored = tuple(shares(box, orientation, (900, 900)) for box in boxes)
    assert verify([replace(square, boxes=stored)])[0] == Verdict("rule", True, boxes, explained=3)


def test_one_face_is_enough_where_the_shape_of_the_box_says_the_same() -> None:
    shown = replace(photo(person(300, 300)), orientation=6)
    assert hypotheses([shown]) == ["other"]
    assert hypotheses([replace(photo(person(300, 300)), orientation=3)]) == [
        "rule"
    ]  # upside down it has no other shape


def test_one_face_is_enough_where_the_rule_is_not_firm() -> None:
    assert hypotheses([replace(photo(person(300, 300)), orientation=3, firm=False)]) == ["other"]


def test_photos_with_one_face_each_prove_the_other_frame_together() -> None:
    places = [(200, 200), (500, 150), (900, 700), (300, 600)]
    folder = [replace(photo(person(*at)), orientation=3) for at in places]
    assert hypotheses(folder) == ["other"] * 4


def test_a_burst_of_one_coincidence_proves_nothing() -> None:
    folder = [replace(photo(person(300 + i, 300)), orientation=3) for i in range(10)]
    assert set(hypotheses(folder)) == {"rule"}


def test_people_seated_like_mirror_images_follow_the_folder() -> None:
    """Upside down, each of the two boxes finds the other one's face: only the other photos can tell."""
    pair = replace(photo(*seats((300, 443), (900, 443))), orientation=3)
    others = [replace(photo(*seats((200 + 90 * i, 200), (700, 300 + 40 * i), seed=i)), orientation=3) for i in range(3)]
    assert hypotheses([pair]) == ["rule"]
    assert hypotheses([pair, *others]) == ["other"] * 4


def test_one_strange_photo_does_not_turn_the_folder() -> None:
    right = [photo(*seats((200 + 90 * i, 200), (700, 300 + 40 * i), seed=i), orientation=3) for i in range(6)]
    pair = photo(*seats((300, 443), (900, 443)), orientation=3)
    strange = replace(photo(*seats((200, 200), (800, 300))), orientation=3)
    assert hypotheses([*right, pair, strange]) == ["rule"] * 7 + ["other"]


# ---- one factor


def exported(random: Random, factor: float, photos: int, orientation: int = 1) -> list[PhotoBoxes]:
    return [
        photo(*random_people(random, random.randint(2, 3)), orientation=orientation, factor=factor)
        for _ in range(photos)
    ]


@unhurried
@given(st.floats(0.4, 0.85), orientations, st.integers(0, 1 << 30))
def test_the_factor_of_a_folder_is_found_within_a_hundredth(factor: float, orientation: int, seed: int) -> None:
    verdicts = verify(exported(Random(seed), factor, 12, orientation))
    found = [verdict for verdict in verdicts if verdict.hypothesis == "scaled"]
    assert len(found) >= 10
    assert found[0].factor == pytest.approx(factor, rel=0.01)
    assert {verdict.factor for verdict in found} == {found[0].factor}


def test_seven_boxes_on_four_photos_divided_by_800_for_1024_are_mended() -> None:
    """The case that was found in a real library, with an edge that left the picture (1.004 of it)."""
    groups = [
        seats((590, 300), (880, 340), (320, 420)),
        seats((610, 520), (420, 260)),
        seats((500, 400)),
        seats((820, 200)),
    ]
    folder = [photo(*people, factor=800 / 1024) for people in groups]
    assert max(box[2] for item in folder for box in item.boxes) > 1
    for verdict, people in zip(verify(folder), groups, strict=True):
        assert (verdict.hypothesis, verdict.verified) == ("scaled", True)
        assert verdict.factor == pytest.approx(800 / 1024, rel=0.01)
        for got, (want, _) in zip(verdict.boxes, people, strict=True):
            assert got is not None
            assert math.dist(got.center, want.center) < 0.1 * want.width


def test_a_factor_is_not_made_of_two_boxes() -> None:
    folder = [photo(*seats((500, 300), (400, 600)), factor=0.6)]
    assert hypotheses(folder) == ["rule"]


def test_a_factor_is_not_made_of_a_burst() -> None:
    folder = [photo(person(600 + i, 400), factor=0.7) for i in range(10)]
    assert set(hypotheses(folder)) == {"rule"}


def test_a_factor_that_most_stray_boxes_do_not_share_is_none() -> None:
    random = Random(5)
    scaled = exported(random, 0.7, 3)
    lost = [photo(*random_people(random, 3), faces=[person(60, 60, 40)[1]]) for _ in range(6)]
    assert hypotheses(scaled) == ["scaled"] * 3
    assert set(hypotheses(scaled + lost)) == {"rule"}


def test_in_a_mixed_folder_only_the_exported_photos_are_rescaled() -> None:
    random = Random(6)
    right = [photo(*random_people(random, 3)) for _ in range(10)]
    near = photo(person(90, 90))  # so near the corner that the factor hardly moves it
    scaled = exported(random, 0.6, 4)
    verdicts = verify([*right, near, *scaled])
    assert [verdict.hypothesis for verdict in verdicts] == ["rule"] * 11 + ["scaled"] * 4
    assert all(verdict.verified for verdict in verdicts)


# ---- a saved crop

CROP = (0.1, 0.2, 0.7, 0.9)


def of_the_original(box: Shares) -> Shares:
    left, top, right, bottom = CROP
    width, height = right - left, bottom - top
    return left + box[0] * width, top + box[1] * height, left + box[2] * width, top + box[3] * height


@pytest.mark.parametrize("orientation", range(1, 9))
def test_numbers_of_the_uncropped_original_are_mapped_through_the_crop(orientation: int) -> None:
    people = seats((200, 210), (640, 300))
    rebased = replace(photo(*people, orientation=orientation), crop=CROP)
    original = replace(rebased, boxes=tuple(map(of_the_original, rebased.boxes)))
    assert verify([rebased])[0] == Verdict("rule", True, tuple(box for box, _ in people), explained=2)
    assert verify([original])[0] == Verdict("crop", True, tuple(box for box, _ in people), explained=2)


def test_who_was_cropped_away_has_no_box() -> None:
    people = seats((200, 210), (640, 300))
    rebased = replace(photo(*people), crop=CROP)
    away = (0.0, 0.0, 0.08, 0.15)
    original = replace(rebased, boxes=(*map(of_the_original, rebased.boxes), away))
    assert verify([original])[0].boxes == (people[0][0], people[1][0], None)


def test_those_who_were_cropped_away_do_not_speak_against_the_crop() -> None:
    portrait = photo(person(500, 420, 300))
    away = [(0.0, 0.0, 0.05, 0.1), (0.8, 0.1, 0.9, 0.19), (0.1, 0.92, 0.3, 1.0)]
    original = replace(portrait, boxes=(*map(of_the_original, portrait.boxes), *away), crop=CROP)
    assert verify([original])[0] == Verdict("crop", True, (person(500, 420, 300)[0], None, None, None), explained=1)


@pytest.mark.parametrize("crop", [(0.5, 0.2, 0.5, 0.9), (0.7, 0.2, 0.1, 0.9), (0.2, 0.2, 0.2 + 1e-12, 0.9)])
def test_a_crop_that_is_none_is_not_used(crop: Shares) -> None:
    lost = replace(photo(*seats((200, 210), (640, 300)), faces=[person(1000, 800)[1]]), crop=crop)
    assert hypotheses([lost]) == ["rule"]


# ---- always

numbers = st.one_of(st.floats(0, 1), st.floats(-3, 3), st.floats())
anything = st.builds(
    PhotoBoxes,
    boxes=st.lists(st.tuples(numbers, numbers, numbers, numbers), max_size=4).map(tuple),
    width=st.integers(1, 3000),
    height=st.integers(1, 3000),
    orientation=st.one_of(st.none(), st.integers(-1, 9)),
    frame=st.sampled_from(["stored", "upright"]),
    firm=st.booleans(),
    faces=st.one_of(
        st.none(),
        st.lists(
            st.builds(
                lambda x, y, side: Box(x, y, x + side, y + side), *[st.integers(0, 2000)] * 2, st.integers(1, 900)
            ),
            max_size=4,
        ).map(tuple),
    ),
    crop=st.one_of(st.none(), st.tuples(numbers, numbers, numbers, numbers)),
)


@unhurried
@given(st.lists(anything, max_size=5))
def test_whatever_the_numbers_each_photo_has_a_verdict_inside_its_picture(folder: list[PhotoBoxes]) -> None:
    verdicts = verify(folder)
    assert len(verdicts) == len(folder)
    for item, verdict in zip(folder, verdicts, strict=True):
        assert len(verdict.boxes) == len(item.boxes)
        assert verdict.explained or not verdict.verified
        assert (verdict.factor < 1) == (verdict.hypothesis == "scaled")
        for box in verdict.boxes:
            assert box is None or (0 <= box.left < box.right <= item.width and 0 <= box.top < box.bottom <= item.height)


@unhurried
@given(st.integers(0, 1 << 30), st.randoms(use_true_random=False))
def test_the_order_of_the_photos_does_not_matter(seed: int, shuffle: Random) -> None:
    random = Random(seed)
    folder = exported(random, 0.7, 3, 6) + exported(random, 1.0, 3, 3)
    folder += [replace(item, orientation=8) for item in exported(random, 1.0, 2)]
    order = shuffle.sample(range(len(folder)), len(folder))
    straight = verify(folder)
    assert verify([folder[i] for i in order]) == [straight[i] for i in order]


def test_a_library_takes_no_time() -> None:
    random = Random(9)
    folders = [exported(random, random.choice([1.0, 1.0, 0.8]), 8, random.choice([1, 3, 6])) for _ in range(100)]
    start = time.process_time()
    for folder in folders:
        verify(folder)
    assert time.process_time() - start < 1.5  # 2,000 boxes; 20,000 take less than a second where nothing else runs


# ---- real ones


def album() -> dict[str, list[tuple[PhotoBoxes, list[int]]]]:
    """The folders of the album as Picasa left them, and to whom each box belongs: an index into the faces, or -1.

    The detections are the true boxes, made square, moved and resized as dlib's network does.
    """
    photos = json.loads((DATA / "album" / "gt.json").read_text(encoding="utf-8"))["photos"]
    random = Random(11)
    folders: dict[str, list[tuple[PhotoBoxes, list[int]]]] = {}
    for ini in sorted((DATA / "album").rglob(".picasa.ini")):
        folder = str(ini.parent.relative_to(DATA / "album"))
        for name, line in re.findall(r"^\[(.*)\]\nfaces=(.*)$", ini.read_text(encoding="utf-8"), re.MULTILINE):
            truth = photos[f"{folder}/{name}"]
            width, height = truth["size_upright"]
            tagged = [number for number, face in enumerate(truth["faces"]) if face.get("picasa")]
            regions = re.findall(r"rect64\((\w+)\),(\w+)", line)
            named = iter(tagged)  # the inis hold the tagged faces in their order, strangers between them
            owners = [-1 if contact == "f" * 16 else next(named) for _, contact in regions]
            assert next(named, None) is None
            seen = tuple(detected(face["box"], random) for face in truth["faces"])
            boxes = tuple(decoded(int(rectangle, 16)) for rectangle, _ in regions)
            item = PhotoBoxes(boxes, width, height, truth["orientation"], frame_of_file(name), faces=seen)
            folders.setdefault(folder, []).append((item, owners))
    return folders


def decoded(number: int) -> Shares:
    left, top, right, bottom = ((number >> shift & 0xFFFF) / 0xFFFF for shift in (48, 32, 16, 0))
    return left, top, right, bottom


def detected(true: Sequence[float], random: Random) -> Box:
    left, top, right, bottom = true
    side = math.sqrt((right - left) * (bottom - top)) * random.uniform(0.75, 1.1)
    x = (left + right) / 2 + random.gauss(-0.03, 0.03) * side
    y = (top + bottom) / 2 + random.gauss(0.0, 0.03) * side
    return Box(round(x - side / 2), round(y - side / 2), round(x + side / 2), round(y + side / 2))


def as_it_is(item: PhotoBoxes) -> PhotoBoxes:
    return item


def wrong_frame(item: PhotoBoxes) -> PhotoBoxes:
    return replace(item, frame="upright")


def wrong_size(item: PhotoBoxes) -> PhotoBoxes:
    return replace(item, boxes=tuple(times(box, 1024 / 800) for box in item.boxes))


def not_rebased(item: PhotoBoxes) -> PhotoBoxes:
    return replace(item, boxes=tuple(map(of_the_original, item.boxes)), crop=CROP)


@needs("album")
@pytest.mark.parametrize("change", [as_it_is, wrong_frame, wrong_size, not_rebased])
def test_every_tagged_face_of_the_album_is_found_whatever_was_done_to_the_numbers(change: Change) -> None:
    tagged = 0
    for folder in album().values():
        verdicts = verify([change(item) for item, _ in folder])
        for (item, owners), verdict in zip(folder, verdicts, strict=True):
            assert verdict.verified
            pairs = join([box or Box(0, 0, 0, 0) for box in verdict.boxes], item.faces or ())
            found = {box: face for box, face in pairs.items() if owners[box] >= 0}
            assert found == {box: face for box, face in enumerate(owners) if face >= 0}
            tagged += len(found)
            if change is as_it_is:
                assert verdict.hypothesis == "rule"
    assert tagged == 341


# The two faces of the photograph of the Curies, as facelib's detector finds them upright.
MARIE, PIERRE = Box(269, 170, 364, 265), Box(534, 123, 629, 217)


@needs("xmp-regions")
@pytest.mark.parametrize(
    ("sample", "orientation", "hypothesis"),
    [
        ("immich/portrait.jpg", 1, "rule"),
        ("immich/portrait-orientation-6.jpg", 6, "rule"),
        ("skatsubo/input/photo.jpg", 1, "rule"),
        ("skatsubo/images/photo.3.embedded.jpg", 3, "rule"),
        ("skatsubo/images/photo.6.embedded.jpg", 6, "other"),  # the dimensions say upright, the numbers are stored ones
        ("skatsubo/images/photo.8.embedded.jpg", 8, "other"),
        ("skatsubo/images/photo.8.embedded_sidecar.jpg.xmp", 8, "other"),
    ],
)
def test_mwg_regions_lie_on_the_faces_even_where_the_dimensions_mislead(
    sample: str, orientation: int, hypothesis: str
) -> None:
    rows = json.loads((DATA / "xmp-regions" / "regions-expected.json").read_text(encoding="utf-8"))[sample]
    dimensions = next(row["AppliedToDimensions"] for row in rows if "AppliedToDimensions" in row)
    applied = (float(dimensions["w"]), float(dimensions["h"]))
    boxes = {}
    for row in rows:
        if "Area.x" in row:
            x, y, w, h = (float(row[f"Area.{part}"]) for part in "xywh")
            boxes[x - w / 2, y - h / 2, x + w / 2, y + h / 2] = row["Name"]
    regions = PhotoBoxes(
        tuple(boxes),
        840,
        700,
        orientation,
        frame_of_dimensions(applied, (840, 700), orientation),
        False,
        (PIERRE, MARIE),
    )
    verdict = verify([regions])[0]
    assert (verdict.hypothesis, verdict.verified) == (hypothesis, True)
    pairs = join([box for box in verdict.boxes if box], (PIERRE, MARIE))
    assert {list(boxes.values())[box]: face for box, face in pairs.items()} == {"Pierre Curie": 0, "Marie Curie": 1}


@pytest.mark.parametrize(
    ("applied", "size", "orientation", "expected"),
    [
        ((4000, 3000), (3000, 4000), 6, "stored"),
        ((3000, 4000), (3000, 4000), 6, "upright"),
        ((800, 600), (3000, 4000), 8, "stored"),  # of a smaller copy
        ((4000, 3000), (4000, 3000), 3, "stored"),  # cannot tell
        ((3000, 3000), (3000, 4000), 6, "stored"),
        ((4000, 3000), (3000, 3000), 6, "stored"),
        (None, (3000, 4000), 6, "stored"),
        ((3000, 4000), (3000, 4000), None, "stored"),
    ],
)
def test_the_dimensions_of_mwg_tell_the_frame_where_they_can(
    applied: tuple[float, float] | None, size: tuple[int, int], orientation: int | None, expected: str
) -> None:
    assert frame_of_dimensions(applied, size, orientation) == expected
