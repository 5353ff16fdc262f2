"""Finds the XMP packets of a photo without reading its pixels, and the names of the sidecars beside it.

Each walker goes from header to header and reads no more than these and the packets. Lengths are checked against the file's
size before anything is read; how often and how much is read has limits, so hostile files cost a second at most.
"""

from __future__ import annotations

import io
import re
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from facelib.picasa.xmp import LARGEST_PACKET

MOST_READS = 250_000  # of one file; a PNG of 2 GB in chunks of 8 KiB has as many
MOST_BYTES = 4 * LARGEST_PACKET  # read of one file, and unpacked
MOST_PACKETS = 20  # of one file; there is one, with its extension two, and what careless programs leave behind

_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_JUNK = 4096  # bytes that may lie between two segments
_PNG_XMP = b"XML:com.adobe.xmp"
_PNG_PROFILE = b"Raw profile type xmp"  # ImageMagick's: hexadecimal digits
_BMFF_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")  # XMP specification part 3; Canon's CR3 has it
_LARGEST_ILOC = 1 << 20  # bytes of the list of items; a photo in 1,000 tiles has 16,000
_TIFF_XMP = 700
# Bytes of a value by its type: XMP should have 1 or 7, and has others where a program was careless.
_TIFF_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1}


@dataclass(frozen=True, slots=True)
class Packets:
    """The XMP packets of one file, as `xmp.read` takes them."""

    packets: tuple[bytes, ...] = ()  # in the order of the file; a JPEG's extended packet comes last
    problems: tuple[str, ...] = ()  # why there may be more, for a person


def find(stream: BinaryIO) -> Packets:
    """The XMP packets of a JPEG, PNG, TIFF (BigTIFF, DNG, NEF, CR2, ...), WebP, HEIC, AVIF or CR3 file, or of a sidecar.

    The stream must be seekable. Other files have none. A damaged file gives what is found before the damage. Raises only
    what the stream itself raises: OSError.
    """
    file = _File(stream)
    try:
        _walker(file.start(64))(file)
    except _DamagedError as error:
        return Packets(tuple(file.found), (str(error),))
    return Packets(tuple(file.found))


def sidecar_names(photo: str) -> tuple[str, ...]:
    """What the sidecars of a photo are called, as `name_key` has it: with its whole name (digiKam, darktable), and without
    its ending (Adobe).

    >>> sidecar_names("IMG_1.JPG")
    ('img_1.jpg.xmp', 'img_1.xmp')
    """
    stem = photo.rpartition(".")[0]
    return tuple(name_key(f"{name}.xmp") for name in (photo, stem) if name)


def name_key(name: str) -> str:
    """A file name in the form in which names are compared: Windows and macOS take upper and lower case for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def sidecars(photos: Iterable[str], listing: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """For each photo of a folder that has any, its sidecars among the names in `listing`: those with its whole name first.

    IMG_1.xmp is given to IMG_1.jpg and to IMG_1.nef; it says itself to which it belongs (`XmpRegions.sidecar_for`).
    """
    names: dict[str, list[str]] = {}
    for name in sorted(listing):
        if name.lower().endswith(".xmp"):
            names.setdefault(name_key(name), []).append(name)
    beside = {photo: tuple(name for key in sidecar_names(photo) for name in names.get(key, ())) for photo in photos}
    return {photo: found for photo, found in beside.items() if found}


# ------------------------------------------------------------------------------------------------------- reading


class _DamagedError(Exception):
    """The file does not have the form that it announces; the message says where."""


class _File:
    """A stream with its size, which refuses to read beyond its end, too often or too much; and what was found in it."""

    def __init__(self, stream: BinaryIO) -> None:
        self.found: list[bytes] = []
        self._stream = stream
        self.size = stream.seek(0, io.SEEK_END)
        self._reads_left, self._bytes_left = MOST_READS, MOST_BYTES

    def start(self, length: int) -> bytes:
        """The first bytes, as far as there are any."""
        return self.read(0, min(length, self.size))

    def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes."""
        if length < 0 or offset < 0 or offset + length > self.size:
            raise _DamagedError(f"it ends at byte {self.size:,}, before its parts do")
        self._reads_left -= 1
        self.spend(length)
        self._stream.seek(offset)
        data = self._stream.read(length)
        if len(data) != length:
            raise _DamagedError(f"it became shorter while it was read, at byte {offset:,}")
        return data

    def unpack(self, form: str, offset: int) -> tuple[Any, ...]:
        """Numbers and names, as `struct` has them."""
        return struct.unpack(form, self.read(offset, struct.calcsize(form)))

    def read_packet(self, offset: int, length: int) -> bytes:
        """Exactly these bytes, if they are not more than any packet of use has."""
        if length > LARGEST_PACKET:
            raise _DamagedError(f"at byte {offset:,} it announces {length:,} bytes of XMP, which were not read")
        return self.read(offset, length)

    def spend(self, length: int) -> None:
        """Count bytes that are read or unpacked, before they are."""
        self._bytes_left -= length
        if self._reads_left < 0 or self._bytes_left < 0:
            raise _DamagedError("it goes on without end; the rest was not read")

    def keep(self, packet: bytes) -> None:
        """Add a packet to what was found."""
        if len(self.found) == MOST_PACKETS:
            raise _DamagedError(f"it has more than {MOST_PACKETS} packets of XMP; the others were not read")
        if packet:
            self.found.append(packet)


_Walker = Callable[[_File], None]


def _walker(start: bytes) -> _Walker:
    """What looks for packets in a file that starts so."""
    if start.startswith(b"\xff\xd8"):
        return _jpeg
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return _webp
    if start[4:8] == b"ftyp":
        return _bmff
    # 42, BigTIFF's 43, Olympus's ORF and Panasonic's RW2.
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"IIRO", b"IIRS", b"MMOR", b"IIU\0"):
        return _tiff
    text = start.removeprefix(b"\xef\xbb\xbf").removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff").lstrip(b"\0 \t\r\n")
    return _sidecar if text.startswith(b"<") else _nothing


def _sidecar(file: _File) -> None:
    file.keep(file.read_packet(0, file.size))


def _nothing(_file: _File) -> None:
    """Not a file that carries XMP in a way known here."""


# ---------------------------------------------------------------------------------------------------------- JPEG


def _jpeg(file: _File) -> None:
    """APP1 segments before the pixels; what does not fit into one is in segments with a common GUID (XMP part 3, 1.1.3)."""
    extended: dict[bytes, dict[int, bytes]] = {}
    try:
        for offset, length in _app1(file):
            if file.read(offset, min(length, len(_JPEG_XMP))) == _JPEG_XMP:
                file.keep(file.read(offset + len(_JPEG_XMP), length - len(_JPEG_XMP)))
            elif file.read(offset, min(length, len(_JPEG_EXTENSION))) == _JPEG_EXTENSION:
                _keep_piece(file.read(offset + len(_JPEG_EXTENSION), length - len(_JPEG_EXTENSION)), extended)
    finally:
        for packet in _extensions(file.found, extended):
            file.keep(packet)


def _app1(file: _File) -> Iterator[tuple[int, int]]:
    """Offset and length of the content of each APP1 segment before the first scan."""
    offset = 2
    while True:
        lead, marker = file.unpack("BB", offset)
        if lead != 0xFF:  # left over from a careless program; decoders pass it by too
            skipped = file.read(offset, min(_JUNK, file.size - offset)).find(b"\xff")
            if skipped < 0:
                raise _DamagedError(f"no segment begins at byte {offset:,}")
            offset += skipped
        elif marker in (0xDA, 0xD9):  # the pixels; the end
            return
        elif marker == 0xFF:  # padding
            offset += 1
        elif marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:  # these have no content
            offset += 2
        else:
            (length,) = file.unpack(">H", offset + 2)
            if length < 2:
                raise _DamagedError(f"the segment at byte {offset:,} is shorter than its own length")
            if marker == 0xE1:
                yield offset + 4, length - 2
            offset += 2 + length


def _keep_piece(content: bytes, extended: dict[bytes, dict[int, bytes]]) -> None:
    """GUID (32 hex digits), length of the whole, offset of this piece, the piece."""
    if len(content) >= 40:
        _length, offset = struct.unpack(">II", content[32:40])
        extended.setdefault(content[:32].upper(), {})[offset] = content[40:]


def _extensions(found: list[bytes], extended: dict[bytes, dict[int, bytes]]) -> list[bytes]:
    """The extended packets that the packets name, each as far as its pieces join; others are left over from older versions."""
    named = [match[1].upper() for packet in found for match in [_EXTENSION_GUID.search(packet)] if match]
    joined = []
    for pieces in (extended[guid] for guid in dict.fromkeys(named) if guid in extended):
        whole = bytearray()
        while piece := pieces.pop(len(whole), b""):
            whole += piece
        joined.append(bytes(whole))
    return joined


_EXTENSION_GUID = re.compile(rb"HasExtendedXMP[^0-9A-Fa-f]{1,20}([0-9A-Fa-f]{32})")


# ----------------------------------------------------------------------------------------------------------- PNG


def _png(file: _File) -> None:
    """Text chunks, before or after the pixels."""
    offset, kind = 8, b""
    while kind != b"IEND":
        length, kind = file.unpack(">I4s", offset)
        if kind in (b"iTXt", b"zTXt", b"tEXt"):
            keyword = file.read(offset + 8, min(length, len(_PNG_PROFILE) + 1)).partition(b"\0")[0]
            if keyword in (_PNG_XMP, _PNG_PROFILE):
                file.keep(_png_text(kind, file.read_packet(offset + 8, length), file.spend))
        offset += 12 + length


def _png_text(kind: bytes, chunk: bytes, spend: Callable[[int], None]) -> bytes:
    """The packet in a text chunk: keyword, NUL; iTXt: two flags, language, NUL, keyword in it, NUL; zTXt: a flag; the text."""
    keyword, _, rest = chunk.partition(b"\0")
    if kind == b"iTXt":
        packed, text = rest[:1] == b"\1", rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    else:
        packed, text = kind == b"zTXt", rest[kind == b"zTXt" :]
    if packed:
        text = _inflated(text)
        spend(len(text))
    return text if keyword == _PNG_XMP else _profile(text)


def _inflated(data: bytes) -> bytes:
    try:
        text = zlib.decompressobj().decompress(data, LARGEST_PACKET + 1)
    except zlib.error as error:
        raise _DamagedError(f"its compressed XMP is damaged ({error})") from None
    if len(text) > LARGEST_PACKET:
        raise _DamagedError(f"its compressed XMP has more than {LARGEST_PACKET:,} bytes")
    return text


def _profile(text: bytes) -> bytes:
    r"""ImageMagick's: "\nxmp\n", the length in decimal digits, lines of hexadecimal digits."""
    match = re.match(rb"\s*xmp\s+\d+\s", text)
    digits = b"".join(text[match.end() :].split()) if match else b""
    if not digits or not re.fullmatch(rb"(?:[0-9A-Fa-f]{2})+", digits):
        raise _DamagedError("its XMP profile is not in hexadecimal digits")
    return bytes.fromhex(digits.decode("ascii"))


# ---------------------------------------------------------------------------------------------------------- WebP


def _webp(file: _File) -> None:
    """Chunks of RIFF, each padded to an even length."""
    (length,) = file.unpack("<I", 4)
    offset, end = 12, min(file.size, 8 + length)
    while offset + 8 <= end:
        kind, length = file.unpack("<4sI", offset)
        if kind == b"XMP ":
            file.keep(file.read_packet(offset + 8, length))
        offset += 8 + length + length % 2


# ---------------------------------------------------------------------------------------------------------- TIFF


def _tiff(file: _File) -> None:
    """Tag 700 of the first directory; those after it are other pages or previews."""
    start = file.start(16)
    order = "<" if start.startswith(b"II") else ">"
    big = b"+" in start[:4]
    head, entry, width = (8, 20, 8) if big else (2, 12, 4)  # bytes: the count of a directory, its entries, an offset
    if big:
        (directory,) = file.unpack(order + "Q", 8)
        (count,) = file.unpack(order + "Q", directory)
    else:
        (directory,) = file.unpack(order + "I", 4)
        (count,) = file.unpack(order + "H", directory)
    if count > 0xFFFF:
        raise _DamagedError(f"it announces {count:,} tags")
    entries = file.read(directory + head, count * entry)
    for at in range(0, len(entries), entry):
        tag, kind = struct.unpack_from(order + "HH", entries, at)
        if tag == _TIFF_XMP:
            number, place = struct.unpack_from(order + ("QQ" if big else "II"), entries, at + 4)
            length = number * _TIFF_WIDTHS.get(kind, 0)
            within = directory + head + at + entry - width  # values that fit are in the entry itself
            file.keep(file.read_packet(within if length <= width else place, length))


# ------------------------------------------------------------------------------------------- HEIC, AVIF and CR3


def _bmff(file: _File) -> None:
    """Boxes of the ISO base media format (ISO/IEC 14496-12): an XMP box, or an item of type mime in the meta box."""
    for kind, start, end in _boxes(file, 0, file.size):
        if kind == b"uuid" and end - start > 16 and file.read(start, 16) == _BMFF_XMP:
            file.keep(file.read_packet(start + 16, end - start - 16))
        elif kind == b"meta":
            _meta(file, {name: span for name, *span in _boxes(file, start + 4, end)})


def _meta(file: _File, boxes: dict[bytes, list[int]]) -> None:
    """The items of XMP in the boxes of a meta box, given as start and end of their contents."""
    if b"iinf" not in boxes or b"iloc" not in boxes:
        return
    wanted = set(_xmp_items(file, *boxes[b"iinf"]))
    start, end = boxes[b"iloc"]
    if end - start > _LARGEST_ILOC:
        raise _DamagedError(f"its list of items has {end - start:,} bytes")
    for packet in _items(file.read(start, end - start), wanted, file, boxes.get(b"idat", [0])[0]):
        file.keep(packet)


def _boxes(file: _File, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, and where the content starts and ends, of each box."""
    while start + 8 <= end:
        length, head = *file.unpack(">I", start), 8
        kind = file.read(start + 4, 4)
        if length == 1:
            length, head = *file.unpack(">Q", start + 8), 16
        elif length == 0:  # to the end
            length = end - start
        if length < head or start + length > end:
            raise _DamagedError(f"the box at byte {start:,} does not fit")
        yield kind, start + head, start + length
        start += length


def _xmp_items(file: _File, start: int, end: int) -> Iterator[int]:
    """The ids of the items that are XMP, from the box iinf."""
    version = file.read(start, 1)[0]
    for kind, begin, finish in _boxes(file, start + (6 if version == 0 else 8), end):
        if kind == b"infe":
            entry = file.read_packet(begin, finish - begin)
            wide = entry[:1] == b"\3"  # version 3 has ids of 32 bits; 0 and 1 have no types
            at = 8 if wide else 6
            if entry[:1] in (b"\2", b"\3") and entry[at + 2 : at + 6] == b"mime":
                _name, _, rest = entry[at + 6 :].partition(b"\0")
                if rest.partition(b"\0")[0] == b"application/rdf+xml":
                    yield int.from_bytes(entry[4:at], "big")


def _items(iloc: bytes, wanted: set[int], file: _File, data: int) -> Iterator[bytes]:
    """The contents of items from the box iloc; `data` is where the content of the box idat starts."""
    numbers = io.BytesIO(iloc)

    def number(width: int) -> int:
        read = numbers.read(width)
        if len(read) < width:
            raise _DamagedError("its list of items is cut off")
        return int.from_bytes(read, "big")

    version, _flags, sizes = number(1), number(3), number(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    index_size = index_size if version else 0
    for _ in range(number(4 if version == 2 else 2)):
        item = number(4 if version == 2 else 2)
        from_data = bool(version) and number(2) & 15 == 1
        number(2)  # in which file: this one
        base, extents = number(base_size), number(2)
        if item not in wanted:
            numbers.seek(extents * (index_size + offset_size + length_size), io.SEEK_CUR)
            continue
        packet = bytearray()
        for _ in range(extents):
            number(index_size)
            offset, length = number(offset_size), number(length_size)
            packet += file.read_packet((data if from_data else 0) + base + offset, length)
            if len(packet) > LARGEST_PACKET:
                raise _DamagedError(f"an item of XMP has more than {LARGEST_PACKET:,} bytes")
        yield bytes(packet)
