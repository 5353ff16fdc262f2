"""What reading and writing Picasa's rectangles promises: no edge moves by a pixel, and edges outside come back."""

from __future__ import annotations

import doctest
import random

import pytest
from conftest import DATA, needs
from hypothesis import assume, example, given
from hypothesis import strategies as st

from facelib.picasa import ini, rect64
from facelib.picasa.rect64 import WHOLE, Region

u64 = st.integers(0, 2**64 - 1)
edges = st.integers(0, WHOLE)


def number(left: int, top: int, right: int, bottom: int) -> int:
    return left << 48 | top << 32 | right << 16 | bottom


def pixels(region: Region | None, width: int, height: int) -> tuple[int, int, int, int]:
    assert region is not None
    return (
        round(region.left * width), round(region.top * height),
        round(region.right * width), round(region.bottom * height),
    )  # fmt: skip


# ---- text


@given(u64)
def test_a_number_comes_back_from_its_text_whatever_its_padding_and_case(value: int) -> None:
    text = rect64.to_text(value)
    assert text == text.lower()
    assert text == "0" or text[0] != "0"
    assert rect64.parse(text) == rect64.parse(text.upper()) == rect64.parse(text.zfill(16)) == value


@pytest.mark.parametrize(
    "text",
    ["", "g", "0x12", "1_2", "+12", "-1", " 12", "12\n", "1.5", "rect64(12)", "١٢", "12345678901234567", "00000000000000001"],
)  # fmt: skip
def test_what_is_not_1_to_16_digits_is_no_number(text: str) -> None:
    assert rect64.parse(text) is None


@given(st.text())
def test_no_text_makes_parse_fail(text: str) -> None:
    value = rect64.parse(text)
    assert value is None or 0 <= value < 2**64


def test_short_text_is_padded_before_it_is_cut_into_edges() -> None:
    value = rect64.parse("7c4ff8bf8da")
    assert value == number(0, 0x07C4, 0xFF8B, 0xF8DA)
    assert rect64.decode(value) == Region(0, 0x07C4 / 65535, 0xFF8B / 65535, 0xF8DA / 65535)


def test_the_examples_in_the_module_run() -> None:
    assert doctest.testmod(rect64).attempted > 3
    assert doctest.testmod(rect64).failed == 0


# ---- decoding


def test_ffff_is_exactly_one() -> None:
    assert rect64.decode(number(0, 0, WHOLE, WHOLE)) == Region(0.0, 0.0, 1.0, 1.0)


@given(edges, edges, edges, edges)
def test_a_rectangle_inside_comes_back_as_the_same_number(left: int, top: int, right: int, bottom: int) -> None:
    assume(left < right and top < bottom)
    value = number(left, top, right, bottom)
    region = rect64.decode(value)
    assert region is not None
    assert not region.wrapped
    assert rect64.encode(region.left, region.top, region.right, region.bottom) == value


@given(u64)
@example(number(0xD036, 0x5D70, 0x006C, 0x88F5))
@example(number(WHOLE, 0, 0, WHOLE))
@example(number(0, WHOLE, WHOLE, 0))
def test_every_number_is_a_rectangle_inside_or_none_and_comes_back_before_it_is_clamped(value: int) -> None:
    region, whole = rect64.decode(value), rect64.decode(value, clamp=False)
    left, top, right, bottom = (value >> shift & WHOLE for shift in (48, 32, 16, 0))
    if region is None or whole is None:
        assert region is whole
        assert left == right or top == bottom or (left, right) == (WHOLE, 0) or (top, bottom) == (WHOLE, 0)
        return
    assert 0 <= region.left < region.right <= 1
    assert 0 <= region.top < region.bottom <= 1
    assert region.wrapped == whole.wrapped == (right < left or bottom < top)
    assert rect64.encode(whole.left, whole.top, whole.right, whole.bottom) == value


@pytest.mark.parametrize(
    "flat", [0, 1, number(5, 5, 5, 9), number(5, 9, 8, 9), number(WHOLE, 0, WHOLE, WHOLE), number(WHOLE, 1, 0, 5)]
)
def test_a_rectangle_without_area_is_none(flat: int) -> None:
    assert rect64.decode(flat) is None
    assert rect64.decode(flat, clamp=False) is None


# ---- pixels


def test_the_pixels_of_every_size_up_to_65535_come_back_exactly() -> None:
    draw = random.Random(1)
    for size in range(2, 65536):
        left, right = sorted(draw.sample(range(size + 1), 2))
        top = draw.randrange(size)
        value = rect64.encode(left, top, right, size, size, size)
        assert pixels(rect64.decode(value), size, size) == (left, top, right, size), size


@given(st.integers(1, 65535), st.integers(1, 65535), st.data())
def test_any_box_in_pixels_comes_back_exactly(width: int, height: int, data: st.DataObject) -> None:
    left = data.draw(st.integers(0, width - 1))
    top = data.draw(st.integers(0, height - 1))
    right = data.draw(st.integers(left + 1, width))
    bottom = data.draw(st.integers(top + 1, height))
    value = rect64.encode(left, top, right, bottom, width, height)
    assert pixels(rect64.decode(value), width, height) == (left, top, right, bottom)


@pytest.mark.parametrize(
    ("digits", "size", "box"),
    [
        ("dc3369dc570a51e", (800, 600), (43, 128, 617, 387)),  # a crop, saved by Picasa as 574 x 259 pixels
        ("58930000ac8b5acb", (500, 375), (173, 0, 337, 133)),
    ],
)
def test_rectangles_of_the_real_picasa_lie_on_whole_pixels(
    digits: str, size: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    value = rect64.parse(digits)
    assert value is not None
    assert pixels(rect64.decode(value), *size) == box
    assert rect64.to_text(rect64.encode(*box, *size)) == digits


# ---- edges outside the picture


def test_an_edge_beyond_the_right_side_is_where_picasa_had_it() -> None:
    """A real one: in a photograph 600 pixels wide the box ends at pixel 601."""
    value = rect64.parse("d0365d70006c88f5")
    assert value is not None
    region, whole = rect64.decode(value), rect64.decode(value, clamp=False)
    assert region is not None
    assert whole is not None
    assert region.wrapped
    assert region.right == 1.0
    assert round(whole.right * 600) == 601
    assert (region.left, region.top, region.bottom) == (0xD036 / 65535, 0x5D70 / 65535, 0x88F5 / 65535)


@given(st.integers(10, 5000), st.integers(10, 5000), st.data())
def test_a_box_that_passes_one_side_by_less_than_it_shows_inside_is_undone(
    width: int, height: int, data: st.DataObject
) -> None:
    across = data.draw(st.integers(2, width - 1))  # pixels that are seen
    outside = data.draw(st.integers(1, min(across, width - across) - 1 if min(across, width - across) > 1 else 1))
    assume(outside < across and across + outside < width)
    for left, right in ((width - across, width + outside), (-outside, across)):
        value = rect64.encode(left, 1, right, height - 1, width, height)
        region, whole = rect64.decode(value), rect64.decode(value, clamp=False)
        assert region is not None
        assert whole is not None
        assert region.wrapped
        assert pixels(whole, width, height) == (left, 1, right, height - 1)
        assert pixels(region, width, height) == (max(left, 0), 1, min(right, width), height - 1)


def test_top_and_bottom_wrap_like_left_and_right() -> None:
    below = rect64.decode(rect64.encode(10, 80, 20, 105, 100, 100))
    above = rect64.decode(rect64.encode(10, -5, 20, 20, 100, 100))
    assert pixels(below, 100, 100) == (10, 80, 20, 100)
    assert pixels(above, 100, 100) == (10, 0, 20, 20)


def test_of_two_readings_that_show_as_much_the_one_that_was_seen_counts() -> None:
    region = rect64.decode(number(WHOLE - 100, 0, 100, WHOLE))
    assert region == Region((WHOLE - 100) / WHOLE, 0.0, 1.0, 1.0, wrapped=True)


# ---- real files


@needs("album")
def test_the_rectangles_of_an_album_are_written_as_they_were_read() -> None:
    values = [
        face.rect
        for path in DATA.glob("album/*/*/.picasa.ini")
        for entry in ini.read(path.read_bytes()).photos.values()
        for face in entry.faces
    ]
    assert len(values) > 341
    for value in values:
        region = rect64.decode(value)
        assert region is not None
        assert rect64.encode(region.left, region.top, region.right, region.bottom) == value
