"""Walking a library: which files are photographs, without opening any. No database here.

The walk is the whole of a night in which nothing changed, so the inner loop does no more per photograph than one stat.
"""

from __future__ import annotations

import os
import stat as stat_module
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from facelib.config import WalkOptions
from facelib.errors import ConfigError
from facelib.formats import OTHER_PICTURES, PHOTO_SUFFIXES
from facelib.models import Path

if TYPE_CHECKING:  # most libraries ignore nothing, and need none of it
    from pathspec import GitIgnoreSpec

IGNORE_FILE = ".facelibignore"

# Folders that hold no photographs of the user's own: trash, thumbnails, and the originals Picasa keeps of edited files.
# Hidden folders (.picasaoriginals, .thumbnails, .Trash-1000, ...) are skipped as such.
SKIPPED_FOLDERS = frozenset(
    name.lower()
    for name in ("@eaDir", "$RECYCLE.BIN", "RECYCLER", "#recycle", "@Recycle", "System Volume Information", "lost+found",
                 "__MACOSX", "Trash")
)  # fmt: skip

# Not photographs, whatever their ending: macOS' resource forks on foreign disks, Android's trash and unfinished files.
_SKIPPED_PREFIXES = ("._", ".trashed-", ".pending-")

_UNREAD, _SNIFF, _NO = "other", "sniff", "no"


class _Kinds(dict[str, str]):
    """Suffix as written -> what to do with such files; filled as suffixes are met."""

    def __missing__(self, suffix: str) -> str:
        lower = suffix.lower()
        kind = "photo" if lower in PHOTO_SUFFIXES else _UNREAD if lower in OTHER_PICTURES else _NO
        self[suffix] = kind
        return kind


@dataclass(frozen=True, slots=True)
class Listing:
    """One folder. Entries are (path, size, mtime_ns, inode), by name."""

    path: Path
    photos: list[tuple[Path, int, int, int]]
    others: list[tuple[Path, int, int, int]]  # pictures facelib does not read, and files without an ending


@dataclass(slots=True)
class Walk:
    """A walk of one folder and all below it: iterate over it, then read what it passed by."""

    top: Path
    options: WalkOptions
    passed_by: Counter[str] = field(default_factory=Counter)  # what was not looked at -> how many
    unreadable: list[tuple[Path, str]] = field(default_factory=list)  # folders and files, with the reason
    _kinds: _Kinds = field(default_factory=_Kinds)

    def __iter__(self) -> Iterator[Listing]:
        visited: set[tuple[int, int]] = set()
        first = _spec(self.options.ignore, "walk.ignore")
        pending: list[tuple[Path, tuple[tuple[Path, GitIgnoreSpec], ...]]] = [
            (self.top, ((self.top, first),) if first else ())
        ]
        while pending:
            folder, specs = pending.pop()
            if self.options.follow_symlinks and not _first_visit(folder, visited):
                continue
            try:
                with os.scandir(folder) as entries:
                    found = sorted(entries, key=_name)
            except OSError as error:
                self.unreadable.append((folder, f"the folder cannot be listed: {error.strerror}"))
                continue
            specs = self._with_ignore_file(folder, found, specs)
            listing, below = self._sort(folder, found, specs)
            yield listing
            pending += ((path, specs) for path in reversed(below))

    def _sort(
        self, folder: Path, found: list[os.DirEntry[str]], specs: tuple[tuple[Path, GitIgnoreSpec], ...]
    ) -> tuple[Listing, list[Path]]:
        """The entries of a folder by what they are: photographs, other pictures, folders to go into."""
        photos: list[tuple[Path, int, int, int]] = []
        others: list[tuple[Path, int, int, int]] = []
        below: list[Path] = []
        follow, kinds = self.options.follow_symlinks, self._kinds
        is_regular = stat_module.S_ISREG
        for entry in found:
            name = entry.name
            dot = name.rfind(".")
            kind = kinds[name[dot + 1 :]] if dot > 0 else _SNIFF
            if name[0] == "." and (name.startswith(_SKIPPED_PREFIXES) or name == IGNORE_FILE):
                self.passed_by["system files"] += 1
                continue
            if specs and _ignored(entry, specs):
                self.passed_by["ignored"] += 1
                continue
            try:
                if kind is _NO or kind is _SNIFF:
                    if entry.is_dir(follow_symlinks=follow):
                        self._enter(entry, below)
                        continue
                    if kind is _NO:
                        self.passed_by["symbolic links" if entry.is_symlink() else "not photographs"] += 1
                        continue
                status = entry.stat(follow_symlinks=follow)
            except OSError as error:
                if isinstance(error, FileNotFoundError) and entry.is_symlink():
                    self.passed_by["symbolic links"] += 1  # to nowhere
                else:
                    self.unreadable.append((entry.path, f"the file cannot be looked at: {error.strerror}"))
                continue
            if is_regular(status.st_mode):
                row = (entry.path, status.st_size, status.st_mtime_ns, signed_inode(status.st_ino))
                (photos if kind == "photo" else others).append(row)
            elif stat_module.S_ISDIR(status.st_mode):  # a folder called holiday.jpg
                self._enter(entry, below)
            else:
                self.passed_by["symbolic links" if stat_module.S_ISLNK(status.st_mode) else "not photographs"] += 1
        return Listing(folder, photos, others), below

    def _enter(self, entry: os.DirEntry[str], below: list[Path]) -> None:
        if entry.name.startswith(".") or entry.name.lower() in SKIPPED_FOLDERS:
            self.passed_by["hidden and trash folders"] += 1
        else:
            below.append(entry.path)

    def _with_ignore_file(
        self, folder: Path, found: list[os.DirEntry[str]], specs: tuple[tuple[Path, GitIgnoreSpec], ...]
    ) -> tuple[tuple[Path, GitIgnoreSpec], ...]:
        if not any(entry.name == IGNORE_FILE for entry in found):
            return specs
        path = os.path.join(folder, IGNORE_FILE)
        try:
            with open(path, encoding="utf-8-sig", errors="surrogateescape") as stream:
                spec = _spec(stream.read(1 << 20).splitlines(), path)
        except OSError as error:
            self.unreadable.append((path, f"the file cannot be read: {error.strerror}"))
            return specs
        return (*specs, (folder, spec)) if spec else specs


def reason_for_other(path: Path, start: bytes | None) -> str:
    """Why a file of `Listing.others` is no photograph that facelib reads; `start` are its first bytes, if it has no ending."""
    kind = OTHER_PICTURES.get(path.rpartition(".")[2].lower())
    if start is None and kind:
        return f"a picture of a kind that facelib does not read ({kind})"
    return "not a picture"


def has_ending(path: Path) -> bool:
    """Whether the name ends in a dot and a suffix (a leading dot is none)."""
    return os.path.basename(path).rfind(".") > 0


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def signed_inode(inode: int) -> int:
    """An inode number as SQLite keeps it: some file systems use all 64 bits."""
    return inode if inode < 1 << 63 else inode - (1 << 64)


def _first_visit(folder: Path, visited: set[tuple[int, int]]) -> bool:
    """Whether a folder is met for the first time: symbolic links make circles."""
    try:
        status = os.stat(folder)
    except OSError:
        return True  # listing it will say what is wrong
    key = (status.st_dev, status.st_ino)
    if key in visited:
        return False
    visited.add(key)
    return True


def _spec(lines: tuple[str, ...] | list[str], source: str) -> GitIgnoreSpec | None:
    if not lines:
        return None
    from pathspec import GitIgnoreSpec

    try:
        spec = GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        raise ConfigError(f"{source}: {error}") from error
    return spec if any(pattern.include is not None for pattern in spec.patterns) else None


def _ignored(entry: os.DirEntry[str], specs: tuple[tuple[Path, GitIgnoreSpec], ...]) -> bool:
    """What the innermost file with an opinion says, as in git."""
    folder_sign = "/" if entry.is_dir(follow_symlinks=False) else ""
    for base, spec in reversed(specs):
        result = spec.check_file(os.path.relpath(entry.path, base).replace(os.sep, "/") + folder_sign)
        if result.include is not None:
            return result.include
    return False
