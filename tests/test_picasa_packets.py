"""What finding XMP promises: the packets of every format that carries them, few reads, no pixels, and never an exception."""

from __future__ import annotations

import hashlib
import io
import struct
import time
import tracemalloc
import zlib
from itertools import pairwise
from typing import Any

import pytest
from conftest import DATA, needs
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, TiffImagePlugin

from facelib.picasa import packets
from facelib.picasa.packets import Packets, find, name_key, sidecar_names, sidecars
from facelib.picasa.xmp import LARGEST_PACKET

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'
PIXELS = Image.effect_noise((320, 200), 60).convert("RGB")
JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
JPEG_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"


def saved(form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    PIXELS.save(stream, form, **options)
    return stream.getvalue()


def found(data: bytes) -> Packets:
    return find(io.BytesIO(data))


class Watched(io.BytesIO):
    """A stream that counts what is read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


# ---- JPEG


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg(*segments: bytes) -> bytes:
    """A JPEG with these segments before all others."""
    plain = saved("JPEG")
    return plain[:2] + b"".join(segments) + plain[2:]


def extension(whole: bytes, *cuts: int, guid: bytes = b"") -> list[bytes]:
    """The segments of an extended packet, cut at these places."""
    guid = guid or hashlib.md5(whole).hexdigest().upper().encode()
    edges = [0, *cuts, len(whole)]
    return [
        segment(0xE1, JPEG_EXTENSION + guid + struct.pack(">II", len(whole), start) + whole[start:end])
        for start, end in pairwise(edges)
    ]


def naming(whole: bytes) -> bytes:
    """A packet that names an extended one."""
    guid = hashlib.md5(whole).hexdigest().upper().encode()
    return XMP.replace(b"<rdf:RDF", b'<rdf:RDF xmpNote:HasExtendedXMP="' + guid + b'"')


def test_a_jpeg_has_its_packet_in_app1() -> None:
    assert found(jpeg(segment(0xE1, JPEG_XMP + XMP))) == Packets((XMP,))
    assert found(saved("JPEG", xmp=XMP)) == Packets((XMP,))
    assert found(saved("JPEG")) == Packets()


def test_exif_in_app1_is_no_xmp() -> None:
    exif = segment(0xE1, b"Exif\0\0II*\0" + bytes(80))
    assert found(jpeg(exif, segment(0xE1, JPEG_XMP + XMP), exif)) == Packets((XMP,))


def test_several_packets_come_in_the_order_of_the_file() -> None:
    assert found(jpeg(*(segment(0xE1, JPEG_XMP + XMP + each) for each in (b"1", b"2")))).packets == (
        XMP + b"1",
        XMP + b"2",
    )


def test_padding_markers_without_content_and_junk_between_segments_are_passed_by() -> None:
    assert found(jpeg(b"\xff\xff\xff", b"\xff\x01", b"\xff\x00", b"junk", segment(0xE1, JPEG_XMP + XMP))) == Packets(
        (XMP,)
    )


def test_an_extended_packet_is_put_together_from_its_pieces_in_any_order() -> None:
    whole = XMP + bytes(range(65, 91)) * 5_000
    pieces = extension(whole, 60_000, 120_000)
    main = segment(0xE1, JPEG_XMP + naming(whole))
    for order in (pieces, pieces[::-1]):
        assert found(jpeg(main, *order)) == Packets((naming(whole), whole))
    assert found(jpeg(*pieces, main)).packets[1] == whole


def test_an_extended_packet_with_a_piece_missing_is_there_as_far_as_it_joins() -> None:
    whole = XMP * 20
    one, _, three = extension(whole, 100, 300)
    assert found(jpeg(segment(0xE1, JPEG_XMP + naming(whole)), one, three)).packets == (naming(whole), whole[:100])


def test_extended_packets_that_no_packet_names_are_left_over_and_not_used() -> None:
    whole, other = XMP * 20, XMP * 21
    segments = [segment(0xE1, JPEG_XMP + naming(whole)), *extension(other, 100), *extension(whole, 200)]
    assert found(jpeg(*segments)).packets == (naming(whole), whole)


def test_a_jpeg_that_is_cut_off_gives_what_was_before_and_says_so() -> None:
    data = jpeg(segment(0xE1, JPEG_XMP + XMP), segment(0xE2, bytes(500)))
    cut = found(data[: 2 + 4 + len(JPEG_XMP) + len(XMP) + 100])
    assert cut.packets == (XMP,)
    assert len(cut.problems) == 1


def test_the_pixels_of_a_jpeg_are_not_read() -> None:
    stream = Watched(jpeg(segment(0xE1, JPEG_XMP + XMP)) + bytes(1_000_000))
    assert find(stream).packets == (XMP,)
    assert stream.taken < 2_000


# ---- PNG


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*chunks: bytes, late: bool = False) -> bytes:
    """A PNG with these chunks after its header, or after its pixels."""
    plain = saved("PNG")
    at = len(plain) - 12 if late else 33
    return plain[:at] + b"".join(chunks) + plain[at:]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_a_png_has_its_packet_in_a_text_chunk_before_or_after_its_pixels(packed: bool, late: bool) -> None:
    text = zlib.compress(XMP) if packed else XMP
    itxt = chunk(b"iTXt", b"XML:com.adobe.xmp\0" + bytes([packed, 0]) + b"en\0xmp\0" + text)
    assert found(png(chunk(b"iTXt", b"XML:other\0\0\0\0\0hello"), itxt, late=late)) == Packets((XMP,))


@pytest.mark.parametrize("packed", [False, True])
def test_pillows_png_is_read(packed: bool) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=packed)
    assert found(saved("PNG", pnginfo=info)) == Packets((XMP,))
    assert found(saved("PNG")) == Packets()


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt"])
def test_imagemagicks_profile_of_hexadecimal_digits_is_read(kind: bytes) -> None:
    digits = XMP.hex()
    text = (
        f"\nxmp\n{len(XMP):8}\n".encode()
        + b"\n".join(digits[i : i + 72].encode() for i in range(0, len(digits), 72))
        + b"\n"
    )
    content = b"\0" + zlib.compress(text) if kind == b"zTXt" else text
    assert found(png(chunk(kind, b"Raw profile type xmp\0" + content))) == Packets((XMP,))
    spoilt = content if kind == b"zTXt" else content.replace(b"3c", b"3x")
    assert len(found(png(chunk(b"tEXt", b"Raw profile type xmp\0" + spoilt))).problems) == 1


def test_the_pixels_of_a_png_are_not_read() -> None:
    data = png(chunk(b"IDAT", bytes(1_000_000)), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP), late=True)
    stream = Watched(data)
    assert find(stream).packets == (XMP,)
    assert stream.taken < 2_000


def test_a_compressed_text_that_is_damaged_is_a_problem() -> None:
    assert "damaged" in found(png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + b"no zlib"))).problems[0]


# ---- WebP


@pytest.mark.parametrize("extra", [b"", b" "])
def test_a_webp_has_its_packet_in_a_chunk_of_even_or_odd_length(extra: bytes) -> None:
    assert found(saved("WEBP", xmp=XMP + extra)) == Packets((XMP + extra,))
    assert found(saved("WEBP")) == Packets()


def test_what_follows_the_riff_is_not_part_of_a_webp() -> None:
    assert found(saved("WEBP") + b"XMP " + struct.pack("<I", 4) + b"abcd") == Packets()


# ---- TIFF


def tiff(order: str, *tags: tuple[int, int, bytes], magic: int = 42, big: bool = False) -> bytes:
    """A TIFF of one directory; (tag, type of one byte each, value)."""
    mark = {"<": b"II", ">": b"MM"}[order]
    form, head, width = ("HHQ", 16, 8) if big else ("HHI", 8, 4)
    start = mark + struct.pack(order + ("HHHQ" if big else "HI"), *((43, 8, 0, head) if big else (magic, head)))
    count = struct.pack(order + ("Q" if big else "H"), len(tags))
    place = head + len(count) + len(tags) * (struct.calcsize("=" + form) + width) + width
    entries, values = b"", b""
    for tag, kind, value in tags:
        far = len(value) > width
        at = struct.pack(order + ("Q" if big else "I"), place + len(values)) if far else value.ljust(width, b"\0")
        entries += struct.pack(order + form, tag, kind, len(value)) + at
        values += value if far else b""
    return start + count + entries + bytes(width) + values


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 7])
def test_a_tiff_has_its_packet_in_tag_700_in_either_byte_order_big_or_not(order: str, big: bool, kind: int) -> None:
    assert found(tiff(order, (271, 2, b"Nikon Corporation\0"), (700, kind, XMP), big=big)) == Packets((XMP,))
    assert found(tiff(order, (700, kind, b"<a/>"), big=big)).packets == (b"<a/>",)  # within the entry
    assert found(tiff(order, (271, 2, b"Nikon\0"), big=big)) == Packets()


@pytest.mark.parametrize(("order", "magic"), [("<", 0x4F52), ("<", 0x5352), (">", 0x4F52), ("<", 0x55)])
def test_raw_files_that_are_tiff_but_for_their_first_bytes_are_read(order: str, magic: int) -> None:
    assert found(tiff(order, (700, 1, XMP), magic=magic)) == Packets((XMP,))


@pytest.mark.parametrize("big", [False, True])
def test_pillows_tiff_is_read(big: bool) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[700] = XMP
    tags.tagtype[700] = 1
    assert found(saved("TIFF", tiffinfo=tags, big_tiff=big)) == Packets((XMP,))


def test_a_packet_counted_in_longs_is_read_whole() -> None:
    data = tiff("<", (700, 4, XMP.ljust(-(-len(XMP) // 4) * 4)))
    data = data.replace(
        struct.pack("<HHI", 700, 4, -(-len(XMP) // 4) * 4), struct.pack("<HHI", 700, 4, -(-len(XMP) // 4))
    )
    assert [packet.strip() for packet in found(data).packets] == [XMP]


# ---- HEIC, AVIF, CR3


@pytest.mark.parametrize("form", ["HEIF", "AVIF"])
def test_heic_and_avif_have_their_packet_in_an_item(form: str) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    assert found(saved(form, xmp=XMP)) == Packets((XMP,))
    assert found(saved(form)).packets == ()


def box(kind: bytes, content: bytes, *, long: bool = False) -> bytes:
    if long:
        return struct.pack(">I4sQ", 1, kind, len(content) + 16) + content
    return struct.pack(">I4s", len(content) + 8, kind) + content


FTYP = box(b"ftyp", b"heic\0\0\0\0")


def infe(version: int, item: int, kind: bytes, content_type: bytes) -> bytes:
    number = struct.pack(">H" if version == 2 else ">I", item)
    return box(b"infe", bytes([version, 0, 0, 0]) + number + b"\0\0" + kind + b"name\0" + content_type + b"\0")


def heif(
    iloc: bytes,
    *,
    version: int = 2,
    idat: bytes = b"",
    content_type: bytes = b"application/rdf+xml",
    before: bytes = b"",
) -> bytes:
    """A file whose item 2 is XMP, of which `iloc` says where it is."""
    entries = infe(version, 1, b"hvc1", b"") + infe(version, 2, b"mime", content_type)
    iinf = box(b"iinf", bytes(4) + struct.pack(">H", 2) + entries)
    return FTYP + before + box(b"meta", bytes(4) + iinf + box(b"iloc", iloc) + box(b"idat", idat))


def test_an_item_may_lie_in_pieces_anywhere_in_the_file() -> None:
    place = len(FTYP) + 8
    other = struct.pack(">HHH", 1, 0, 1) + struct.pack(">II", 0, 1)
    pieces = struct.pack(">HHH", 2, 0, 2) + struct.pack(">IIII", place, 20, place + 20, len(XMP) - 20)
    iloc = bytes([0, 0, 0, 0]) + b"\x44\x00" + struct.pack(">H", 2) + other + pieces
    for content in (heif(iloc, before=box(b"free", XMP)), heif(iloc, before=box(b"free", XMP), version=3)):
        assert found(content) == Packets((XMP,))
    assert found(heif(iloc, before=box(b"free", XMP), content_type=b"text/plain")) == Packets()


def test_an_item_may_lie_within_the_meta_box() -> None:
    where = struct.pack(">IHHQH", 2, 1, 0, 0, 1) + struct.pack(">QIQ", 0, 0, len(XMP))  # index, offset, length
    iloc = (
        bytes([2, 0, 0, 0])
        + b"\x48\x88"
        + struct.pack(">I", 1)
        + where.replace(where[18:], struct.pack(">QIQ", 0, 0, len(XMP)))
    )
    assert found(heif(iloc, idat=XMP)) == Packets((XMP,))


@pytest.mark.parametrize("long", [False, True])
def test_an_xmp_box_is_read_as_in_cr3(long: bool) -> None:
    xmp_id = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
    assert found(FTYP + box(b"free", bytes(20)) + box(b"uuid", xmp_id + XMP, long=long)) == Packets((XMP,))
    assert found(FTYP + box(b"uuid", bytes(16) + XMP)) == Packets()


# ---- sidecars


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\r\n  "])
def test_a_sidecar_is_one_packet(before: bytes) -> None:
    assert found(before + XMP) == Packets((before + XMP,))


def test_a_sidecar_in_utf_16_is_one_packet() -> None:
    for codec in ("utf-16", "utf-16-be"):
        assert found(XMP.decode().encode(codec)).packets == (XMP.decode().encode(codec),)


@pytest.mark.parametrize("data", [b"", b"GIF89a" + bytes(20), b"BM" + bytes(60), b"hello", b"\xff", bytes(1000)])
def test_other_files_have_no_packets_and_no_problems(data: bytes) -> None:
    assert found(data) == Packets()


def test_sidecars_have_the_whole_name_or_the_name_without_its_ending_in_any_case() -> None:
    listing = [
        "IMG_1.JPG",
        "img_1.jpg.XMP",
        "IMG_1.xmp",
        "Img_1.Xmp",
        "IMG_10.xmp",
        "IMG_2.jpg",
        "notes.xmp",
        "IMG_1.jpg.xmp.bak",
    ]
    assert sidecars(["IMG_1.JPG", "IMG_2.jpg"], listing) == {"IMG_1.JPG": ("img_1.jpg.XMP", "IMG_1.xmp", "Img_1.Xmp")}


def test_photos_that_differ_in_their_ending_share_the_sidecar_without_one() -> None:
    listing = ["a.jpg", "a.nef", "a.jpg.xmp", "a.xmp"]
    assert sidecars(["a.jpg", "a.nef"], listing) == {"a.jpg": ("a.jpg.xmp", "a.xmp"), "a.nef": ("a.xmp",)}


def test_accents_written_in_two_ways_are_the_same_name() -> None:
    assert sidecars(["Zoe\u0308.jpg"], ["ZO\u00cb.xmp"]) == {"Zoe\u0308.jpg": ("ZO\u00cb.xmp",)}


@pytest.mark.parametrize(
    ("photo", "names"),
    [("a.b.jpg", ("a.b.jpg.xmp", "a.b.xmp")), ("noending", ("noending.xmp",)), (".jpg", (".jpg.xmp",)),
     ("A\udcff.jpg", ("a\udcff.jpg.xmp", "a\udcff.xmp"))],
)  # fmt: skip
def test_names_of_sidecars(photo: str, names: tuple[str, ...]) -> None:
    assert sidecar_names(photo) == names


@given(st.text(max_size=8))
def test_a_name_key_is_the_same_for_names_that_differ_in_case(name: str) -> None:
    assert name_key(name_key(name)) == name_key(name)
    assert name_key(name) == name_key(name.casefold())


# ---- real files


@needs("xmp-regions")
def test_the_samples_are_found_without_reading_their_pixels() -> None:
    for path in sorted((DATA / "xmp-regions").rglob("*.jpg")):
        stream = Watched(path.read_bytes())
        result = find(stream)
        assert result.problems == ()
        assert stream.taken < sum(map(len, result.packets)) + 1_000
        assert (b"adobe:ns:meta/" in stream.getvalue()) == bool(result.packets)


@needs("odd")
def test_odd_files_are_read_without_an_exception() -> None:
    for path in sorted((DATA / "odd").rglob("*")):
        if path.is_file():
            with path.open("rb") as stream:
                find(stream)


@needs("odd/generated")
def test_a_heic_of_the_wild_has_its_packet() -> None:
    with (DATA / "odd" / "generated" / "plain.heic").open("rb") as stream:
        (packet,) = find(stream).packets
    assert b"Adobe Photoshop CS5 Macintosh" in packet


# ---- hostile files


def boxes_without_end() -> bytes:
    return FTYP + box(b"free", b"") * 400_000


def many_items() -> bytes:
    """A list of items that lies as often in the file as its length allows, each as large as the file."""
    item = struct.pack(">HHHII", 2, 0, 1, 0, 900_000)
    return heif(bytes(4) + b"\x44\x00" + struct.pack(">H", 60_000) + item * 60_000)


def scattered_item() -> bytes:
    extents = struct.pack(">II", 0, 500) * 65_535
    return heif(bytes(4) + b"\x44\x00" + struct.pack(">HHHH", 1, 2, 0, 65_535) + extents)


HOSTILE = {
    "boxes without end": boxes_without_end,
    "items without end": many_items,
    "an item in 65,535 pieces": scattered_item,
    "a box within which nothing fits": lambda: FTYP + struct.pack(">I4sQ", 1, b"meta", 1 << 63),
    "chunks without end": lambda: png(chunk(b"aaaa", b"") * 400_000),
    "texts without end": lambda: png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP) * 1_000),
    "large texts": lambda: png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP * 50_000) * 15),
    "many small zlib bombs": lambda: png(
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(LARGEST_PACKET))) * 15
    ),
    "padding without end": lambda: b"\xff\xd8" + b"\xff" * 2_000_000,
    "junk without end": lambda: b"\xff\xd8" + b"a" * 2_000_000,
    "a zlib bomb": lambda: png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(300_000_000), 1))),
    "a tag as long as the world": lambda: tiff("<", (700, 1, XMP)).replace(struct.pack("<I", len(XMP)), b"\xff" * 4),
    "tags without end": lambda: b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 1 << 62),
    "a directory outside": lambda: b"II*\0" + struct.pack("<I", 0xFFFFFFF0),
    "a chunk longer than its file": lambda: b"RIFF\xff\xff\xff\xffWEBPXMP \xff\xff\xff\xff" + XMP,
    "a sidecar of 20 MB": lambda: XMP + b" " * 20_000_000,
}


@pytest.mark.parametrize("trick", HOSTILE)
def test_a_file_made_to_keep_a_reader_busy_costs_little_time_and_memory(trick: str) -> None:
    data = HOSTILE[trick]()
    before = time.process_time()
    result = found(data)
    assert time.process_time() - before < 5
    assert len(result.problems) == 1
    assert sum(map(len, result.packets)) <= packets.MOST_BYTES


def test_a_bomb_is_not_unpacked_into_memory() -> None:
    data = HOSTILE["a zlib bomb"]()
    tracemalloc.start()
    try:
        assert "more than" in found(data).problems[0]
        assert tracemalloc.get_traced_memory()[1] < 4 * LARGEST_PACKET
    finally:
        tracemalloc.stop()


def test_a_file_that_shrinks_while_it_is_read_is_a_problem() -> None:
    class Shrinking(io.BytesIO):
        def seek(self, offset: int, whence: int = 0, /) -> int:
            return super().seek(offset, whence) if whence == 0 else super().seek(offset, whence) + 1_000

    assert "shorter" in find(Shrinking(jpeg(segment(0xE1, JPEG_XMP + XMP))[:100])).problems[0]


CARRIERS = {
    "jpeg": jpeg(segment(0xE1, JPEG_XMP + naming(XMP * 9)), *extension(XMP * 9, 200, 500))[:4_000],
    "png": png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP)))[:1_000],
    "webp": saved("WEBP", xmp=XMP)[-1_000:].join([saved("WEBP", xmp=XMP)[:30], b""]),
    "tiff": tiff(">", (271, 2, b"Nikon Corporation\0"), (700, 1, XMP)),
    "bigtiff": tiff("<", (700, 7, XMP), big=True),
    "heif": heif(
        bytes(4) + b"\x44\x00" + struct.pack(">HHHHII", 1, 2, 0, 1, len(FTYP) + 8, len(XMP)), before=box(b"free", XMP)
    ),
}
STARTS = [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\0\0\0WEBP", b"II*\0", b"MM\0+\0\x08\0\0", FTYP]


@given(st.sampled_from(STARTS), st.binary(max_size=300))
@example(b"\xff\xd8", b"\xff\xe1\0\0")
@example(b"\xff\xd8", b"\xff\xe1\0\2")
def test_any_bytes_are_searched_without_an_exception(start: bytes, rest: bytes) -> None:
    result = found(start + rest)
    assert sum(map(len, result.packets)) <= len(start + rest) + LARGEST_PACKET


@settings(max_examples=200)
@given(st.sampled_from(sorted(CARRIERS)), st.data())
def test_a_mutated_file_is_searched_without_an_exception(form: str, data: st.DataObject) -> None:
    content = bytearray(CARRIERS[form])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content)))
        gone = data.draw(st.sampled_from([0, 1, 4, 100]))
        content[at : at + gone] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b"\xff\xff\xff\xff", bytes(4), b"\x80\0\0\0"])
        )
    result = found(bytes(content))
    assert all(isinstance(packet, bytes) and packet for packet in result.packets)
    assert len(result.problems) <= 1


@needs("xmp-regions")
@settings(max_examples=60)
@given(st.data())
def test_a_real_jpeg_mutated_or_cut_is_searched_without_an_exception(data: st.DataObject) -> None:
    content = bytearray((DATA / "xmp-regions" / "immich" / "portrait.jpg").read_bytes()[:8_000])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 6_000))
        content[at : at + 1] = data.draw(st.binary(max_size=3))
    found(bytes(content[: data.draw(st.integers(0, 8_000))]))
