"""What a walk finds against what is known: which files are new or changed, which are gone. Opens no photograph."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from facelib.config import WalkOptions
from facelib.formats import sniff
from facelib.models import Path, Stat
from facelib.progress import Progress, Stop
from facelib.stages.targets import Target
from facelib.stages.walk import Listing, Walk, has_ending, reason_for_other
from facelib.store import Database, files

Row = tuple[Path, int, int, int]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file whose digest is wanted."""

    folder: Path
    path: Path
    stat: Stat
    file_id: int | None  # None: nothing was known of this path
    was_gone: bool = False  # its row was marked as gone
    only_inode: bool = False  # size and time are as they were


@dataclass(slots=True)
class Findings:
    """One target after its walk."""

    target: Target
    walk: Walk
    folders: dict[Path, int]  # the known folders of the root
    present_before: int = 0  # files of the root that were present before the walk
    seen_files: int = 0
    unchanged: int = 0
    candidates: list[Candidate] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    missing: dict[Path, int] = field(default_factory=dict)  # in folders that were seen; path -> file_id
    gone_folders: list[int] = field(default_factory=list)
    seen_folders: set[int] = field(default_factory=set)
    other_files: list[tuple[Path, Stat, str]] = field(default_factory=list)  # newly met
    other_gone: list[Path] = field(default_factory=list)
    absent: bool = False  # the folder to walk is not there
    complete: bool = False  # the walk reached its end


def compare(db: Database, target: Target, options: WalkOptions, progress: Progress, stop: Stop) -> Findings:
    """Walk a target and hold it against the database."""
    root_id = target.root.root_id
    findings = Findings(target, Walk(target.top, options), files.folders(db, root_id), files.count_present(db, root_id))
    others = files.other_files(db, root_id)
    others_seen: set[Path] = set()
    findings.absent = not os.path.isdir(target.top)
    for listing in findings.walk if not findings.absent else ():
        if stop.due:
            return findings
        _compare_folder(db, findings, listing, others, others_seen)
        progress.advance(len(listing.photos))
    blind = _Blind(findings.walk.unreadable)
    for path, folder_id in findings.folders.items():
        if folder_id not in findings.seen_folders and files.is_below(path, target.top) and not blind.covers(path):
            findings.gone_folders.append(folder_id)
    findings.missing = {path: file_id for path, file_id in findings.missing.items() if not blind.covers(path)}
    findings.other_gone = [
        path
        for path in others
        if path not in others_seen and files.is_below(path, target.top) and not blind.covers(path)
    ]
    findings.complete = True
    return findings


def _compare_folder(
    db: Database, findings: Findings, listing: Listing, others: dict[Path, tuple[int, int]], others_seen: set[Path]
) -> None:
    folder_id = findings.folders.get(listing.path)
    known: dict[Path, files.Known] = {}
    if folder_id is not None:
        findings.seen_folders.add(folder_id)
        known = files.known_in(db, folder_id)
    photos = listing.photos
    if listing.others:
        photos = photos + _photographs_among(findings, listing.others, known, others, others_seen)
    trust_inodes = findings.target.root.trust_inodes
    findings.seen_files += len(photos)
    for path, size, mtime_ns, inode in photos:  # the inner loop of every night: no more than it needs
        was = known.pop(path, None)
        if was is not None and was[0] == size and was[1] == mtime_ns and (was[2] == inode or not trust_inodes):
            if was[4] == files.SETTLED:
                findings.unchanged += 1
                continue
            if was[4] == files.GONE:
                findings.returned.append(was[3])
                continue
        only_inode = was is not None and was[0] == size and was[1] == mtime_ns and was[4] == files.SETTLED
        was_gone = was is not None and was[4] in (files.GONE, files.GONE_UNREAD)
        file_id = None if was is None else was[3]
        findings.candidates.append(
            Candidate(listing.path, path, Stat(size, mtime_ns, inode), file_id, was_gone, only_inode)
        )
    for path, was in known.items():
        if was[4] in (files.SETTLED, files.UNREAD):
            findings.missing[path] = was[3]


def _photographs_among(
    findings: Findings,
    rows: list[Row],
    known: dict[Path, files.Known],
    others: dict[Path, tuple[int, int]],
    seen: set[Path],
) -> list[Row]:
    """Of files that do not look like photographs, those that are: known as such, or by their first bytes."""
    photos = []
    for row in rows:
        path, size, mtime_ns, inode = row
        if path in known:
            photos.append(row)
            continue
        seen.add(path)
        if others.get(path) == (size, mtime_ns):
            continue
        start = None
        if not has_ending(path):
            try:
                start = _first_bytes(path)
            except OSError as error:
                findings.walk.unreadable.append((path, f"the file cannot be read: {error.strerror}"))
                continue
            if sniff(start):
                photos.append(row)
                seen.discard(path)
                continue
        findings.other_files.append((path, Stat(size, mtime_ns, inode), reason_for_other(path, start)))
    return photos


def _first_bytes(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb", buffering=0) as stream:
        return stream.read(32) or b""


class _Blind:
    """Places that could not be looked at: nothing is said about what lies there or below."""

    def __init__(self, unreadable: list[tuple[Path, str]]) -> None:
        self._places = {path for path, _ in unreadable}

    def covers(self, path: Path) -> bool:
        if not self._places:
            return False
        while path not in self._places:
            parent = os.path.dirname(path)
            if parent == path:
                return False
            path = parent
        return True
