"""Stage one: walk the roots, hash what is new or changed, decide what moved and what is gone.

Nothing is decided before everything has been walked and hashed: a file that is gone here may have come up there, and a
disk that is not mounted looks like a great loss.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from facelib.config import WalkOptions
from facelib.models import Path
from facelib.progress import Progress, Stop
from facelib.stages import targets
from facelib.stages.compare import Candidate, Findings, compare
from facelib.stages.hashing import Hashed, hash_all
from facelib.store import Database, files, photos

BATCH_FILES = 500  # a transaction; a kill costs no more than these
BATCH_SECONDS = 2.0
# So many files with new inode numbers and old content, and none that changed, show that the file system invents the numbers.
_INODE_PROOF = 20


@dataclass(slots=True)
class ScanSummary:
    """What a walk found, as the digest tells it."""

    roots: list[Path] = field(default_factory=list)
    files: int = 0  # photographs seen
    new: int = 0
    moved: int = 0
    copied: int = 0
    edited: int = 0
    gone: int = 0
    returned: int = 0
    unchanged: int = 0
    hashed_bytes: int = 0
    passed_by: Counter[str] = field(default_factory=Counter)
    unread_pictures: int = 0  # newly met, in formats facelib does not read
    unsettled: int = 0  # changed while being read: next time
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    problems: list[tuple[Path, str]] = field(default_factory=list)  # roots left as they were, and why
    relocated: list[tuple[Path, Path]] = field(default_factory=list)  # roots known again elsewhere: old and new place
    complete: bool = False  # everything was walked and hashed
    seconds: float = 0.0

    def changes(self) -> int:
        """How many things are not as they were in the last run."""
        return self.new + self.moved + self.copied + self.edited + self.gone + self.returned

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = ("roots", "files", "new", "moved", "copied", "edited", "gone", "returned", "unchanged", "hashed_bytes",
                 "unread_pictures", "unsettled", "complete")  # fmt: skip
        return {
            **{name: getattr(self, name) for name in names},
            "passed_by": dict(self.passed_by),
            "unreadable": [{"path": path, "reason": reason} for path, reason in self.unreadable],
            "relocated": [{"old": old, "new": new} for old, new in self.relocated],
            "problems": [{"root": path, "reason": reason} for path, reason in self.problems],
            "seconds": round(self.seconds, 3),
        }


def run(
    db: Database,
    run_id: int,
    paths: Sequence[str],
    options: WalkOptions,
    progress: Progress,
    stop: Stop,
    *,
    confirm_missing: bool = False,
) -> ScanSummary:
    """Bring files and photos up to date with the disk.

    Stopped early it leaves what it wrote so far, and says nothing about what is gone; the next run goes on from there.
    """
    began = time.monotonic()
    summary = ScanSummary()
    found: list[Findings] = []
    chosen, summary.relocated = targets.resolve(db, run_id, paths)
    summary.roots = [target.top for target in chosen]
    progress.start("walking", None, "files")
    for target in chosen:
        found.append(compare(db, target, options, progress, stop))
        if stop.due:
            break
    progress.finish()
    for findings in found:
        summary.files += findings.seen_files
        summary.unchanged += findings.unchanged
        summary.passed_by += findings.walk.passed_by
        summary.unreadable += findings.walk.unreadable
    hashed = _hash(db, run_id, found, summary, progress, stop)
    if hashed and len(found) == len(chosen) and all(findings.complete for findings in found):
        with db.atomic():
            _finish(db, run_id, found, options, confirm_missing, summary)
        summary.complete = True
    summary.seconds = time.monotonic() - began
    return summary


# ---------------------------------------------------------------------------------------------------------- hashing


def _hash(
    db: Database, run_id: int, found: Sequence[Findings], summary: ScanSummary, progress: Progress, stop: Stop
) -> bool:
    """Hash and write all candidates, a batch a transaction; False when stopped before the end."""
    work = [(findings, candidate) for findings in found for candidate in findings.candidates]
    proof: dict[int, list[bool]] = {}  # root_id -> for files of which only the inode changed: content as it was?
    progress.start("hashing", sum(candidate.stat.size for _, candidate in work), "B")
    results = hash_all(_until(stop, work), lambda item: (item[1].path, item[1].stat))
    batch: list[tuple[Findings, Candidate, Hashed]] = []
    flushed = time.monotonic()
    done = 0
    for (findings, candidate), hashed in results:
        batch.append((findings, candidate, hashed))
        done += 1
        summary.hashed_bytes += candidate.stat.size
        progress.advance(candidate.stat.size)
        if len(batch) >= BATCH_FILES or time.monotonic() - flushed >= BATCH_SECONDS:
            _write(db, run_id, batch, summary, proof)
            batch, flushed = [], time.monotonic()
    _write(db, run_id, batch, summary, proof)
    with db.atomic():
        for root_id, same in proof.items():
            if len(same) >= _INODE_PROOF and all(same):
                files.distrust_inodes(db, root_id)
        for findings in found:
            files.mark_returned(db, run_id, findings.returned)
            summary.returned += len(findings.returned)
            files.add_other_files(db, findings.target.root.root_id, findings.other_files)
            summary.unread_pictures += sum(reason != "not a picture" for _, _, reason in findings.other_files)
    progress.finish()
    return done == len(work)


def _until(stop: Stop, work: list[tuple[Findings, Candidate]]) -> Iterator[tuple[Findings, Candidate]]:
    for item in work:
        if stop.due:
            return
        yield item


def _write(
    db: Database,
    run_id: int,
    batch: Sequence[tuple[Findings, Candidate, Hashed]],
    summary: ScanSummary,
    proof: dict[int, list[bool]],
) -> None:
    if not batch:
        return
    with db.atomic():
        for findings, candidate, hashed in batch:
            if hashed.unsettled:
                summary.unsettled += 1
                continue
            same = _write_one(db, run_id, findings, candidate, hashed, summary)
            if candidate.only_inode:
                proof.setdefault(findings.target.root.root_id, []).append(same)


def _write_one(
    db: Database, run_id: int, findings: Findings, candidate: Candidate, hashed: Hashed, summary: ScanSummary
) -> bool:
    """Write what lies at a path; True when it is the photo that lay there before."""
    if candidate.folder not in findings.folders:
        findings.folders[candidate.folder] = files.add_folder(db, findings.target.root.root_id, candidate.folder)
    folder_id = findings.folders[candidate.folder]
    findings.seen_folders.add(folder_id)
    if hashed.sha256 is None:
        summary.unreadable.append((candidate.path, hashed.error or "it cannot be read"))
        files.add_or_update(db, run_id, folder_id, candidate.path, hashed.stat, None, hashed.error)
        return False
    photo_id, is_new = photos.find_or_add(db, hashed.sha256)
    before = files.photo_of(db, candidate.file_id) if candidate.file_id is not None else None
    if candidate.was_gone and before == photo_id:
        summary.returned += 1
    elif candidate.was_gone or before is None:  # what lay here before it was gone has nothing to do with this
        # Known content at a new place is a copy for now; `_finish` finds the ones that moved.
        summary.new += is_new
        summary.copied += not is_new
    elif before != photo_id:
        summary.edited += 1
        if is_new:
            photos.note_edit(db, run_id, before, photo_id)
    files.add_or_update(db, run_id, folder_id, candidate.path, hashed.stat, photo_id, None)
    return before == photo_id


# --------------------------------------------------------------------------------------------------- moved and gone


def _finish(
    db: Database,
    run_id: int,
    found: Sequence[Findings],
    options: WalkOptions,
    confirm_missing: bool,
    summary: ScanSummary,
) -> None:
    """After the whole walk: follow moves, mark what is gone, or report a root that lost too much."""
    gone: dict[int, set[int]] = {}
    for index, findings in enumerate(found):
        gone[index] = set(findings.missing.values())
        for folder_id in findings.gone_folders:
            gone[index].update(files.present_in(db, folder_id))
    vanished = sorted(file_id for ids in gone.values() for file_id in ids)
    earlier: list[int] = []
    if summary.new or summary.copied or summary.edited or summary.returned:
        earlier = [file_id for file_id in files.gone_with_new_places(db, run_id) if file_id not in set(vanished)]
    for move in files.find_moves(db, vanished + earlier):
        files.apply_move(db, move)
        summary.moved += 1
        summary.copied = max(0, summary.copied - 1)  # it was taken for a copy when it was met
        for ids in gone.values():
            ids.discard(move.old_file_id)
    for index, findings in enumerate(found):
        root_id, lost = findings.target.root.root_id, gone[index]
        problem = None if confirm_missing else _problem(findings, lost, options.max_loss)
        if findings.target.whole:  # a part of a root says nothing about the rest
            files.set_problem(db, root_id, problem, absent=problem is not None and findings.seen_files == 0)
        if problem:
            summary.problems.append((findings.target.top, problem))
        else:
            files.mark_gone(db, lost)
            files.remove_other_files(db, findings.other_gone)
            summary.gone += len(lost)
        files.finish_walk(db, root_id, run_id, findings.seen_folders, whole=findings.target.whole)


def _problem(findings: Findings, lost: set[int], max_loss: float) -> str | None:
    """Why the files that are missing from a root may not be gone, or None."""
    cure = "its files stay as they were; if they are really gone, run `facelib scan --confirm-missing`"
    if not lost:
        return None
    if findings.absent:
        return f"it is not there (unmounted?); {cure}"
    if findings.seen_files == 0:
        return f"it is empty, and {len(lost):,} photographs were there before (unmounted?); {cure}"
    if len(lost) > max_loss * findings.present_before:
        share = len(lost) / findings.present_before
        return f"{len(lost):,} of its {findings.present_before:,} files ({share:.0%}) are missing; {cure}"
    return None
