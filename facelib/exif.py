"""What a photograph's EXIF says: when, with what, where, and which way up (exifread; EXIF 2.32 for the tags).

Nothing here fails: what cannot be read is absent, and `warning` says so.
"""

from __future__ import annotations

import io
import logging
import re
import struct
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

import exifread
from exifread.core.exceptions import ExifError
from exifread.utils import get_gps_coords

# exifread logs what it finds odd; facelib reports per photo and keeps the terminal clean.
logging.getLogger("exifread").addHandler(logging.NullHandler())
logging.getLogger("exifread").propagate = False

# What a parser of hostile bytes raises when it is led astray; anything else is a bug and is shown as one.
_ASTRAY = (
    ExifError, ValueError, TypeError, KeyError, IndexError, AttributeError, struct.error, OverflowError, OSError,
    ArithmeticError, RecursionError, AssertionError, EOFError, NotImplementedError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExifFacts:
    """The tags that facelib keeps; None where the photo does not say."""

    orientation: int = 1
    taken_at: str | None = None  # ISO 8601 local, sub-second and offset where given
    camera: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    warning: str | None = None


def read_block(block: bytes | None) -> ExifFacts:
    """Facts from an EXIF block as JPEG, PNG, WebP, HEIF and AVIF carry it (a TIFF header, with or without `Exif\\0\\0`)."""
    if not block:
        return ExifFacts()
    start = 6 if block.startswith(b"Exif\0\0") else 0
    return read_stream(io.BytesIO(block[start:]))


def read_stream(stream: BinaryIO) -> ExifFacts:
    """Facts from a TIFF file, or anything else with a TIFF header at its beginning."""
    # exifread would go on to look for JPEG, HEIC and others, whose parsers hostile bytes can keep busy for ever.
    stream.seek(0)
    start = stream.read(8)
    if len(start) < 8:
        return ExifFacts()  # as good as none
    if start[:4] not in (b"II*\0", b"MM\0*"):
        return ExifFacts(warning="its EXIF is damaged and was not used (no TIFF header)")
    try:
        tags = exifread.process_file(stream, details=False, extract_thumbnail=False)
    except _ASTRAY as error:
        return ExifFacts(warning=f"its EXIF is damaged and was not used ({type(error).__name__})")
    latitude, longitude = _place(tags)
    return ExifFacts(_orientation(tags), _taken_at(tags), _camera(tags), latitude, longitude)


def _values(tags: dict[str, Any], *names: str) -> Any:
    for name in names:
        tag = tags.get(name)
        values = getattr(tag, "values", None)
        if values not in (None, "", []):
            return values
    return None


def _text(tags: dict[str, Any], *names: str) -> str | None:
    value = _values(tags, *names)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    clean = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    return clean[:200] or None


def _orientation(tags: dict[str, Any]) -> int:
    """1..8; what is missing, 0 or nonsense means 1."""
    value = _values(tags, "Image Orientation")
    first = value[0] if isinstance(value, list) else value
    return first if isinstance(first, int) and 1 <= first <= 8 else 1


_DATES = (
    ("EXIF DateTimeOriginal", "EXIF SubSecTimeOriginal", "EXIF OffsetTimeOriginal"),
    ("EXIF DateTimeDigitized", "EXIF SubSecTimeDigitized", "EXIF OffsetTimeDigitized"),
    ("Image DateTime", "EXIF SubSecTime", "EXIF OffsetTime"),
)


def _taken_at(tags: dict[str, Any]) -> str | None:
    for date, fraction, offset in _DATES:
        text = _text(tags, date)
        found = text and to_iso(text, _text(tags, fraction), _text(tags, offset))
        if found:
            return found
    return None


def to_iso(date: str, fraction: str | None, offset: str | None) -> str | None:
    """ISO 8601 from EXIF's date, sub-second digits and offset; None when the date is none.

    >>> to_iso("2015:03:03 08:14:15", "25", "+01:00")
    '2015-03-03T08:14:15.25+01:00'
    >>> to_iso("0000:00:00 00:00:00", None, None)
    """
    parts = re.fullmatch(r"(\d{4})[:/.-](\d\d)[:/.-](\d\d)[ T](\d\d):(\d\d)(?::(\d\d))?.*", date.strip())
    if parts is None:
        return None
    numbers = [int(part) if part else 0 for part in parts.groups()]
    try:
        moment = datetime(*numbers)  # type: ignore[arg-type]  # the camera's local time
    except ValueError:
        return None
    text = moment.isoformat(timespec="seconds")
    if fraction and fraction.isascii() and fraction.isdigit():
        text += f".{fraction[:9]}"
    if offset and re.fullmatch(r"[+-](0\d|1[0-4]):[0-5]\d", offset):
        text += offset
    return text


def _camera(tags: dict[str, Any]) -> str | None:
    make, model = _text(tags, "Image Make"), _text(tags, "Image Model")
    if make and model:
        return model if model.lower().startswith(make.split()[0].lower()) else f"{make} {model}"
    return model or make


def _place(tags: dict[str, Any]) -> tuple[float | None, float | None]:
    try:
        latitude, longitude = (float(number) for number in get_gps_coords(tags) or ())
    except _ASTRAY:  # absent, or rational numbers with a zero below
        return None, None
    # Exactly 0, 0 is what cameras write that have not found a satellite.
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180) or (latitude, longitude) == (0, 0):
        return None, None
    return round(latitude, 7), round(longitude, 7)
