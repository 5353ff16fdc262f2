"""What reading EXIF promises: facts where the photo states them, nothing where it states nonsense, and never an exception."""

from __future__ import annotations

import io
import struct
from datetime import datetime
from pathlib import Path

import pytest
from conftest import DATA, needs
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from facelib import images
from facelib.config import ImageOptions
from facelib.exif import ExifFacts, read_block, read_stream, to_iso

ORIENTATION, MAKE, MODEL, MODIFIED = 0x0112, 0x010F, 0x0110, 0x0132
PHOTO, PLACE = 0x8769, 0x8825
TAKEN, TAKEN_FRACTION, TAKEN_OFFSET = 0x9003, 0x9291, 0x9011
SCANNED, SCANNED_FRACTION, SCANNED_OFFSET = 0x9004, 0x9292, 0x9012
MODIFIED_FRACTION, MODIFIED_OFFSET = 0x9290, 0x9010


def block(
    main: dict[int, object] | None = None,
    photo: dict[int, object] | None = None,
    place: dict[int, object] | None = None,
) -> bytes:
    exif = Image.Exif()
    exif.update(main or {})
    for number, tags in ((PHOTO, photo), (PLACE, place)):
        if tags:
            exif.get_ifd(number).update(tags)
    return exif.tobytes()


def raw(order: str, *tags: tuple[int, int, int, bytes]) -> bytes:
    """A TIFF header and one directory: (tag, type, count, four bytes of value); for what Pillow refuses to write."""
    mark = {"<": b"II", ">": b"MM"}[order]
    entries = b"".join(struct.pack(order + "HHI", tag, kind, count) + value for tag, kind, count, value in tags)
    return mark + struct.pack(order + "HIH", 42, 8, len(tags)) + entries + bytes(4)


# ---- the block


@pytest.mark.parametrize("nothing", [None, b"", b"Exif\0\0", b"MM", b"II*\0", b"Exif\0\0MM\0*\0\0\0\x08\0\0"])
def test_nothing_says_nothing(nothing: bytes | None) -> None:
    assert read_block(nothing) == ExifFacts()


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_are_read_with_and_without_a_header(order: str) -> None:
    data = raw(order, (ORIENTATION, 3, 1, struct.pack(order + "HH", 6, 0)))
    assert read_block(data).orientation == 6
    assert read_block(b"Exif\0\0" + data).orientation == 6
    assert read_stream(io.BytesIO(data)).orientation == 6


def test_all_facts_of_one_photograph() -> None:
    facts = read_block(
        block(
            {ORIENTATION: 8, MAKE: "Canon", MODEL: "Canon EOS 5D", MODIFIED: "2020:01:01 00:00:00"},
            {TAKEN: "2015:03:03 08:14:15", TAKEN_FRACTION: "25", TAKEN_OFFSET: "+01:00"},
            {1: "S", 2: (33.0, 52.0, 4.5), 3: "W", 4: (70.0, 30.0, 0.0)},
        )
    )
    assert facts == ExifFacts(8, "2015-03-03T08:14:15.25+01:00", "Canon EOS 5D", -33.8679167, -70.5)


# ---- orientation


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_are_kept(orientation: int) -> None:
    assert read_block(block({ORIENTATION: orientation})).orientation == orientation


@pytest.mark.parametrize("orientation", [0, 9, 99, 65535])
def test_orientations_that_do_not_exist_mean_upright(orientation: int) -> None:
    assert read_block(raw("<", (ORIENTATION, 3, 1, struct.pack("<HH", orientation, 0)))).orientation == 1


@pytest.mark.parametrize(
    ("kind", "count", "value"),
    [
        (2, 2, b"6\0\0\0"),  # text
        (5, 1, struct.pack("<I", 4000)),  # a rational number that lies nowhere
        (3, 0, bytes(4)),
        (3, 70_000, struct.pack("<I", 8)),
        (99, 1, struct.pack("<I", 6)),  # no type at all
    ],
)
def test_an_orientation_of_another_type_means_upright(kind: int, count: int, value: bytes) -> None:
    assert read_block(raw("<", (ORIENTATION, kind, count, value))).orientation == 1


# ---- time


def test_the_time_it_was_taken_goes_before_the_others() -> None:
    times = {TAKEN: "2015:03:03 08:14:15", SCANNED: "2016:03:03 08:14:15"}
    modified = {MODIFIED: "2017:03:03 08:14:15"}
    assert read_block(block(modified, times)).taken_at == "2015-03-03T08:14:15"
    del times[TAKEN]
    assert read_block(block(modified, times)).taken_at == "2016-03-03T08:14:15"
    assert read_block(block(modified)).taken_at == "2017-03-03T08:14:15"


def test_a_time_that_is_nonsense_gives_way_to_the_next() -> None:
    times = {TAKEN: "0000:00:00 00:00:00", SCANNED: "2016:02:30 08:14:15"}
    assert read_block(block({MODIFIED: "2017:03:03 08:14:15"}, times)).taken_at == "2017-03-03T08:14:15"
    assert read_block(block(None, times)).taken_at is None


def test_each_time_has_its_own_fraction_and_offset() -> None:
    fractions = {
        TAKEN_FRACTION: "11", SCANNED_FRACTION: "22", MODIFIED_FRACTION: "33",
        TAKEN_OFFSET: "+01:00", SCANNED_OFFSET: "+02:00", MODIFIED_OFFSET: "+03:00",
    }  # fmt: skip
    time = "2015:03:03 08:14:15"
    assert read_block(block(None, {TAKEN: time, **fractions})).taken_at == "2015-03-03T08:14:15.11+01:00"
    assert read_block(block(None, {SCANNED: time, **fractions})).taken_at == "2015-03-03T08:14:15.22+02:00"
    assert read_block(block({MODIFIED: time}, fractions)).taken_at == "2015-03-03T08:14:15.33+03:00"


@pytest.mark.parametrize(
    ("fraction", "offset", "tail"),
    [
        ("25", "+01:00", ".25+01:00"),
        ("007", "-03:30", ".007-03:30"),
        ("123456789012", "+14:00", ".123456789+14:00"),
        ("25", None, ".25"),
        (None, "+00:00", "+00:00"),
        ("", "", ""),
        ("  ", "   :  ", ""),
        ("2x", "+1:00", ""),
        ("-1", "+15:00", ""),
        ("²", "+01:60", ""),
        ("٣", "Z", ""),
    ],
)
def test_fractions_and_offsets_that_are_none_are_left_out(fraction: str | None, offset: str | None, tail: str) -> None:
    assert to_iso("2015:03:03 08:14:15", fraction, offset) == "2015-03-03T08:14:15" + tail


@pytest.mark.parametrize(
    ("written", "iso"),
    [
        ("2015-03-03 08:14:15", "2015-03-03T08:14:15"),
        ("2015/03/03 08:14:15", "2015-03-03T08:14:15"),
        ("2015.03.03 08:14:15", "2015-03-03T08:14:15"),
        ("2015:03:03T08:14:15", "2015-03-03T08:14:15"),
        ("2015:03:03 08:14", "2015-03-03T08:14:00"),
        (" 2015:03:03 08:14:15 ", "2015-03-03T08:14:15"),
        ("2015:03:03 08:14:15 Uhr", "2015-03-03T08:14:15"),
        ("0800:01:01 00:00:00", "0800-01-01T00:00:00"),
    ],
)
def test_times_are_read_as_programs_write_them(written: str, iso: str) -> None:
    assert to_iso(written, None, None) == iso


@pytest.mark.parametrize(
    "written",
    [
        "", " ", "0000:00:00 00:00:00", "    :  :     :  :  ", "2015:13:03 08:14:15", "2015:02:29 08:14:15",
        "2015:03:03 24:00:00", "2015:03:03 08:60:00", "2015:03:03 08:14:60", "2015:03:03", "15:03:03 08:14:15",
        "yesterday", "1425370455", "2015:3:3 8:14:15",
    ],
)  # fmt: skip
def test_times_that_are_nonsense_are_none(written: str) -> None:
    assert to_iso(written, "25", "+01:00") is None


@given(
    st.datetimes(),
    st.none() | st.text("0123456789", min_size=1, max_size=6),
    st.sampled_from([None, "+05:45", "-11:00"]),
)
def test_every_time_comes_back(moment: datetime, fraction: str | None, offset: str | None) -> None:
    moment = moment.replace(microsecond=0)
    written = f"{moment.year:04}:{moment:%m:%d %H:%M:%S}"
    found = to_iso(written, fraction, offset)
    assert found is not None
    read = datetime.fromisoformat(found)
    assert read.replace(microsecond=0, tzinfo=None) == moment
    assert (read.tzinfo is None) == (offset is None)
    assert (f".{fraction}" in found) == (fraction is not None)


@given(st.text(), st.none() | st.text(), st.none() | st.text())
@example("²⁰¹⁵:03:03 08:14:15", None, None)
@example("2015:03:03 08:14:15\n", "²", None)
@example("٢٠١٥:٠٣:٠٣ ٠٨:١٤:١٥", None, None)
def test_whatever_is_written_is_a_time_or_none(date: str, fraction: str | None, offset: str | None) -> None:
    found = to_iso(date, fraction, offset)
    assert found is None or datetime.fromisoformat(found)


# ---- camera


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("NIKON CORPORATION", "NIKON D90", "NIKON D90"),
        ("Apple", "iPhone 7", "Apple iPhone 7"),
        ("Apple", None, "Apple"),
        (None, "iPhone 7", "iPhone 7"),
        ("  SONY  ", "DSC-W55\0\0\0", "SONY DSC-W55"),
        ("Make\nr", "Mo\tdel", "Make r Mo del"),
        ("   ", "   ", None),
        (None, None, None),
    ],
)
def test_the_camera_has_its_maker_once(make: str | None, model: str | None, camera: str | None) -> None:
    tags = {number: value for number, value in ((MAKE, make), (MODEL, model)) if value is not None}
    assert read_block(block(tags)).camera == camera


def test_a_camera_with_a_long_name_is_cut() -> None:
    camera = read_block(block({MODEL: "x" * 5000})).camera
    assert camera == "x" * 200


# ---- place


def place(
    latitude: object, north: str | None, longitude: object, east: str | None
) -> tuple[float | None, float | None]:
    tags = {number: value for number, value in enumerate((north, latitude, east, longitude), 1) if value is not None}
    facts = read_block(block(None, None, tags))
    return facts.latitude, facts.longitude


@pytest.mark.parametrize(
    ("north", "east", "latitude", "longitude"),
    [("N", "E", 52.5043056, 13.3669444), ("S", "W", -52.5043056, -13.3669444), ("N", "W", 52.5043056, -13.3669444)],
)
def test_a_place_is_in_degrees_north_and_east_positive(
    north: str, east: str, latitude: float, longitude: float
) -> None:
    assert place((52.0, 30.0, 15.5), north, (13.0, 22.0, 1.0), east) == (latitude, longitude)


def test_a_place_on_the_equator_or_the_meridian_is_a_place() -> None:
    assert place((0.0, 0.0, 0.0), "N", (13.0, 30.0, 0.0), "E") == (0.0, 13.5)
    assert place((51.0, 30.0, 0.0), "N", (0.0, 0.0, 0.0), "E") == (51.5, 0.0)


def test_a_place_that_is_zero_was_not_found() -> None:
    assert place((0.0, 0.0, 0.0), "N", (0.0, 0.0, 0.0), "E") == (None, None)


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        ((91.0, 0.0, 0.0), (13.0, 0.0, 0.0)),
        ((52.0, 0.0, 0.0), (181.0, 0.0, 0.0)),
        ((52.0, 30.0), (13.0, 22.0)),
        (None, (13.0, 22.0, 1.0)),
        ((52.0, 30.0, 15.5), None),
    ],
)
def test_a_place_that_is_none_is_left_out(latitude: object, longitude: object) -> None:
    assert place(latitude, "N", longitude, "E") == (None, None)


@pytest.mark.parametrize("which", [0, 1, 2, 3, 4, 5])
def test_a_place_with_a_zero_below_is_left_out(which: int) -> None:
    good = block(None, None, {1: "N", 2: (52.0, 30.0, 15.5), 3: "E", 4: (13.0, 22.0, 1.0)})
    data = bytearray(good)
    one = data.index(struct.pack(">IIII", 52, 1, 30, 1))  # the first of six rational numbers
    assert read_block(bytes(data)).latitude == 52.5043056
    data[one + 8 * which + 4 : one + 8 * which + 8] = bytes(4)
    facts = read_block(bytes(data))
    assert (facts.latitude, facts.longitude) == (None, None)


# ---- damage


def described() -> bytes:
    return block(
        {ORIENTATION: 6, MAKE: "Maker", MODEL: "Model 1", MODIFIED: "2015:03:03 08:14:16"},
        {TAKEN: "2015:03:03 08:14:15", TAKEN_FRACTION: "25", TAKEN_OFFSET: "+01:00"},
        {1: "N", 2: (52.0, 30.0, 15.5), 3: "E", 4: (13.0, 22.0, 1.0)},
    )


def assert_sensible(facts: ExifFacts) -> None:
    assert 1 <= facts.orientation <= 8
    assert facts.taken_at is None or datetime.fromisoformat(facts.taken_at)
    assert facts.camera is None or (facts.camera.isprintable() and 1 <= len(facts.camera) <= 401)
    assert (facts.latitude is None) == (facts.longitude is None)
    if facts.latitude is not None and facts.longitude is not None:
        assert -90 <= facts.latitude <= 90
        assert -180 <= facts.longitude <= 180


# The reader of EXIF looks for whole files of these kinds too.
BEGINNINGS = (
    b"", b"Exif\0\0", b"II*\0", b"MM\0*", b"II*\0\x08\0\0\0\x02\0", b"MM\0*\0\0\0\x08\0\x02", b"\xff\xd8\xff\xe1\0\x40Exif\0\0",
    b"\xff\xd8\xff\xe0\0\x10JFIF\0", b"RIFF\x40\0\0\0WEBPVP8X", b"RIFF\x40\0\0\0WEBPEXIF", b"\x89PNG\r\n\x1a\n", b"....ftypheic",
    b"\0\0\0\x10ftypheic\0\0\0\0", b"\0\0\0\x10ftypavif\0\0\0\0", b"....ftypcrx ", b"\0\0\0\x0cJXL \r\n\x87\n",
    b"FUJIFILMCCD-RAW ",
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(BEGINNINGS), st.binary(max_size=120))
@example(b"....ftypheic", b"")
@example(b"\0\0\0\x10ftypheic\0\0\0\0", b"\0\0\0\0\0\0\0\x08")
def test_arbitrary_bytes_never_raise(beginning: bytes, rest: bytes) -> None:
    assert_sensible(read_block(beginning + rest))


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 1 << 12), st.sampled_from([0, 1, 4, 0x7F, 0x80, 0xFF]) | st.integers(0, 255)),
        max_size=10,
    ),
    st.none() | st.integers(0, 1 << 12),
)
def test_a_damaged_block_never_raises(changed: list[tuple[int, int]], cut: int | None) -> None:
    data = bytearray(described())
    for where, value in changed:
        data[where % len(data)] = value
    assert_sensible(read_block(bytes(data[: None if cut is None else cut % len(data)])))


def test_a_directory_that_points_at_itself_ends() -> None:
    loop = raw("<", (ORIENTATION, 3, 1, struct.pack("<HH", 6, 0)))[:-4] + struct.pack("<I", 8)
    assert read_block(loop).orientation == 6
    into = raw("<", (PHOTO, 4, 1, struct.pack("<I", 8)))
    assert_sensible(read_block(into))


def test_damage_is_told() -> None:
    facts = read_block(b"\x89PNG\r\n\x1a\n" + b"\xff" * 30)
    assert facts.warning is not None
    assert facts.warning.startswith("its EXIF is damaged and was not used")


# ---- in files


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_every_format_says_when_where_and_with_what(tmp_path: Path, form: str) -> None:
    exif = Image.Exif()
    exif.load(described())
    path = tmp_path / "photo"
    Image.new("RGB", (64, 48), (200, 10, 10)).save(path, form, exif=exif)
    with images.open_photo(str(path), ImageOptions()) as source:
        facts = source.facts
    assert (facts.orientation, facts.taken_at, facts.camera) == (6, "2015-03-03T08:14:15.25+01:00", "Maker Model 1")
    assert (facts.latitude, facts.longitude, facts.warning) == (52.5043056, 13.3669444, None)


@needs("odd/collected")
@pytest.mark.parametrize(
    ("name", "taken_at", "camera", "latitude", "longitude"),
    [
        ("photoprism/iphone_7.heic", "2018-09-10T12:16:13.023", "Apple iPhone 7", 34.79745, 134.7646333),
        ("pillow/exif_gps_typeerror.jpg", "2010-08-15T13:58:09", None, None, None),
        ("pillow/broken_exif_dpi.jpg", "2013-09-11T16:45:13.90", "NIKON D800", None, None),
        ("pillow/sugarshack.mpo", "2014-03-02T14:17:39", "Nintendo 3DS", None, None),
        ("pillow/invalid-exif.jpg", None, None, None, None),
    ],
)
def test_real_photographs_say_what_they_say(
    name: str, taken_at: str | None, camera: str | None, latitude: float | None, longitude: float | None
) -> None:
    with images.open_photo(str(DATA / "odd/collected" / name), ImageOptions()) as source:
        facts = source.facts
    assert (facts.taken_at, facts.camera, facts.latitude, facts.longitude) == (taken_at, camera, latitude, longitude)
