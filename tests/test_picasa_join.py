"""What joining promises: an imported box finds its detected face, whoever drew it, or none."""

from __future__ import annotations

import json
from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facelib.geometry import overlap
from facelib.models import Box
from facelib.picasa.join import fit, join, same_region
from tests.conftest import DATA, needs


def picasa_box(face: Box) -> Box:
    """The box that Picasa draws around a detection: margins of 0.21, 0.20, 0.18 and 0.10 of the whole."""
    width, height = face.width / (1 - 0.21 - 0.18), face.height / (1 - 0.20 - 0.10)
    left, top = face.left - 0.21 * width, face.top - 0.20 * height
    return Box(round(left), round(top), round(left + width), round(top + height))


def square(x: float, y: float, side: float) -> Box:
    return Box(round(x - side / 2), round(y - side / 2), round(x + side / 2), round(y + side / 2))


@st.composite
def rectangles(draw: st.DrawFn, room: int = 300) -> Box:
    left, top = draw(st.integers(0, room)), draw(st.integers(0, room))
    return Box(left, top, left + draw(st.integers(20, 160)), top + draw(st.integers(20, 160)))


unhurried = settings(deadline=None)  # the first contest imports scipy
crowds = st.lists(rectangles(), max_size=6)
small_crowds = st.lists(rectangles(60), max_size=4)

FACE = Box(400, 300, 460, 370)


# ---- one box, one face


def test_a_picasa_box_finds_the_face_that_it_overlaps_by_less_than_half() -> None:
    box = picasa_box(FACE)
    assert overlap(box, FACE) < 0.5
    assert join([box], [Box(0, 0, 60, 70), FACE]) == {0: 1}


@pytest.mark.parametrize(("across", "down"), [(0.24, 0), (-0.24, 0), (0, 0.24), (0, -0.24), (0.2, 0.2)])
def test_a_detection_in_the_middle_half_of_the_box_is_its_face(across: float, down: float) -> None:
    assert join([Box(0, 0, 1000, 1200)], [square(500 + across * 1000, 600 + down * 1200, 600)]) == {0: 0}


@pytest.mark.parametrize(("across", "down"), [(0.26, 0), (-0.26, 0), (0, 0.26), (0, -0.26)])
def test_a_detection_beside_the_middle_half_is_another_face(across: float, down: float) -> None:
    assert join([Box(0, 0, 1000, 1200)], [square(500 + across * 1000, 600 + down * 1200, 600)]) == {}


@pytest.mark.parametrize(("side", "expected"), [(200, {}), (260, {0: 0}), (1000, {0: 0}), (2400, {0: 0}), (2600, {})])
def test_a_detection_much_smaller_or_larger_than_the_box_is_not_its_face(side: int, expected: dict[int, int]) -> None:
    assert join([Box(0, 0, 1000, 1000)], [square(500, 500, side)]) == expected


@pytest.mark.parametrize(
    "drawn",
    [
        Box(405, 312, 452, 366),  # around eyes, nose and mouth
        Box(396, 296, 464, 374),  # as tight as the detector's
        Box(330, 250, 530, 420),  # by hand, wide
        Box(385, 240, 475, 460),  # by hand, high, with the neck
        Box(405, 285, 500, 395),  # by hand, carelessly
    ],
)
def test_boxes_of_other_programs_and_hands_find_their_face(drawn: Box) -> None:
    assert join([drawn], [FACE, Box(480, 300, 540, 370)]) == {0: 0}


def test_a_box_within_the_detection_need_only_be_in_its_middle() -> None:
    eye = Box(404, 318, 436, 346)
    assert FACE.center[0] > eye.right - eye.width / 4  # not the other way round
    assert join([eye], [FACE]) == {0: 0}


@pytest.mark.parametrize("empty", [Box(5, 5, 5, 9), Box(5, 5, 5, 5), Box(9, 5, 5, 9)])
def test_a_box_without_area_is_nobodys(empty: Box) -> None:
    assert join([empty], [Box(0, 0, 10, 10), empty]) == {}
    assert join([Box(0, 0, 10, 10)], [empty]) == {}


def test_nothing_is_joined_with_nothing() -> None:
    assert join([], []) == join([FACE], []) == join([], [FACE]) == {}


# ---- several


def test_people_cheek_to_cheek_keep_their_faces_though_the_boxes_overlap() -> None:
    left, right = square(430, 335, 60), square(480, 330, 62)
    boxes = [picasa_box(right), picasa_box(left)]
    assert overlap(*boxes) > 0.25
    assert join(boxes, [left, right]) == {0: 1, 1: 0}


def test_the_best_pair_does_not_rob_another_box_of_its_only_face() -> None:
    boxes = [Box(0, 0, 100, 100), Box(20, 0, 120, 100)]
    faces = [square(64, 50, 60), square(86, 50, 60)]
    assert fit(boxes[1], faces[0]) > fit(boxes[0], faces[0])  # best first would take this, and leave box 0 alone
    assert fit(boxes[1], faces[0]) > fit(boxes[1], faces[1])
    assert join(boxes, faces) == {0: 0, 1: 1}


def test_a_good_pair_is_not_given_up_for_two_bad_ones() -> None:
    boxes = [Box(0, 0, 100, 100), Box(23, 0, 123, 100)]
    faces = [square(50, 50, 60), square(26, 50, 60)]  # box 0 fits face 0 perfectly; 1-0 and 0-1 hardly
    assert join(boxes, faces) == {0: 0}


def test_a_big_box_with_two_detections_is_that_in_its_middle() -> None:
    mother, child = square(500, 480, 300), square(640, 640, 170)
    assert join([Box(250, 180, 780, 830)], [child, mother]) == {0: 1}


def test_a_box_around_two_people_is_neither() -> None:
    assert join([Box(0, 0, 200, 120)], [square(64, 60, 60), square(136, 60, 60)]) == {}


def test_one_face_under_two_detections_is_not_two_people() -> None:
    assert len(join([Box(0, 0, 100, 120)], [square(50, 60, 72), square(50, 60, 86)])) == 1


def test_of_two_boxes_around_one_detection_the_better_has_it() -> None:
    assert join([Box(10, 0, 110, 120), Box(0, 0, 100, 120)], [square(51, 66, 60)]) == {1: 0}


def test_of_two_boxes_on_either_side_of_one_detection_neither_has_it() -> None:
    assert join([Box(0, 0, 100, 120), Box(32, 0, 132, 120)], [square(66, 60, 60)]) == {}


def test_of_the_same_box_twice_the_first_has_the_face() -> None:
    box = picasa_box(FACE)
    assert join([box, box, box], [FACE]) == {0: 0}
    assert join([box, Box(0, 0, 9, 9), box], [square(428, 335, 60), square(436, 337, 64)]).keys() == {0, 2}


@unhurried
@given(crowds, crowds)
def test_one_box_has_one_face_and_one_face_one_box(boxes: list[Box], faces: list[Box]) -> None:
    pairs = join(boxes, faces)
    assert len(set(pairs.values())) == len(pairs)
    assert all(fit(boxes[i], faces[j]) > 0 for i, j in pairs.items())
    assert list(pairs) == sorted(pairs)


@unhurried
@given(crowds, crowds, st.randoms(use_true_random=False))
def test_the_order_of_boxes_and_faces_does_not_matter(boxes: list[Box], faces: list[Box], random: Random) -> None:
    def named(some: list[Box], others: list[Box]) -> list[tuple[str, str]]:
        return sorted((repr(some[i]), repr(others[j])) for i, j in join(some, others).items())

    shuffled, others = random.sample(boxes, len(boxes)), random.sample(faces, len(faces))
    assert named(shuffled, others) == named(boxes, faces)


@settings(unhurried, max_examples=60)
@given(small_crowds, small_crowds)
def test_no_other_way_to_pair_them_fits_better_as_a_whole(boxes: list[Box], faces: list[Box]) -> None:
    ways = [
        {i: j for i, j in enumerate(order) if j is not None and fit(boxes[i], faces[j]) > 0}
        for order in permutations([*range(len(faces)), *[None] * len(boxes)], len(boxes))
    ]

    def total(way: dict[int, int]) -> float:
        return sum(fit(boxes[i], faces[j]) for i, j in way.items())

    pairs = join(boxes, faces)
    best = max(total(way) for way in ways)
    assert max(total(way) for way in ways if pairs.items() <= way.items()) == pytest.approx(best, abs=1e-6)


@needs("group-photos")
def test_in_real_groups_every_picasa_box_finds_its_own_face() -> None:
    random = Random(7)
    photos = json.loads((DATA / "group-photos" / "gt.json").read_text(encoding="utf-8"))["photos"]
    joined = 0
    for photo in photos.values():
        faces = [Box(*map(round, face["box"])) for face in photo["faces"]]
        boxes = [shaken(picasa_box(face), random) for face in faces]
        order = random.sample(range(len(faces)), len(faces))
        pairs = join(boxes, [faces[k] for k in order])
        assert {i: order[j] for i, j in pairs.items()} == {i: i for i in range(len(faces))}
        joined += len(pairs)
    assert joined == 180


def shaken(box: Box, random: Random) -> Box:
    """The box with its edges moved, as between two detectors or by a hand."""
    across, down = ([random.gauss(0, 0.03) * side for _ in range(2)] for side in (box.width, box.height))
    return Box(
        round(box.left + across[0]), round(box.top + down[0]), round(box.right + across[1]), round(box.bottom + down[1])
    )


# ---- the same region twice


def test_the_same_rectangle_from_the_ini_and_from_xmp_is_one_region() -> None:
    assert same_region(Box(143, 105, 278, 300), Box(142, 105, 279, 301))


def test_a_loose_and_a_tight_box_of_one_face_are_one_region() -> None:
    assert same_region(picasa_box(FACE), FACE)


def test_neighbours_cheek_to_cheek_are_two_regions() -> None:
    assert not same_region(picasa_box(square(430, 335, 60)), picasa_box(square(470, 330, 62)))


def test_a_child_in_front_of_its_mother_is_a_region_of_its_own() -> None:
    assert not same_region(Box(250, 180, 780, 830), Box(440, 440, 640, 680))


@given(rectangles(), rectangles())
def test_same_region_is_mutual_and_everything_is_the_same_as_itself(a: Box, b: Box) -> None:
    assert same_region(a, a)
    assert same_region(a, b) == same_region(b, a)


def test_regions_without_area_are_the_same_only_where_they_are_equal() -> None:
    assert same_region(Box(5, 5, 5, 9), Box(5, 5, 5, 9))
    assert not same_region(Box(5, 5, 5, 9), Box(4, 5, 6, 9))
