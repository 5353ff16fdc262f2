"""Photographs as pixels: opened once, turned upright, shrunk while decoding. Pillow is used here only.

A picture that is cut off or has damaged places is read as far as it goes, with a warning; what cannot be read raises
`PhotoError` with a reason for a person. The pixel budget is facelib's own and counts what is really decoded.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.Image import Resampling, Transpose

from facelib import exif
from facelib.config import ImageOptions
from facelib.errors import PhotoError, PhotoUnavailableError
from facelib.formats import sniff
from facelib.geometry import upright_size
from facelib.models import PhotoFacts

Image.init()
pillow_heif.register_heif_opener()

RGB = NDArray[np.uint8]
"""Pixels: (height, width, 3), red green blue, 0..255, upright."""

# What Pillow may try. Others (PSD, EPS, ICO, ...) are pictures, but no photographs.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "DIB", "HEIF", "AVIF")  # MPO opens as JPEG

# Pillow raises more than OSError on bad files.
_BROKEN = (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, SyntaxError, struct.error,
           zlib.error, OverflowError, ZeroDivisionError, RuntimeError, NotImplementedError, SystemError)  # fmt: skip

_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


@contextlib.contextmanager
def open_photo(
    path: str, options: ImageOptions, size: int | None = None, mtime_ns: int | None = None
) -> Iterator[Source]:
    """Open a photograph and read what it says about itself; pixels are decoded on demand.

    With `size` and `mtime_ns` the file must still be the one that was hashed, else `PhotoUnavailableError`.
    Raises `PhotoError` with the reason when it is not a picture that facelib reads.
    """
    try:
        stream = open(path, "rb")  # noqa: SIM115 - closed below; opening alone has this error
    except OSError as error:
        raise PhotoUnavailableError(f"the file cannot be opened: {error.strerror}") from error
    with stream:
        now = os.fstat(stream.fileno())
        if (size is not None and now.st_size != size) or (mtime_ns is not None and now.st_mtime_ns != mtime_ns):
            raise PhotoUnavailableError("the file changed since it was hashed")
        with _readable(stream):
            source = Source(stream, options)
        yield source


class Source:
    """An open photograph: its facts, and its pixels at the size that is asked for."""

    def __init__(self, stream: BinaryIO, options: ImageOptions) -> None:
        self._stream = stream
        self._budget = options.max_megapixels * 1e6
        self._largest: Image.Image | None = None  # the largest decode so far, upright RGB
        self._damage: str | None = None
        image = self._open(stream)
        self._turned_by_pillow = image.format == "TIFF"  # Pillow turns TIFF files itself, while loading
        said = exif.read_stream(stream) if image.format == "TIFF" else exif.read_block(image.info.get("exif"))
        self._orientation = said.orientation
        if image.format == "HEIF":
            # libheif has applied the container's own turn, and pillow-heif hides the EXIF one, which then is a leftover
            # (ISO 23008-12, 6.5.10). A container without any turn was made by a program that copied the EXIF of a JPEG.
            left = image.info.get("original_orientation")
            self._orientation = left if left in _TURNS and not _container_turns(stream) else 1
        if self._turned_by_pillow:
            self._width, self._height = image.size
        else:
            self._width, self._height = upright_size(*image.size, self._orientation)
        if self._width < 1 or self._height < 1:
            raise PhotoError("it has no pixels")
        self._exif = said
        self._format = "JPEG" if image.format == "MPO" else str(image.format)

    @property
    def facts(self) -> PhotoFacts:
        """What is known by now; damage shows only once pixels have been decoded."""
        said = self._exif
        words = "; ".join(word for word in (said.warning, self._damage) if word)
        return PhotoFacts(
            width=self._width,
            height=self._height,
            orientation=self._orientation,
            format=self._format,
            taken_at=said.taken_at,
            camera=said.camera,
            latitude=said.latitude,
            longitude=said.longitude,
            warning=words or None,
        )

    def shrunk(self, longest: int, least: int = 1) -> RGB:
        """The upright picture with its longest side at most `longest` pixels, and enlarged to at least `least`."""
        image = self._decoded(longest)
        factor = max(min(1.0, longest / max(image.size)), least / max(image.size))
        # A strip of a few pixels by thousands has no faces, and enlarging a dot gives a blur: four times is enough.
        factor = min(factor, 4.0)
        if factor != 1:
            width, height = (max(1, round(side * factor)) for side in image.size)
            image = image.resize((width, height), Resampling.BILINEAR, reducing_gap=2.0)
        return np.array(image)

    def at_least(self, longest: int) -> RGB:
        """The upright picture with its longest side at least `longest`, or whole: the cheapest decode that is enough."""
        return np.array(self._decoded(longest))

    # --------------------------------------------------------------------------------------------------- decoding

    def _decoded(self, longest: int) -> Image.Image:
        wanted = min(longest, max(self._width, self._height))
        if self._largest is None or max(self._largest.size) < wanted:
            with _readable(self._stream):
                self._largest = self._decode(wanted)
        return self._largest

    def _decode(self, longest: int) -> Image.Image:
        image = self._opened_for(self._stream, longest)
        # Pillow turns what libtiff decodes also after an error, and what it decodes itself only when it reached the end.
        by_libtiff = self._turned_by_pillow and image.tile[0][0] == "libtiff"  # type: ignore[attr-defined]
        whole = self._load(image)
        turned = self._turned_by_pillow and (whole or by_libtiff)
        if not whole and image.format in ("JPEG", "MPO"):
            # libjpeg shows what it has when the picture ends early, if only there is an end.
            endless = self._opened_for(_Ending(self._stream), longest)
            self._load(endless)
            image = endless
        elif not whole:
            image = image.copy()  # the true size, whichever way up it was left
        image = _to_rgb(image)
        if self._damage and image.getextrema() in (((0, 0),) * 3, ((128, 128),) * 3):
            raise PhotoError(f"{self._damage}, and nothing of it can be shown")
        if self._orientation != 1 and not turned:
            image = image.transpose(_TURNS[self._orientation])
        return image

    def _opened_for(self, stream: BinaryIO, longest: int) -> Image.Image:
        """The image, not yet loaded, shrinking as far as its format can while decoding; refused above the budget."""
        image = self._open(stream)
        if image.format in ("JPEG", "MPO"):
            factor = longest / max(image.size)
            if factor < 1:
                image.draft("RGB", (math.ceil(image.width * factor), math.ceil(image.height * factor)))
        width, height = image.size
        if width * height > self._budget:
            raise PhotoError(
                f"{width} x {height} = {width * height / 1e6:.0f} megapixels are more than the budget of "
                f"{self._budget / 1e6:g} (images.max_megapixels)"
            )
        return image

    def _load(self, image: Image.Image) -> bool:
        """Decode as much as there is; False, with the reason kept, when that is not everything."""
        try:
            image.load()
        except MemoryError as error:
            raise PhotoError("there is not enough memory to decode it") from error
        except _BROKEN as error:
            if getattr(image, "_im", None) is None or getattr(error, "errno", None) is not None:
                raise  # not even the frame could be made, or the disk refuses
            self._damage = "it is cut off" if "truncated" in str(error) else f"it is damaged ({error})"
            image.tile = []  # type: ignore[attr-defined]  # keep what has been decoded
            image.load()
            return False
        return True

    @staticmethod
    def _open(stream: BinaryIO) -> Image.Image:
        stream.seek(0)
        # Pillow's limit of pixels is a switch for the whole process, and refuses large JPEGs that shrink while they are
        # decoded. It is lifted for the moment of opening only, and the budget takes its place.
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # "corrupt EXIF data", "possibly corrupt TIFF": facts are read with exifread
                return Image.open(stream, formats=FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = before


class _Ending(io.RawIOBase, BinaryIO):
    """A JPEG that is followed by as many end-of-image markers as anybody wants to read."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._beyond = 0
        stream.seek(0)

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        if len(data) < size and self._beyond < 1 << 20:
            padding = size - len(data)
            self._beyond += padding
            data += (b"\xff\xd9" * (padding // 2 + 1))[:padding]
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode as 8-bit RGB. Transparency is dropped, not blended: what lies below is the photograph."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        finite = values[np.isfinite(values)]
        top = float(finite.max()) if finite.size else 0.0
        # 16-bit files come as I;16, or as I or F with the range of their values; the ranges that are in use are fixed.
        white = next((limit for limit in (1.0, 255.0, 65535.0) if top <= limit), max(top, 1.0))
        if image.mode.startswith("I;16"):
            white = 65535.0
        grey = np.nan_to_num(np.clip(values / white * 255.0, 0, 255)).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.mode == "P" and "transparency" in image.info:
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


@contextlib.contextmanager
def _readable(stream: BinaryIO) -> Iterator[None]:
    """Turn what Pillow raises on bad files into a `PhotoError` with words for a person."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # "possibly corrupt TIFF": what matters becomes the photo's warning or error
            yield
    except PhotoError:
        raise
    except UnidentifiedImageError as error:
        raise PhotoError(_what_it_is(stream)) from error
    except MemoryError as error:
        raise PhotoError("there is not enough memory to decode it") from error
    except Image.DecompressionBombError as error:
        raise PhotoError("it claims more pixels than any camera has") from error
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:  # Pillow's own have none: this is the disk's
            raise PhotoUnavailableError(f"it cannot be read: {error.strerror}") from error
        raise PhotoError(f"it is damaged: {str(error) or type(error).__name__}") from error


def _container_turns(stream: BinaryIO) -> bool:
    """Whether a HEIF container has a rotation (irot) or mirror (imir) property of its own (ISO 14496-12 boxes)."""
    position = 0
    while True:
        stream.seek(position)
        header = stream.read(8)
        if len(header) < 8:
            return False
        size, kind = struct.unpack(">I4s", header)
        if kind == b"meta":
            properties = stream.read(min(size, 1 << 20))
            return b"irot" in properties or b"imir" in properties
        if size < 8:  # to the end of the file, or 64-bit: the media data, which comes after meta
            return False
        position += size


def _what_it_is(stream: BinaryIO) -> str:
    """Why a file is not a picture, from its first bytes."""
    stream.seek(0)
    start = stream.read(64)
    if not start:
        return "the file is empty"
    if len(start) < 16:
        return f"the file is only {len(start)} bytes long"
    if start.strip(b"\0") == b"":
        return "the file holds nothing but zero bytes"
    text = start.lstrip()
    if text[:1] in (b"<", b"{") or (start.isascii() and all(byte >= 32 or byte in b"\t\r\n" for byte in start)):
        shown = start[:24].decode("ascii", "replace").split("\n")[0].strip()
        return f"it is not a picture but text: {shown!r}"
    known = sniff(start)
    if known:
        return f"it begins like {known}, but cannot be decoded"
    return "it is not a picture in a format that facelib reads"


def readable_formats() -> dict[str, bool]:
    """The formats of photographs, and whether this installation can decode them."""
    Image.init()
    return {name: name in Image.OPEN for name in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "HEIF", "AVIF")}
