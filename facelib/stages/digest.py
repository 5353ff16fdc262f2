"""What a run says at its end: the lines that cron mails, and the same as JSON."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from facelib.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_SOME_UNREADABLE
from facelib.models import Path
from facelib.progress import count, duration
from facelib.stages.cluster import ClusterSummary
from facelib.stages.detect import DetectSummary
from facelib.stages.encode import EncodeSummary
from facelib.stages.match import MatchSummary
from facelib.stages.regions import RegionSummary
from facelib.stages.scan import ScanSummary

_LISTED = 20  # errors that are spelled out; the others are counted


@dataclass(frozen=True, slots=True)
class Digest:
    """The summaries of a scan's stages, and how it ended."""

    scan: ScanSummary
    detect: DetectSummary
    laid: RegionSummary
    encode: EncodeSummary
    match: MatchSummary
    cluster: ClusterSummary
    outcome: str  # 'done', 'stopped', 'interrupted'
    seconds: float
    cpu_seconds: float  # of this process and its workers
    still_due: int
    notices: Sequence[str] = ()  # about the engine: licences, and that there is a better one

    @property
    def exit_code(self) -> int:
        if self.outcome == "interrupted":
            return EXIT_INTERRUPTED
        unread = self.scan.unreadable or self.scan.problems or self.detect.errors or self.encode.errors
        return EXIT_SOME_UNREADABLE if unread else EXIT_DONE

    @property
    def quiet(self) -> bool:
        """Whether nothing happened that somebody would want mail about."""
        happened = self.scan.changes() or self.scan.relocated or self.detect.done or self.encode.done or self.still_due
        happened = happened or self.laid.decided or self.laid.replaced
        return self.exit_code == EXIT_DONE and not happened

    def as_dict(self) -> dict[str, Any]:
        """For JSON, and for `run.summary`."""
        return {
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "seconds": round(self.seconds, 3),
            "cpu_seconds": round(self.cpu_seconds, 3),
            "still_due": self.still_due,
            "notices": list(self.notices),
            "scan": self.scan.as_dict(),
            "detect": self.detect.as_dict(),
            "laid": self.laid.as_dict(),
            "encode": self.encode.as_dict(),
            "match": self.match.as_dict(),
            "cluster": self.cluster.as_dict(),
        }

    def lines(self, verbose: bool = False) -> Iterator[str]:
        """The digest for a person."""
        ended = {"done": "", "stopped": ", stopped as asked", "interrupted": ", interrupted"}[self.outcome]
        yield f"facelib scan, {time.strftime('%Y-%m-%d %H:%M')}, {duration(self.seconds)}{ended}"
        yield from self._files(verbose)
        yield from self._faces(verbose)
        yield from _list("not read", self.scan.unreadable + self.detect.errors + self.encode.errors, verbose)
        for old, new in self.scan.relocated:
            yield f"NOTICE {printable(old)} is now at {printable(new)}: its files keep their photos"
        for root, reason in self.scan.problems:
            yield f"NOTICE {printable(root)}: {reason}"
        if self.detect.done or self.encode.done:
            for notice in self.notices:
                yield f"NOTICE {notice}"

    def _files(self, verbose: bool) -> Iterator[str]:
        scan = self.scan
        for root in scan.roots:
            yield f"  {printable(root)}"
        words = (("new", scan.new), ("moved", scan.moved), ("copied", scan.copied), ("edited", scan.edited),
                 ("gone", scan.gone), ("back again", scan.returned))  # fmt: skip
        changes = ", ".join(f"{number:,} {word}" for word, number in words if number) or "nothing changed"
        yield f"  files   {count(scan.files, 'photographs')}: {changes}"
        if scan.passed_by and verbose:
            yield "          passed by: " + ", ".join(f"{n:,} {what}" for what, n in sorted(scan.passed_by.items()))
        if scan.unread_pictures:
            yield f"          {count(scan.unread_pictures, 'pictures')} in formats that facelib does not read"
        if scan.unsettled:
            yield f"          {scan.unsettled:,} changed while they were read: left for the next run"
        if not scan.complete:
            yield "          the walk did not reach its end: nothing is said about what is gone"

    def _names(self) -> Iterator[str]:
        match = self.match
        if match.faces:
            yield (
                f"  names   {match.named:,} guessed and {match.suggested:,} suggested for {count(match.faces, 'faces')},"
                f" from {match.labels:,} named faces of {count(match.people, 'people')}"
            )
        if self.cluster.added:
            yield (
                f"  unknown {count(self.cluster.grouped, 'faces')} in {count(self.cluster.groups, 'groups')} that look alike,"
                f" {self.cluster.alone:,} seen once"
            )
        for face, reason in match.refused[:_LISTED]:
            yield f"          face {face} cannot be compared: {reason}"

    def _faces(self, verbose: bool) -> Iterator[str]:
        detect = self.detect
        if detect.done:
            rate = detect.done / max(detect.seconds, 1e-3)
            what = "searched" if detect.detector else "read"
            yield (
                f"  photos  {detect.done:,} {what} in {duration(detect.seconds)} ({count(rate, 'photos')}/s,"
                f" {count(detect.workers, 'workers')})"
            )
        if detect.done and detect.detector:
            names = {"user": "named by you", "picasa": "named by Picasa", "xmp": "named in XMP", "match": "guessed",
                     "unknown": "unknown"}  # fmt: skip
            by = ", ".join(
                f"{detect.named[source]:,} {word}" for source, word in names.items() if detect.named.get(source)
            )
            yield f"  faces   {detect.faces:,} found in {count(detect.with_faces, 'photos')}{': ' + by if by else ''}"
        if self.laid.decided or self.laid.replaced:
            yield f"  regions {count(self.laid.decided, 'faces')} named by what was imported, {self.laid.replaced:,} corrected"
        if self.encode.done:
            yield f"  encoded {count(self.encode.faces, 'faces')} found before, by {self.encode.model}"
        yield from self._names()
        engine = self.detect.engine or self.encode.engine
        if engine and (verbose or "refuses" in engine):
            yield f"  engine  {engine}"
        if detect.carried:
            yield f"          {count(detect.carried, 'decisions')} followed their faces into edited photos"
        if self.still_due:
            yield f"  due     {count(self.still_due, 'photos')} left for the next run"
        yield from _list("damaged, read as far as it goes", detect.damaged, verbose)


def _list(what: str, rows: list[tuple[Path, str]], verbose: bool) -> Iterator[str]:
    if not rows:
        return
    yield f"  {what}: {len(rows):,}"
    shown = rows if verbose else rows[:_LISTED]
    for path, reason in shown:
        yield f"    {printable(path)}: {reason}"
    if len(rows) > len(shown):
        yield f"    ... and {len(rows) - len(shown):,} more (-v lists them all)"


def printable(path: Path) -> str:
    """A path on one line, whatever it holds: control characters and bytes that are no text are escaped.

    >>> printable("/home/ann/a\\nb.jpg")
    '/home/ann/a\\\\nb.jpg'
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
        for character in path
    )
