"""What geometry promises: turning, scaling and pairing lose nothing and invent nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from facelib.geometry import (
    clip_box,
    overlap,
    pair_boxes,
    scale_box,
    scale_points,
    to_stored,
    to_upright,
    upright_size,
)
from facelib.models import Box

ORIENTATIONS = range(1, 9)
orientations = st.sampled_from(ORIENTATIONS)
# Fractions with few binary digits, so that 1 - x is exact and equality may be asked for.
fractions = st.integers(0, 1 << 20).map(lambda n: n / (1 << 20))
points = st.tuples(fractions, fractions)
sides = st.integers(1, 40)


@st.composite
def boxes(draw: st.DrawFn, low: int = -300, high: int = 900) -> Box:
    """A box of at least one pixel, which may pass the edges of a picture."""
    left, top = draw(st.integers(low, high)), draw(st.integers(low, high))
    return Box(left, top, left + draw(st.integers(1, 400)), top + draw(st.integers(1, 400)))


# ---- turning


@given(points, orientations)
def test_to_stored_undoes_to_upright(point: tuple[float, float], orientation: int) -> None:
    assert to_stored(to_upright(point, orientation), orientation) == point
    assert to_upright(to_stored(point, orientation), orientation) == point


@given(points, orientations)
def test_a_turned_point_stays_in_the_picture(point: tuple[float, float], orientation: int) -> None:
    assert all(0 <= part <= 1 for part in to_upright(point, orientation))


def test_the_eight_orientations_are_eight_different_turns() -> None:
    turned = {tuple(to_upright(corner, o) for corner in ((0.0, 0.0), (1.0, 0.0))) for o in ORIENTATIONS}
    assert len(turned) == 8


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@given(width=sides, height=sides, data=st.data())
def test_a_stored_pixel_lies_upright_where_pillow_puts_it(
    orientation: int, width: int, height: int, data: st.DataObject
) -> None:
    stored = Image.fromarray(np.arange(width * height, dtype=np.int32).reshape(height, width))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.info["exif"] = exif.tobytes()
    upright = ImageOps.exif_transpose(stored)
    assert upright.size == upright_size(width, height, orientation)
    column, row = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x, y = to_upright(((column + 0.5) / width, (row + 0.5) / height), orientation)
    assert upright.getpixel((int(x * upright.width), int(y * upright.height))) == row * width + column


@pytest.mark.parametrize("orientation", [0, 9, -1])
def test_a_turn_that_exif_does_not_know_is_a_mistake(orientation: int) -> None:
    with pytest.raises(KeyError):
        to_upright((0.5, 0.5), orientation)


# ---- scaling


@given(boxes(), st.integers(1, 8))
def test_a_box_scaled_up_by_a_whole_number_comes_back(box: Box, factor: int) -> None:
    assert scale_box(scale_box(box, factor, factor), 1 / factor, 1 / factor) == box


@given(boxes(), st.floats(0.05, 20), st.floats(0.05, 20))
def test_a_scaled_box_has_its_edges_within_half_a_pixel(box: Box, x: float, y: float) -> None:
    scaled = scale_box(box, x, y)
    for side, edge, factor in (
        ("left", box.left, x),
        ("right", box.right, x),
        ("top", box.top, y),
        ("bottom", box.bottom, y),
    ):
        assert abs(getattr(scaled, side) - edge * factor) <= 0.5 + 1e-9
        assert isinstance(getattr(scaled, side), int)


@given(st.lists(points, max_size=6), st.floats(0.1, 10), st.floats(0.1, 10))
def test_scaled_points_keep_their_order_and_are_multiplied(some: list[tuple[float, float]], x: float, y: float) -> None:
    assert scale_points(iter(some), x, y) == tuple((px * x, py * y) for px, py in some)


# ---- clipping


@given(boxes(), st.integers(1, 700), st.integers(1, 700))
def test_a_clipped_box_lies_inside_and_has_a_pixel(box: Box, width: int, height: int) -> None:
    clipped = clip_box(box, width, height)
    assert 0 <= clipped.left < clipped.right <= width
    assert 0 <= clipped.top < clipped.bottom <= height
    assert clip_box(clipped, width, height) == clipped


@given(boxes(), st.integers(1, 700), st.integers(1, 700))
def test_clipping_keeps_exactly_what_lies_inside(box: Box, width: int, height: int) -> None:
    inside = Box(max(box.left, 0), max(box.top, 0), min(box.right, width), min(box.bottom, height))
    clipped = clip_box(box, width, height)
    if inside.width > 0 and inside.height > 0:
        assert clipped == inside
    else:
        assert min(clipped.width, clipped.height) == 1  # at the edge that is nearest


# ---- overlap


@given(boxes(), boxes())
def test_overlap_is_symmetric_and_a_share(a: Box, b: Box) -> None:
    assert overlap(a, b) == overlap(b, a)
    assert 0 <= overlap(a, b) <= 1
    assert (overlap(a, b) == 1) == (a == b)


@given(boxes(0, 40), boxes(0, 40))
def test_overlap_is_the_share_of_common_pixels(a: Box, b: Box) -> None:
    def drawn(box: Box) -> np.ndarray:  # type: ignore[type-arg]
        mask = np.zeros((440, 440), bool)
        mask[box.top : box.bottom, box.left : box.right] = True
        return mask

    one, other = drawn(a), drawn(b)
    assert overlap(a, b) == pytest.approx((one & other).sum() / (one | other).sum())


@given(boxes(), st.integers(1, 400))
def test_boxes_that_only_touch_do_not_overlap(box: Box, width: int) -> None:
    beside = Box(box.right, box.top, box.right + width, box.bottom)
    below = Box(box.left, box.bottom, box.right, box.bottom + width)
    assert overlap(box, beside) == overlap(box, below) == 0.0


def test_a_box_without_area_overlaps_nothing() -> None:
    assert overlap(Box(5, 5, 5, 9), Box(0, 0, 10, 10)) == 0.0
    assert overlap(Box(5, 5, 5, 5), Box(5, 5, 5, 5)) == 0.0


# ---- pairing


near_boxes = st.lists(boxes(0, 200), max_size=7)


@given(near_boxes, near_boxes, st.floats(0.01, 1))
def test_pairs_are_one_to_one_and_overlap_enough(old: list[Box], new: list[Box], least: float) -> None:
    pairs = pair_boxes(old, new, least)
    assert len(set(pairs.values())) == len(pairs)
    assert all(overlap(old[i], new[j]) >= least for j, i in pairs.items())


@given(near_boxes, near_boxes, st.floats(0.01, 1))
def test_nothing_that_could_be_paired_is_left_over_or_better_with_another(
    old: list[Box], new: list[Box], least: float
) -> None:
    pairs = pair_boxes(old, new, least)
    partner = {i: j for j, i in pairs.items()}
    for i, a in enumerate(old):
        for j, b in enumerate(new):
            share = overlap(a, b)
            if share >= least and pairs.get(j) != i:
                # One of the two has a partner that overlaps at least as well.
                held = [overlap(old[pairs[j]], b)] if j in pairs else []
                held += [overlap(a, new[partner[i]])] if i in partner else []
                assert held
                assert max(held) >= share


@given(st.lists(boxes(0, 200), max_size=7, unique=True), st.randoms(use_true_random=False))
def test_boxes_that_did_not_move_find_themselves_in_any_order(old: list[Box], random: object) -> None:
    order = list(range(len(old)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert pair_boxes(old, [old[i] for i in order], 0.3) == dict(enumerate(order))


def test_the_best_overlap_is_paired_first() -> None:
    face, near, nearer = Box(0, 0, 100, 100), Box(30, 0, 130, 100), Box(5, 0, 105, 100)
    assert pair_boxes([face], [near, nearer], 0.3) == {1: 0}
    assert pair_boxes([face, near], [nearer], 0.3) == {0: 0}


def test_nothing_is_paired_with_nothing() -> None:
    assert pair_boxes([], [Box(0, 0, 1, 1)], 0.1) == {}
    assert pair_boxes([Box(0, 0, 1, 1)], [], 0.1) == {}
