"""Model files from a folder or a zip into a new folder. An archive that is made to do harm is refused as a whole."""

from __future__ import annotations

import contextlib
import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from facelib.errors import FacelibError, WeightsError

# What a source may be, so that none fills the disk: the largest pack of InsightFace has 340 MB in 5 files.
MAX_BYTES = 2_000_000_000
MAX_ENTRIES = 1000
MAX_RATIO = 50  # weights are noise, and shrink to nine tenths at best

_BAD_ZIP = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError, RuntimeError,
            ValueError)  # fmt: skip

_CHUNK = 1 << 20


def copy_folder(source: Path, place: Path) -> None:
    """Copy the ONNX files of a folder, not those of folders in it. Raises `FacelibError`, `WeightsError`."""
    left = MAX_BYTES
    with told(source):
        entries = sorted(entry for entry in source.iterdir() if entry.suffix.lower() == ".onnx" and entry.is_file())
    for entry in entries:
        with told(entry), entry.open("rb") as stream:
            left -= _copy(stream, place / entry.name, left, entry)


def unpack(source: Path, place: Path) -> None:
    """The ONNX files of a zip, whatever folder in it they are in. Nothing else is written, and nothing outside `place`."""
    try:
        with told(source), zipfile.ZipFile(source) as archive:
            left = MAX_BYTES
            for member in _members(archive, source):
                target = place / member.filename.rsplit("/", 1)[-1]
                with archive.open(member) as stream:
                    left -= _copy(stream, target, min(left, member.file_size), source)
    except _BAD_ZIP as error:
        cure = "take it from its publisher again, or name the folder that it was unpacked to"
        raise WeightsError(source, f"cut off, damaged or no zip file ({error})", cure) from error


def _members(archive: zipfile.ZipFile, source: Path) -> list[zipfile.ZipInfo]:
    """The ONNX files, after a look at all entries: an archive that is made to do harm is refused as a whole."""
    entries = archive.infolist()
    wanted = [entry for entry in entries if entry.filename.lower().endswith(".onnx") and not entry.is_dir()]
    # What macOS packs beside each file has its name too, with two characters before it.
    wanted = [entry for entry in wanted if not entry.filename.startswith("__MACOSX/")]
    plain = [entry.filename.rsplit("/", 1)[-1].lower() for entry in wanted]
    problem = None
    if len(entries) > MAX_ENTRIES:
        problem = f"it has {len(entries)} entries"
    elif any(_leads_out(entry.filename) for entry in entries):
        problem = "it has names that lead out of it"
    elif any(stat.S_ISLNK(entry.external_attr >> 16) for entry in entries):
        problem = "it has links in it"
    elif sum(entry.file_size for entry in wanted) > MAX_BYTES:
        problem = "it is too large when unpacked"
    elif any(entry.file_size > MAX_RATIO * max(entry.compress_size, _CHUNK) for entry in wanted):
        problem = "it grows beyond measure when unpacked"
    elif any(entry.flag_bits & 1 for entry in wanted):
        problem = "it is encrypted"
    elif len(set(plain)) < len(plain):
        problem = "two of its files have one name"
    if problem:
        raise WeightsError(source, f"refused, because {problem}", "take the pack from its publisher")
    return wanted


def _leads_out(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return ".." in parts or name.startswith(("/", "\\")) or ":" in parts[0] or "\0" in name


def _copy(stream: IO[bytes], target: Path, most: int, source: Path) -> int:
    """Copy to a new file and onto the disk; what an archive says of its sizes is not believed. Gives the bytes."""
    size = 0
    with target.open("xb") as out:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if size > most:
                raise WeightsError(source, "refused, because it is larger than it says or may be", "take another pack")
            out.write(chunk)
        to_disk(out)
    return size


def to_disk(stream: IO[bytes] | IO[str]) -> None:
    """Have what was written outlast a power cut."""
    stream.flush()
    os.fsync(stream.fileno())


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Errors of the system become one line with the path."""
    try:
        yield
    except OSError as error:
        raise FacelibError(f"{error.filename or path}: {error.strerror or error}") from error
