"""Which folders a scan walks, and to which root each belongs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from facelib.errors import NoLibraryError, UsageError
from facelib.models import Path, Root
from facelib.progress import Progress
from facelib.store import Database, files

# A root that is mounted elsewhere is known again by its files: so many are looked up at the new place, and this share of
# them must be there with the size and time they had. A copy of a library has these too, but then the old place is still there.
_SAMPLE = 50
_SAME = 0.9


@dataclass(frozen=True, slots=True)
class Target:
    """A folder to walk: a root, or a part of one."""

    root: Root
    top: Path


def resolve(db: Database, run_id: int, paths: Sequence[str], progress: Progress) -> list[Target]:
    """The folders to walk; without paths, the roots indexed before. New roots are written down.

    Raises `UsageError` for a path that is no folder, `NoLibraryError` when there is nothing to walk.
    """
    if not paths:
        known = files.roots(db)
        if not known:
            raise NoLibraryError("nothing is indexed yet: name a folder, as in `facelib scan ~/Pictures`")
        return [Target(root, root.path) for root in known]
    targets: list[Target] = []
    for path in paths:
        # The real path, so that a library reached over two links is indexed once.
        real = os.path.realpath(path)
        owner = _owner(files.roots(db), real)
        if owner is None:
            if not os.path.isdir(real):
                what = "is a file; name the folder it is in" if os.path.exists(real) else "there is no such folder"
                raise UsageError(f"{path}: {what}")
            with db.atomic():
                owner = _remounted(db, real, progress) or files.add_root(db, real, run_id)
        targets.append(Target(owner, real))
    # A new root may have swallowed roots named before it, and one folder may have been named twice or within another.
    owners = files.roots(db)
    tops = {target.top for target in targets}
    outermost = sorted(top for top in tops if not any(files.is_below(top, other) for other in tops - {top}))
    found = [(top, _owner(owners, top)) for top in outermost]
    return [Target(owner, top) for top, owner in found if owner is not None]


def _owner(roots: Sequence[Root], path: Path) -> Root | None:
    return next((root for root in roots if files.is_below(path, root.path)), None)


def _remounted(db: Database, path: Path, progress: Progress) -> Root | None:
    """The root that used to be elsewhere and now is here, with its files moved along in the database."""
    for root in files.roots(db):
        if _holds_something(root.path) or files.is_below(root.path, path):
            continue
        sample = files.sample_of_root(db, root, _SAMPLE)
        same = sum(_is_same(os.path.join(path, relative), stat.size, stat.mtime_ns) for relative, stat in sample)
        if sample and same >= _SAME * len(sample):
            files.relocate_root(db, root, path)
            progress.note(f"{root.path} is now at {path}: its files keep their photos")
            return Root(root.root_id, path, root.trust_inodes)
    return None


def _holds_something(path: Path) -> bool:
    try:
        with os.scandir(path) as entries:
            return any(entries)
    except OSError:
        return False


def _is_same(path: Path, size: int, mtime_ns: int) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (size, mtime_ns)
