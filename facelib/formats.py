"""Which files are photographs: by the end of their name, and by their first bytes."""

from __future__ import annotations

# What facelib reads, by the end of the name. What a file really is, its bytes decide when it is opened.
PHOTO_SUFFIXES = frozenset(
    ["jpg", "jpeg", "jpe", "jfif", "mpo", "png", "webp", "tif", "tiff", "gif", "bmp", "dib", "heic", "heif", "hif"]
    + ["avif"]
)

# Pictures too, which facelib does not read: remembered with the reason, so that nobody wonders where they are.
_RAW = [
    "3fr",
    "arw",
    "cr2",
    "cr3",
    "crw",
    "cs1",
    "dcr",
    "dng",
    "eip",
    "erf",
    "fff",
    "gpr",
    "iiq",
    "k25",
    "kdc",
    "mef",
] + ["mos", "mrw", "nef", "nrw", "orf", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f"]
OTHER_PICTURES = {
    **dict.fromkeys(_RAW, "camera RAW"),
    **dict.fromkeys(["jp2", "j2k", "jpf", "jpx"], "JPEG 2000"),
    **dict.fromkeys(["psd", "psb"], "Photoshop"),
    **dict.fromkeys(["ppm", "pgm", "pbm"], "Netpbm"),
    "jxl": "JPEG XL",
    "xcf": "GIMP",
    "ico": "icon",
    "svg": "drawing",
    "tga": "Targa",
    "pcx": "PCX",
    "exr": "OpenEXR",
    "hdr": "Radiance HDR",
    "djvu": "DjVu",
}


def sniff(start: bytes) -> str | None:
    """The format that a file's first bytes (32 are enough) announce, if it is one that facelib reads.

    >>> sniff(b"\\xff\\xd8\\xff\\xe0")
    'JPEG'
    """
    if start.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WebP"
    if start[:4] in (b"II*\0", b"MM\0*"):
        return "TIFF"
    if start[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if start[:2] == b"BM" and start[6:10] == b"\0\0\0\0":
        return "BMP"
    if start[4:8] == b"ftyp":
        brand = start[8:12]
        if brand in (b"avif", b"avis"):
            return "AVIF"
        if brand in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
            return "HEIC"
    return None
