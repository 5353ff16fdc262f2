"""What lies beside photographs: folders with files of Picasa's and sidecars, and these files as bytes. Nothing is written to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from facelib.models import Path
from facelib.picasa.ini import ini_names
from facelib.stages.walk import SKIPPED_FOLDERS

ORIGINALS = (".picasaoriginals", "originals")  # where Picasa 3 and 2 keep what they have edited: not the user's photos
LARGEST = 64 << 20  # bytes; the largest real ini known has some 100 kB
MOST = 10_000  # of one kind, that a report names; beyond it they are only counted

_T = TypeVar("_T")


@dataclass(slots=True)
class Some(Generic[_T]):
    """The first MOST of what was met, and how many there were: a report may not fill the memory."""

    rows: list[_T] = field(default_factory=list)
    count: int = 0

    def add(self, item: _T) -> None:
        """One more."""
        self.count += 1
        if len(self.rows) < MOST:
            self.rows.append(item)


@dataclass(slots=True)
class Doubts:
    """What a person should hear of the files that were read."""

    lines: Some[tuple[Path, int, str]] = field(default_factory=Some)  # file, line (0: the file), what is wrong with it
    unread: Some[tuple[Path, str]] = field(default_factory=Some)  # files and folders that could not be read, and why


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder and the names of the files in it."""

    path: Path
    names: tuple[str, ...]


def folders(tops: Sequence[Path], doubts: Doubts, *, follow_symlinks: bool = False) -> Iterator[Folder]:
    """The folders in and below `tops`, by path; without those that are hidden, trash, or Picasa's own."""
    pending = sorted(tops, reverse=True)
    visited: set[tuple[int, int]] = set()
    while pending:
        path = pending.pop()
        try:
            if follow_symlinks and not _is_first_visit(path, visited):
                continue
            with os.scandir(path) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
            names = tuple(entry.name for entry in found if entry.is_file())
            below = [entry for entry in found if entry.is_dir(follow_symlinks=follow_symlinks)]
        except OSError as error:
            doubts.unread.add((path, f"the folder cannot be listed: {error.strerror}"))
            continue
        yield Folder(path, names)
        beside_ini = bool(ini_names(names))
        pending += [entry.path for entry in reversed(below) if not _is_passed(entry.name, beside_ini=beside_ini)]


def listed(paths: Sequence[Path], doubts: Doubts) -> Iterator[Folder]:
    """These folders with the names of the files in them."""
    for path in paths:
        try:
            with os.scandir(path) as entries:
                names = tuple(sorted(entry.name for entry in entries if entry.is_file()))
        except OSError as error:
            doubts.unread.add((path, f"the folder cannot be listed: {error.strerror}"))
            continue
        yield Folder(path, names)


def _is_first_visit(path: Path, visited: set[tuple[int, int]]) -> bool:
    """Whether a folder is met for the first time: symbolic links make circles."""
    status = os.stat(path)
    key = (status.st_dev, status.st_ino)
    first = key not in visited
    visited.add(key)
    return first


def _is_passed(name: str, *, beside_ini: bool) -> bool:
    low = name.lower()
    return name.startswith(".") or low in SKIPPED_FOLDERS or (beside_ini and low == ORIGINALS[1])


def read(path: Path) -> tuple[bytes, int, str | None]:
    """A file whole, its time in Unix nanoseconds, and why it could not be read (or None)."""
    try:
        with open(path, "rb") as stream:
            status = os.fstat(stream.fileno())
            if status.st_size > LARGEST:
                return b"", 0, f"it has {status.st_size:,} bytes and is no file of Picasa's"
            return stream.read(LARGEST), status.st_mtime_ns, None
    except OSError as error:
        return b"", 0, f"it cannot be read: {error.strerror}"
