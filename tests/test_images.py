"""What opening a photograph promises: upright RGB from every format and mode, and a reason where there is none."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import os
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, needs
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFile, ImageOps

from facelib import images
from facelib.config import ImageOptions
from facelib.errors import PhotoError, PhotoUnavailableError
from facelib.models import PhotoFacts

OPTIONS = ImageOptions()
Pixels = NDArray[np.uint8]

# One colour for each quarter: which of them lies where tells all eight orientations apart.
QUARTERS = ((230, 20, 20), (20, 200, 20), (20, 20, 230), (230, 210, 30))


def quarters(width: int = 96, height: int = 64) -> Image.Image:
    image = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(image)
    for (row, column), colour in zip(itertools.product((0, 1), repeat=2), QUARTERS, strict=True):
        left, top = column * width // 2, row * height // 2
        pen.rectangle((left, top, left + width // 2 - 1, top + height // 2 - 1), fill=colour)
    return image


def turn(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    with io.BytesIO() as stream:
        image.save(stream, form, **options)  # type: ignore[arg-type]
        return stream.getvalue()


# Each format as exact as it can be: how it is saved, and how far a colour may be off.
EXACT: dict[str, tuple[dict[str, object], int]] = {
    "JPEG": ({"quality": 98, "subsampling": 0}, 12),
    "PNG": ({}, 0),
    "WEBP": ({"lossless": True}, 0),
    "TIFF": ({"compression": "tiff_lzw"}, 0),
    "GIF": ({}, 0),
    "BMP": ({}, 0),
    "HEIF": ({"quality": 98, "chroma": 444}, 12),
    "AVIF": ({"quality": 98, "subsampling": "4:4:4"}, 12),
}
TURNED = ("JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF")  # the formats that carry EXIF


def opened(path: Path, longest: int = 10_000, options: ImageOptions = OPTIONS) -> tuple[Pixels, PhotoFacts]:
    with images.open_photo(str(path), options) as source:
        pixels = source.shrunk(longest)
        return pixels, source.facts


def refused(path: Path, options: ImageOptions = OPTIONS, longest: int = 1200) -> str:
    """The reason why a photograph cannot be read."""
    with pytest.raises(PhotoError) as caught, images.open_photo(str(path), options) as source:
        source.shrunk(longest)
    assert type(caught.value) is PhotoError  # it is the photograph's fault, not the disk's
    return str(caught.value)


def centres(pixels: Pixels) -> list[tuple[int, ...]]:
    """The colours in the middle of the four quarters."""
    height, width = pixels.shape[:2]
    return [tuple(map(int, pixels[y, x])) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]


def assert_looks_like(pixels: Pixels, expected: Image.Image, tolerance: int = 0) -> None:
    assert pixels.dtype == np.uint8
    assert pixels.shape == (expected.height, expected.width, 3)
    found, wanted = np.array(centres(pixels)), np.array(centres(np.array(expected.convert("RGB"))))
    assert np.abs(found - wanted).max() <= tolerance, (found, wanted)


# ---- formats and orientations


@pytest.mark.parametrize("form", EXACT)
def test_every_format_gives_its_pixels_and_its_name(tmp_path: Path, form: str) -> None:
    options, tolerance = EXACT[form]
    path = tmp_path / "photo"  # the name says nothing
    path.write_bytes(saved(quarters(), form, **options))
    pixels, facts = opened(path)
    assert_looks_like(pixels, quarters(), tolerance)
    assert (facts.width, facts.height, facts.orientation, facts.format) == (96, 64, 1, form)
    assert (facts.taken_at, facts.camera, facts.latitude, facts.longitude, facts.warning) == (None,) * 5


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", TURNED)
def test_every_format_is_turned_upright(tmp_path: Path, form: str, orientation: int) -> None:
    options, tolerance = EXACT[form]
    path = tmp_path / "photo.jpg"
    path.write_bytes(saved(quarters(), form, exif=turn(orientation), **options))
    stored = quarters()
    stored.info["exif"] = turn(orientation).tobytes()
    expected = ImageOps.exif_transpose(stored)
    pixels, facts = opened(path)
    assert_looks_like(pixels, expected, tolerance)
    assert (facts.width, facts.height) == expected.size
    assert facts.orientation == orientation


@pytest.mark.parametrize("orientation", [0, 9, 99])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF"])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path: Path, form: str, orientation: int) -> None:
    options, tolerance = EXACT[form]
    path = tmp_path / "photo"
    if form == "TIFF":
        options = {}  # libtiff, which compresses, refuses to write it
    path.write_bytes(saved(quarters(), form, exif=turn(orientation), **options))
    pixels, facts = opened(path)
    assert_looks_like(pixels, quarters(), tolerance)
    assert facts.orientation == 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "tiff_adobe_deflate", "jpeg"])
def test_a_shrunk_tiff_is_turned_once(tmp_path: Path, compression: str | None, orientation: int) -> None:
    path = tmp_path / "photo.tif"
    path.write_bytes(saved(quarters(), "TIFF", exif=turn(orientation), compression=compression))
    stored = quarters()
    stored.info["exif"] = turn(orientation).tobytes()
    expected = ImageOps.exif_transpose(stored).resize(
        (24, 16) if orientation < 5 else (16, 24), Image.Resampling.NEAREST
    )
    assert_looks_like(opened(path, 24)[0], expected, 12)


def with_turn(data: bytes, turns: int) -> bytes:
    """A HEIC with the container's own rotation (ISO 23008-12, 6.5.10): an irot property, and the item associated with it.

    The boxes are taken apart and put together again; offsets into the media data move along.
    """
    boxes = _boxes(data)
    meta = next(body for kind, body in boxes if kind == b"meta")
    parts = dict(_boxes(meta[4:]))
    iprp = dict(_boxes(parts[b"iprp"]))
    properties = _boxes(iprp[b"ipco"]) + [(b"irot", bytes([turns]))]
    version_flags, count = iprp[b"ipma"][:4], struct.unpack(">I", iprp[b"ipma"][4:8])[0]
    assert version_flags == bytes(4)
    assert count == 1
    item, associations = iprp[b"ipma"][8:10], iprp[b"ipma"][11:]
    assert len(associations) == iprp[b"ipma"][10]  # of one byte each
    new_associations = associations + bytes([0x80 | len(properties)])  # essential, the last property
    ipma = version_flags + struct.pack(">I", 1) + item + bytes([len(new_associations)]) + new_associations
    new_iprp = _box(b"ipco", b"".join(itertools.starmap(_box, properties))) + _box(b"ipma", ipma)
    grown = len(new_iprp) - len(parts[b"iprp"])
    new_parts = []
    for kind, body in _boxes(meta[4:]):
        new_parts.append(_box(kind, new_iprp if kind == b"iprp" else _moved(body, grown) if kind == b"iloc" else body))
    new_meta = meta[:4] + b"".join(new_parts)
    return b"".join(_box(kind, new_meta if kind == b"meta" else body) for kind, body in boxes)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def _boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    found = []
    while data:
        size, kind = struct.unpack(">I4s", data[:8])
        found.append((kind, data[8:size]))
        data = data[size:]
    return found


def _moved(iloc: bytes, grown: int) -> bytes:
    """An iloc box whose items lie `grown` bytes further on (ISO 14496-12, 8.11.3)."""
    assert iloc[:6] == bytes([0, 0, 0, 0, 0x44, 0x40]), "not as libheif writes it"
    out = bytearray(iloc)
    for at in range(8, len(iloc), 18):  # item, data reference, base offset, one extent
        base, extents = struct.unpack(">IH", iloc[at + 4 : at + 10])
        assert extents == 1
        out[at + 4 : at + 8] = struct.pack(">I", base + grown)
    return bytes(out)


@pytest.mark.parametrize(("turns", "orientation"), [(1, 8), (2, 3), (3, 6)])
@pytest.mark.parametrize("leftover", [None, 6, 8])
def test_the_turn_of_a_heic_container_counts_and_its_exif_turn_is_a_leftover(
    tmp_path: Path, turns: int, orientation: int, leftover: int | None
) -> None:
    options, tolerance = EXACT["HEIF"]
    carried = {} if leftover is None else {"exif": turn(leftover)}
    data = saved(quarters(), "HEIF", **options, **carried)
    path = tmp_path / "photo.heic"
    path.write_bytes(with_turn(data, turns))
    stored = quarters()
    stored.info["exif"] = turn(orientation).tobytes()
    expected = ImageOps.exif_transpose(stored)
    pixels, facts = opened(path)
    assert_looks_like(pixels, expected, tolerance)
    assert (facts.width, facts.height) == expected.size


@needs("odd/generated")
def test_a_heic_without_a_container_turn_follows_its_exif() -> None:
    upright, _ = opened(DATA / "odd/generated/plain.heic", 200)
    turned, facts = opened(DATA / "odd/generated/orient_6.heic", 200)
    assert facts.orientation == 6
    assert turned.shape == upright.shape
    assert np.abs(turned.astype(int) - upright).mean() < 8


@needs("exif-orientation")
@pytest.mark.parametrize("kind", ["Landscape", "Portrait"])
def test_real_photographs_of_all_orientations_look_alike(kind: str) -> None:
    folder = DATA / "exif-orientation"
    paths = sorted(path for path in folder.rglob("*") if path.name.lower().startswith(f"{kind.lower()}_"))
    assert len(paths) >= 8
    pictures = [opened(path, 120)[0].astype(int) for path in paths]
    small = [np.asarray(Image.fromarray(p.astype(np.uint8)).resize((24, 24))).astype(int) for p in pictures]
    assert {picture.shape[0] < picture.shape[1] for picture in pictures} == {kind == "Landscape"}
    assert max(np.abs(picture - small[0]).mean() for picture in small) < 25  # turned wrongly: 60 and more


# ---- modes


def palette() -> Image.Image:
    return quarters().quantize(4)


def transparent_palette() -> Image.Image:
    image = quarters().quantize(4)
    image.info["transparency"] = image.getpixel((24, 16))
    return image


def with_alpha(value: int) -> Image.Image:
    image = quarters()
    image.putalpha(value)
    return image


@pytest.mark.parametrize(
    ("form", "image"),
    [
        ("PNG", palette()),
        ("GIF", palette()),
        ("TIFF", palette()),
        ("BMP", palette()),
        ("PNG", with_alpha(255)),
        ("TIFF", with_alpha(255)),
        ("WEBP", with_alpha(255)),
    ],
    ids=lambda value: getattr(value, "mode", value),
)
def test_colours_survive_every_mode(tmp_path: Path, form: str, image: Image.Image) -> None:
    path = tmp_path / "photo"
    path.write_bytes(saved(image, form, **({"lossless": True} if form == "WEBP" else {})))
    assert_looks_like(opened(path)[0], quarters())


@pytest.mark.parametrize("alpha", [0, 1, 128])
@pytest.mark.parametrize(("form", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})])
def test_transparency_is_dropped_not_blended(tmp_path: Path, form: str, options: dict[str, object], alpha: int) -> None:
    path = tmp_path / "photo"
    path.write_bytes(saved(with_alpha(alpha), form, **options))
    assert_looks_like(opened(path)[0], quarters())


def test_a_transparent_colour_of_a_palette_keeps_its_colour(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    image = transparent_palette()
    path.write_bytes(saved(image, "PNG", transparency=image.info["transparency"]))
    assert_looks_like(opened(path)[0], quarters())


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_grey_and_black_and_white_become_grey_rgb(tmp_path: Path, form: str, mode: str) -> None:
    path = tmp_path / "photo"
    path.write_bytes(saved(quarters().convert("L").convert(mode), form))
    pixels, _ = opened(path)
    assert pixels.shape == (64, 96, 3)
    assert (pixels == pixels[:, :, :1]).all()
    assert np.abs(pixels.mean(axis=2).mean() - np.asarray(quarters().convert("L")).mean()) < 5


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_shows_the_colours_and_not_their_negative(tmp_path: Path, form: str) -> None:
    path = tmp_path / "photo"
    path.write_bytes(saved(quarters().convert("CMYK"), form))
    assert_looks_like(opened(path)[0], quarters(), 12)


@needs("odd")
@pytest.mark.parametrize("name", ["generated/cmyk.jpg", "generated/rgb16.png", "generated/rgb16.tif", "generated/bmp"])
def test_a_real_photograph_looks_the_same_in_every_mode(name: str) -> None:
    name = name.replace("generated/bmp", "generated/plain.bmp")
    plain, _ = opened(DATA / "odd/generated/orient_1.jpg", 300)
    other, _ = opened(DATA / "odd" / name, 300)
    assert np.abs(plain.astype(int) - other).mean() < 8


def ramp16(top: int = 65535) -> NDArray[np.uint16]:
    return np.linspace(0, top, 256, dtype=np.float64).astype(np.uint16).reshape(1, -1).repeat(8, axis=0)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("top", [65535, 4095, 200])  # the last is a photograph in the dark, not one of 8 bits
def test_sixteen_bit_grey_keeps_its_range(tmp_path: Path, form: str, top: int) -> None:
    path = tmp_path / "photo"
    path.write_bytes(saved(Image.fromarray(ramp16(top)), form))
    row = opened(path)[0][0, :, 0].astype(int)
    assert np.abs(row - np.arange(256) * (top / 65535)).max() <= 1


def sixteen_bit_rgb_png(values: NDArray[np.uint16]) -> bytes:
    """Pillow writes no 16-bit colour: PNG by hand (RFC 2083)."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_sixteen_bit_colour_keeps_its_colours(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(sixteen_bit_rgb_png(np.asarray(quarters()).astype(np.uint16) * 257))
    assert_looks_like(opened(path)[0], quarters(), 1)


@pytest.mark.parametrize("scale", [1.0, 255.0, 65535.0])
def test_floating_point_grey_keeps_its_range_whatever_its_scale(tmp_path: Path, scale: float) -> None:
    path = tmp_path / "photo.tif"
    values = np.linspace(0, 1, 256, dtype=np.float32).reshape(1, -1).repeat(4, axis=0) * np.float32(scale)
    path.write_bytes(saved(Image.fromarray(values), "TIFF"))
    assert np.abs(opened(path)[0][0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_numbers_that_are_none_are_black(tmp_path: Path) -> None:
    path = tmp_path / "photo.tif"
    values = np.full((8, 8), 0.5, np.float32)
    values[0, 0], values[0, 1], values[0, 2] = np.nan, np.inf, -np.inf
    path.write_bytes(saved(Image.fromarray(values), "TIFF"))
    pixels, _ = opened(path)
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[0, 1].tolist() == [255, 255, 255]
    assert pixels[0, 2].tolist() == [0, 0, 0]
    assert pixels[5, 5].tolist() == [127, 127, 127]


# ---- many frames


@pytest.mark.parametrize(
    ("form", "options"),
    [("GIF", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("PNG", {}), ("AVIF", {"quality": 98})],
)
def test_of_many_frames_the_first_is_the_photograph(tmp_path: Path, form: str, options: dict[str, object]) -> None:
    path = tmp_path / "photo"
    rest = [Image.new("RGB", (96, 64), (0, 0, 0)), Image.new("RGB", (96, 64), (255, 255, 255))]
    path.write_bytes(saved(quarters(), form, save_all=True, append_images=rest, **options))
    with Image.open(path) as check:
        assert getattr(check, "n_frames", 1) == 3
    pixels, facts = opened(path)
    assert_looks_like(pixels, quarters(), EXACT[form][1])
    assert facts.format == form


def test_a_multi_picture_jpeg_is_a_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    other = Image.new("RGB", (96, 64), (0, 0, 0))
    path.write_bytes(saved(quarters(), "MPO", save_all=True, append_images=[other], quality=98, subsampling=0))
    with Image.open(path) as check:
        assert check.format == "MPO"
    pixels, facts = opened(path)
    assert_looks_like(pixels, quarters(), 12)
    assert facts.format == "JPEG"


# ---- size


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 900), st.integers(1, 900), st.integers(1, 1000), st.sampled_from(["JPEG", "BMP"]))
def test_shrunk_has_the_longest_side_asked_for_and_the_same_shape(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, longest: int, form: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "shrunk"
    path.write_bytes(saved(Image.new("RGB", (width, height), (90, 90, 90)), form))
    pixels, facts = opened(path, longest)
    assert (facts.width, facts.height) == (width, height)
    factor = min(1, longest / max(width, height))
    assert max(pixels.shape[:2]) == round(max(width, height) * factor)
    # libjpeg rounds the shorter side up when it shrinks, and the rest of the way rounds again.
    assert abs(pixels.shape[1] - max(1, width * factor)) < 2
    assert abs(pixels.shape[0] - max(1, height * factor)) < 2


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 900), st.integers(1, 1000), st.sampled_from(["JPEG", "BMP"]))
@example(94, 48, "JPEG")  # 94 * (48 / 94) is 47.99...
@example(1600, 201, "JPEG")
def test_at_least_is_as_large_as_asked_or_whole(
    tmp_path_factory: pytest.TempPathFactory, side: int, longest: int, form: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "at_least"
    path.write_bytes(saved(Image.new("RGB", (side, side), (90, 90, 90)), form))
    with images.open_photo(str(path), OPTIONS) as source:
        assert max(source.at_least(longest).shape[:2]) >= min(longest, side)


def test_a_jpeg_shrinks_while_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(saved(quarters(1600, 1000), "JPEG"))
    with images.open_photo(str(path), OPTIONS) as source:
        assert source.at_least(200).shape == (125, 200, 3)
    with images.open_photo(str(path), OPTIONS) as source:
        assert source.at_least(250).shape == (250, 400, 3)


def test_a_larger_decode_follows_a_smaller_one_and_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(saved(quarters(1600, 1000), "JPEG", exif=turn(6)))
    with images.open_photo(str(path), OPTIONS) as source:
        assert source.shrunk(200).shape == (200, 125, 3)
        assert source.at_least(700).shape == (800, 500, 3)
        assert source.at_least(100).shape == (800, 500, 3)  # what is there is enough
        assert source.at_least(9999).shape == (1600, 1000, 3)
        assert source.shrunk(200).shape == (200, 125, 3)
        assert (source.facts.width, source.facts.height) == (1000, 1600)


def test_pixels_are_the_callers_own(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(saved(quarters(), "PNG"))
    with images.open_photo(str(path), OPTIONS) as source:
        source.at_least(96)[:] = 0
        assert_looks_like(source.at_least(96), quarters())


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
def test_the_narrowest_pictures_keep_a_pixel(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(saved(Image.new("RGB", size, (1, 2, 3)), "PNG"))
    pixels, facts = opened(path, 100)
    assert (facts.width, facts.height) == size
    assert min(pixels.shape[:2]) == 1
    assert max(pixels.shape[:2]) == min(100, max(size))
    assert (pixels == (1, 2, 3)).all()


# ---- budget


def test_more_pixels_than_the_budget_are_refused_with_the_numbers(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(saved(Image.new("1", (2000, 1500)), "PNG"))
    assert refused(path, ImageOptions(max_megapixels=2.5)) == (
        "2000 x 1500 = 3 megapixels are more than the budget of 2.5 (images.max_megapixels)"
    )
    assert opened(path, 50, ImageOptions(max_megapixels=3))[0].shape == (38, 50, 3)


def test_a_photograph_over_the_budget_still_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(saved(Image.new("1", (2000, 1500)), "PNG", exif=turn(6)))
    with images.open_photo(str(path), ImageOptions(max_megapixels=1)) as source:
        assert (source.facts.width, source.facts.height) == (1500, 2000)


def test_a_large_jpeg_counts_as_what_is_left_of_it(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    path.write_bytes(saved(quarters(4000, 3000), "JPEG"))
    tight = ImageOptions(max_megapixels=1)
    assert opened(path, 900, tight)[0].shape == (675, 900, 3)
    assert "4000 x 3000 = 12 megapixels" in refused(path, tight, 4000)


def test_a_larger_decode_over_the_budget_is_refused_and_the_smaller_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    path.write_bytes(saved(quarters(4000, 3000), "JPEG"))
    with images.open_photo(str(path), ImageOptions(max_megapixels=1)) as source:
        small = source.shrunk(900)
        with pytest.raises(PhotoError, match="more than the budget of 1 "):
            source.at_least(4000)
        assert np.array_equal(source.shrunk(900), small)


@needs("odd")
@pytest.mark.parametrize("name", ["generated/bomb_256MP.png", "collected/pillow/decompression_bomb.gif"])
def test_bombs_are_refused_before_they_are_decoded(name: str) -> None:
    assert refused(DATA / "odd" / name).endswith("are more than the budget of 128 (images.max_megapixels)")


def test_pillows_own_switches_are_left_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.jpg"
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 12_345)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    for content in (saved(quarters(), "JPEG"), saved(quarters(), "JPEG")[:-40], b"nothing at all, and more of it"):
        path.write_bytes(content)
        with contextlib.suppress(PhotoError):
            opened(path)
        assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES) == (12_345, False)


# ---- what is no picture


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\xff", "the file is only 1 bytes long"),
        (b"\xff\xd8", "the file is only 2 bytes long"),
        (bytes(5000), "the file holds nothing but zero bytes"),
        (b"<html><body>404 not found</body></html>", "it is not a picture but text: '<html><body>404 not foun'"),
        (b'{"error": "not found", "code": 404}', 'it is not a picture but text: \'{"error": "not found", "\''),
        (b"this is not an image\nat all", "it is not a picture but text: 'this is not an image'"),
        (b"GIF89a" + bytes(3), "the file is only 9 bytes long"),
        (b"\x89PNG\r\n\x1a\n" + b"\xaa" * 60, "it begins like PNG, but cannot be decoded"),
        (b"\x80\x81" * 40, "it is not a picture in a format that facelib reads"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value,
)
def test_a_file_that_is_no_picture_says_what_it_is(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    assert refused(path) == reason


@pytest.mark.parametrize("form", ["PPM", "TGA", "ICO", "JPEG2000", "EPS"])
def test_pictures_that_are_no_photographs_are_not_opened(tmp_path: Path, form: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(saved(quarters(), form))
    refused(path)


def test_readable_formats_are_all_there() -> None:
    assert set(images.readable_formats()) == {*EXACT}
    assert all(images.readable_formats().values())


# ---- files that are not what they were, or not there


def test_a_file_that_is_what_was_hashed_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(saved(quarters(), "PNG"))
    status = path.stat()
    with images.open_photo(str(path), OPTIONS, status.st_size, status.st_mtime_ns) as source:
        assert source.shrunk(96).shape == (64, 96, 3)


@pytest.mark.parametrize(("more_size", "more_time"), [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_a_file_that_changed_since_it_was_hashed_is_left_alone(tmp_path: Path, more_size: int, more_time: int) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(saved(quarters(), "PNG"))
    status = path.stat()
    expected = status.st_size + more_size, status.st_mtime_ns + more_time
    with (
        pytest.raises(PhotoUnavailableError, match="the file changed since it was hashed"),
        images.open_photo(str(path), OPTIONS, *expected),
    ):
        pass


def test_a_file_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    with (
        pytest.raises(PhotoUnavailableError, match="No such file"),
        images.open_photo(str(tmp_path / "gone.jpg"), OPTIONS),
    ):
        pass


def test_a_disk_that_refuses_is_not_the_photographs_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(saved(quarters(), "PNG"))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with images.open_photo(str(path), OPTIONS) as source:
        monkeypatch.setattr(ImageFile.ImageFile, "load", refuse)
        with pytest.raises(PhotoUnavailableError, match="it cannot be read: Input/output error"):
            source.shrunk(50)


# ---- damage


def noise(width: int = 96, height: int = 64) -> Image.Image:
    """Something that compresses like a photograph."""
    small = np.random.default_rng(7).integers(0, 255, (8, 12, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def described() -> Image.Exif:
    exif = turn(6)
    exif[0x010F], exif[0x0110] = "Maker", "Model 1"
    exif.get_ifd(0x8769)[0x9003] = "2015:03:03 08:14:15"
    return exif


@functools.cache
def whole(name: str) -> bytes:
    image, exif = noise(), described()
    return {
        "JPEG": lambda: saved(image, "JPEG", exif=exif),
        "JPEG progressive": lambda: saved(image, "JPEG", progressive=True),
        "JPEG CMYK": lambda: saved(image.convert("CMYK"), "JPEG"),
        "PNG": lambda: saved(image, "PNG", exif=exif),
        "PNG palette": lambda: saved(image.quantize(64), "PNG"),
        "WebP": lambda: saved(image, "WEBP", exif=exif),
        "WebP lossless": lambda: saved(image, "WEBP", lossless=True),
        "TIFF": lambda: saved(image, "TIFF"),
        "TIFF sideways": lambda: saved(image, "TIFF", exif=exif),
        "TIFF LZW": lambda: saved(image, "TIFF", compression="tiff_lzw"),
        "TIFF JPEG": lambda: saved(image, "TIFF", compression="jpeg"),
        "TIFF fax": lambda: saved(image.convert("1"), "TIFF", compression="group4"),
        "GIF": lambda: saved(image.quantize(64), "GIF"),
        "BMP": lambda: saved(image, "BMP"),
        "HEIC": lambda: saved(image, "HEIF", exif=exif),
        "AVIF": lambda: saved(image, "AVIF", exif=exif),
    }[name]()


FORMS = ("JPEG", "JPEG progressive", "JPEG CMYK", "PNG", "PNG palette", "WebP", "WebP lossless", "TIFF", "TIFF sideways",
         "TIFF LZW", "TIFF JPEG", "TIFF fax", "GIF", "BMP", "HEIC", "AVIF")  # fmt: skip
changes = st.tuples(st.integers(0, 1 << 20), st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))


@contextlib.contextmanager
def quiet_terminal() -> Iterator[None]:
    """libtiff prints to stderr; what Python would print there is an error here (pyproject's filterwarnings)."""
    with open(os.devnull, "wb") as nowhere:
        keep = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(keep, 2)
            os.close(keep)


def read_if_possible(data: bytes, folder: Path) -> None:
    """Read a file as a worker does: pixels and facts that fit each other, or a reason."""
    path = folder / "damaged"
    path.write_bytes(data)
    options = ImageOptions(max_megapixels=20)
    refusal: PhotoError | None = None
    try:
        with quiet_terminal(), images.open_photo(str(path), options) as source:
            small, large, facts = source.shrunk(40), source.at_least(80), source.facts
    except PhotoError as error:
        refusal = error
    if refusal is not None:
        assert type(refusal) is PhotoError  # it will not be better tomorrow
        assert re.sub("^it is damaged: ", "", str(refusal)).strip()  # there is a reason
        return
    for pixels in (small, large):
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3
        # The pixels have the shape that the facts say, but for rounding (twice where libjpeg shrinks).
        factor = max(pixels.shape[:2]) / max(facts.width, facts.height)
        assert abs(pixels.shape[1] - max(1, facts.width * factor)) < 2
        assert abs(pixels.shape[0] - max(1, facts.height * factor)) < 2
    assert max(small.shape[:2]) <= 40
    assert 1 <= facts.orientation <= 8


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=70, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 1 << 20))
def test_a_file_cut_off_anywhere_is_read_or_refused_with_a_reason(tmp_path: Path, form: str, cut: int) -> None:
    data = whole(form)
    read_if_possible(data[: cut % len(data)], tmp_path)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=110, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=st.lists(changes, min_size=1, max_size=12), head=st.booleans())
def test_a_file_with_wrong_bytes_is_read_or_refused_with_a_reason(
    tmp_path: Path, form: str, changed: list[tuple[int, int]], head: bool
) -> None:
    data = bytearray(whole(form))
    for place, value in changed:
        data[place % (min(len(data), 700) if head else len(data))] = value  # the headers are at the head, mostly
    read_if_possible(bytes(data), tmp_path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.sampled_from([whole(form)[:12] for form in FORMS]), rest=st.binary(max_size=300))
def test_arbitrary_bytes_behind_a_true_beginning_are_refused_with_a_reason(
    tmp_path: Path, start: bytes, rest: bytes
) -> None:
    read_if_possible(start + rest, tmp_path)


@pytest.mark.parametrize("form", ["JPEG", "JPEG progressive", "PNG", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.9, 0.99])
def test_what_is_cut_off_near_its_end_is_shown_with_a_warning(tmp_path: Path, form: str, share: float) -> None:
    path = tmp_path / "photo"
    data = whole(form)
    path.write_bytes(data)
    complete, _ = opened(path, 96)
    path.write_bytes(data[: int(len(data) * share)])
    with quiet_terminal():
        pixels, facts = opened(path, 96)
    assert pixels.shape == complete.shape
    assert facts.warning
    same = (np.abs(pixels.astype(int) - complete).max(axis=2) < 60).mean()
    assert same > 0.7


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_what_is_cut_off_is_turned_upright_all_the_same(tmp_path: Path, form: str, orientation: int) -> None:
    path = tmp_path / "photo"
    options = {"JPEG": {"quality": 98, "subsampling": 0}, "PNG": {"compress_level": 0}, "TIFF": {}}[form]
    data = saved(quarters(192, 128), form, exif=turn(orientation), **options)
    path.write_bytes(data[: int(len(data) * 0.98)])
    stored = quarters(192, 128)
    stored.info["exif"] = turn(orientation).tobytes()
    expected = ImageOps.exif_transpose(stored)
    pixels, facts = opened(path)
    assert facts.warning == "it is cut off"
    assert (facts.width, facts.height) == expected.size
    assert_looks_like(pixels, expected, 12)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_damaged_compressed_tiff_is_turned_once(tmp_path: Path, orientation: int) -> None:
    """Pillow turns what libtiff decodes even when there was an error, and what it decodes itself only when there was none."""
    path = tmp_path / "photo.tif"
    data = bytearray(saved(noise(512, 512), "TIFF", exif=turn(orientation), compression="tiff_adobe_deflate"))
    path.write_bytes(data)
    complete, _ = opened(path)
    directory = struct.unpack("<I", data[4:8])[0]
    data[directory * 9 // 10] ^= 0xFF
    path.write_bytes(data)
    pixels, facts = opened(path)
    assert facts.warning == "it is damaged (decoder error -2)"
    assert (np.abs(pixels.astype(int) - complete).max(axis=2) < 40).mean() > 0.6


@pytest.mark.parametrize("form", ["TIFF", "TIFF fax", "TIFF JPEG", "TIFF LZW"])
def test_a_warning_of_pillow_never_reaches_the_terminal(tmp_path: Path, form: str) -> None:
    """A directory entry that announces more than there is: Pillow warns of it again when it loads the pixels."""
    path = tmp_path / "photo.tif"
    data = bytearray(whole(form))
    directory = struct.unpack("<I", data[4:8])[0]
    entry = data.index(b"\x16\x01", directory)  # RowsPerStrip
    data[entry + 4 : entry + 8] = struct.pack("<I", 100_000)
    path.write_bytes(data)
    with warnings.catch_warnings(record=True) as said, quiet_terminal(), contextlib.suppress(PhotoError):
        warnings.simplefilter("always")
        opened(path)
    assert [str(one.message) for one in said] == []


def test_a_picture_cut_off_before_its_first_row_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    data = whole("PNG")
    path.write_bytes(data[: data.index(b"IDAT") + 8])
    assert refused(path) == "it is cut off, and nothing of it can be shown"


@pytest.mark.parametrize(
    "block",
    [
        b"Exif\0\0",
        b"Exif\0\0MM",
        b"Exif\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        # What the reader of EXIF takes for a HEIC file:
        b"Exif\0\0....ftypheic",
        b"Exif\0\0....ftypheic" + bytes(8),
        b"Exif\0\0\0\0\0\x10ftypheic\0\0\0\0\0\0\0\0\0\0\0\x08",
    ],
)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_damaged_exif_costs_no_pixels(tmp_path: Path, form: str, block: bytes) -> None:
    options, tolerance = EXACT[form]
    path = tmp_path / "photo"
    path.write_bytes(saved(quarters(), form, exif=block, **options))
    pixels, facts = opened(path)
    assert_looks_like(pixels, quarters(), tolerance)
    assert facts.orientation == 1


@needs("odd")
def test_no_collected_file_does_more_than_be_refused() -> None:
    folder = DATA / "odd"
    read = 0
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with quiet_terminal(), contextlib.suppress(PhotoError):
                opened(path, 60)
                read += 1
    assert read > 60
