"""Which folders a scan walks, and to which root each belongs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from facelib.errors import NoLibraryError, UsageError
from facelib.models import Path, Root, Stat
from facelib.stages.walk import signed_inode
from facelib.store import Database, files

# A root that is mounted elsewhere is known again by its files: so many are looked up at the new place, and this share of
# them must be there with the size, time and inode number they had. A copy of a library has other inode numbers.
_SAMPLE = 50
_SAME = 0.9


@dataclass(frozen=True, slots=True)
class Target:
    """A folder to walk: a root, or a part of one."""

    root: Root
    top: Path

    @property
    def whole(self) -> bool:
        """Whether this is all of the root."""
        return self.top == self.root.path


def check(paths: Sequence[str], *, library: bool) -> None:
    """Refuse what cannot be meant before anything is made; `library` says whether there is one already.

    Raises `UsageError` for files, and for folders that neither exist nor can be known; `NoLibraryError` without a path.
    """
    if not paths and not library:
        raise NoLibraryError(_NOTHING)
    for path in paths:
        if os.path.exists(path) and not os.path.isdir(path):
            raise UsageError(f"{path} is a file; name the folder it is in")
        if not library and not os.path.isdir(path):
            raise UsageError(f"{path}: there is no such folder")


_NOTHING = "nothing is indexed yet: name a folder, as in `facelib scan ~/Pictures`"


def resolve(db: Database, run_id: int, paths: Sequence[str]) -> tuple[list[Target], list[tuple[Path, Path]]]:
    """The folders to walk, without paths the roots indexed before; and roots that were found at a new place (old, new).

    New roots are written down. Raises `UsageError` for a path that is no folder, `NoLibraryError` when there is nothing to
    walk.
    """
    if not paths:
        known = files.roots(db)
        if not known:
            raise NoLibraryError(_NOTHING)
        return [Target(root, root.path) for root in known], []
    check(paths, library=True)
    tops: set[Path] = set()
    relocated: list[tuple[Path, Path]] = []
    for path in paths:
        # The real path, so that a library reached over two links is indexed once.
        real = os.path.realpath(path)
        owner = _owner(files.roots(db), real)
        if not os.path.isdir(real) and (owner is None or not _known(db, owner, real)):
            raise UsageError(f"{path}: there is no such folder")
        if owner is None:
            with db.atomic():
                old = _remounted(db, real)
                if old is None:
                    files.add_root(db, real, run_id)
                else:
                    relocated.append((old, real))
        tops.add(real)
    # A new root may have swallowed roots named before it, and one folder may have been named twice or within another.
    owners = files.roots(db)
    outermost = sorted(top for top in tops if not any(files.is_below(top, other) for other in tops - {top}))
    found = [(top, _owner(owners, top)) for top in outermost]
    return [Target(owner, top) for top, owner in found if owner is not None], relocated


def _known(db: Database, root: Root, path: Path) -> bool:
    """Whether there were photographs at or below a place that is not there now."""
    return path == root.path or any(files.is_below(folder, path) for folder in files.folders(db, root.root_id))


def _owner(roots: Sequence[Root], path: Path) -> Root | None:
    return next((root for root in roots if files.is_below(path, root.path)), None)


def _remounted(db: Database, path: Path) -> Path | None:
    """Where the root was that now is here; its files are moved along in the database."""
    roots = files.roots(db)
    if any(files.is_below(root.path, path) for root in roots):
        return None  # it takes over what is known below it
    for root in roots:
        if _holds_something(root.path):
            continue
        sample = files.sample_of_root(db, root, _SAMPLE)
        same = sum(_is_same(os.path.join(path, relative), stat) for relative, stat in sample)
        if sample and same >= _SAME * len(sample):
            files.relocate_root(db, root, path)
            return root.path
    return None


def _holds_something(path: Path) -> bool:
    try:
        with os.scandir(path) as entries:
            return any(entries)
    except OSError:
        return False


def _is_same(path: Path, known: Stat) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns, signed_inode(status.st_ino)) == (
        known.size,
        known.mtime_ns,
        known.inode,
    )
