"""What `import-picasa` and `import-xmp` do from beginning to end: index, read, lay on faces, encode, report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from facelib.config import Config
from facelib.engines.registry import encoder_key
from facelib.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_SOME_UNREADABLE
from facelib.models import Path
from facelib.picasa.names import placeholder
from facelib.progress import Progress, Stop, count, duration
from facelib.stages import detect, encode, picasa, scan, targets, xmp
from facelib.stages import regions as laying
from facelib.stages.digest import printable
from facelib.stages.picasa import PicasaOptions, PicasaSummary
from facelib.stages.regions import RegionSummary
from facelib.stages.xmp import XmpSummary
from facelib.store import Database, files, regions

_LISTED = 20  # lines of a list that are spelled out; the others are counted


@dataclass(slots=True)
class ImportReport:
    """All that an import did, and how the library stands now."""

    command: str
    scan: scan.ScanSummary
    read: detect.DetectSummary
    picasa: PicasaSummary | None
    xmp: XmpSummary
    laid: RegionSummary
    encode: encode.EncodeSummary
    totals: dict[str, dict[str, int]] = field(default_factory=dict)  # by source, see regions.totals
    people: list[tuple[str, int, str | None, str | None]] = field(default_factory=list)
    differences: list[tuple[str, str, str]] = field(default_factory=list)
    interrupted: bool = False
    dry_run: bool = False
    seconds: float = 0.0

    @property
    def problems(self) -> list[tuple[Path, int, str]]:
        return [*(self.picasa.problems if self.picasa else ()), *self.xmp.problems]

    @property
    def exit_code(self) -> int:
        if self.interrupted:
            return EXIT_INTERRUPTED
        unread = self.scan.unreadable or self.scan.problems or self.read.errors or self.encode.errors
        return EXIT_SOME_UNREADABLE if unread or self.problems else EXIT_DONE

    def as_dict(self) -> dict[str, Any]:
        """For JSON, and for `run.summary`."""
        found: dict[str, Any] = {
            "exit_code": self.exit_code,
            "dry_run": self.dry_run,
            "seconds": round(self.seconds, 3),
            "scan": self.scan.as_dict(),
            "laid": self.laid.as_dict(),
            "encode": self.encode.as_dict(),
            "regions": self.totals,
            "people": [
                {"name": name, "faces": faces, "first_year": first, "last_year": last}
                for name, faces, first, last in self.people
            ],
            "differences": [{"path": path, "says": says, "is": person} for path, says, person in self.differences],
            "problems": [{"path": path, "line": line or None, "problem": words} for path, line, words in self.problems],
            "xmp": {name: getattr(self.xmp, name) for name in ("photos", "with_regions", "new", "changed", "people")},
        }
        if self.picasa is not None:
            found["picasa"] = _picasa_dict(self.picasa)
        return found

    def lines(self, verbose: bool = False) -> Iterator[str]:
        """The report for a person."""
        ended = ", interrupted" if self.interrupted else ", nothing was written" if self.dry_run else ""
        yield f"facelib {self.command}, {time.strftime('%Y-%m-%d %H:%M')}, {duration(self.seconds)}{ended}"
        if self.scan.changes():
            yield f"  indexed  {count(self.scan.new, 'new photographs')} on the way"
        if self.picasa is not None:
            yield from _picasa_lines(self.picasa)
        if self.xmp.photos:
            yield (
                f"  XMP      {self.xmp.with_regions:,} of {count(self.xmp.photos, 'photos')} looked into have regions:"
                f" {self.xmp.new:,} new, {self.xmp.changed:,} changed"
            )
        for source, words in (("picasa", "Picasa"), ("xmp", "XMP")):
            if self.totals.get(source, {}).get("regions"):
                yield from _totals(words, self.totals[source])
        yield f"  decided  {count(self.laid.decided, 'faces')} named anew" + _also(self.laid)
        if self.encode.done:
            yield f"  encoded  {count(self.encode.faces, 'faces')} that no detector sees, by {self.encode.model}"
        yield from self._people(verbose)
        if self.picasa is not None:
            yield from _doubts(self.picasa, verbose)
        yield from _list(
            "faces that have another name than was imported",
            [f"{printable(path)}: {says}, not {person}" for path, says, person in self.differences],
            verbose,
        )
        problems = [
            f"{printable(path)}{f', line {line}' if line else ''}: {words}" for path, line, words in self.problems
        ]
        unread = [f"{printable(path)}: {words}" for path, words in self.scan.unreadable + self.read.errors]
        yield from _list("not read", unread + problems, verbose)
        for root, reason in self.scan.problems:
            yield f"NOTICE {printable(root)}: {reason}"

    def _people(self, verbose: bool) -> Iterator[str]:
        rows = []
        for name, faces, first, last in self.people:
            years = "" if first is None else f", {first}" if first == last else f", {first} to {last}"
            rows.append(f"{name}: {count(faces, 'faces')}{years}")
        yield from _list("people", rows, verbose)


def run(
    db: Database,
    run_id: int,
    command: str,
    paths: Sequence[str],
    config: Config,
    options: PicasaOptions | None,
    progress: Progress,
    stop: Stop,
) -> ImportReport:
    """Import from `paths`, without any from all roots. `options`: Picasa's files, and the XMP beside them; None: all XMP."""
    began = time.monotonic()
    indexed = scan.run(db, run_id, paths, config.walk, progress, stop)
    # Boxes are laid in pixels: every photo has to have said how large it is.
    read = detect.run(db, run_id, config, None, progress, stop)
    tops = [target.top for target in targets.resolve(db, run_id, paths)[0]]
    known = None if options is None else picasa.run(db, run_id, tops, options, progress, stop)
    folders = files.folders_below(db, tops) if known is None else known.folders
    inside = xmp.run(db, run_id, folders, progress, stop)
    laid = laying.run(db, progress, stop)
    made = encode.EncodeSummary()
    if not stop.due:
        made = encode.run(db, run_id, config, encoder_key(config.detect, config.encode), progress, stop, drawn=True)
    sources = ("picasa", "xmp") if options is not None else ("xmp",)
    report = ImportReport(command, indexed, read, known, inside, laid, made, interrupted=stop.interrupted)
    report.totals = {source: regions.totals(db, source) for source in sources}
    report.people = regions.per_person(db, sources)
    report.differences = [row for source in sources for row in regions.differences(db, source)]
    report.seconds = time.monotonic() - began
    return report


def _picasa_dict(summary: PicasaSummary) -> dict[str, Any]:
    names = ("inis", "photos", "new", "changed", "people", "starred", "albums", "db3_photos", "db3_missing", "complete")
    return {
        **{name: getattr(summary, name) for name in names},
        "stale": [{"folder": folder, "section": section} for folder, section in summary.stale],
        "unread": [{"folder": folder, "section": section} for folder, section in summary.unread],
        "orphans": [f"{contact:016x}" for contact in summary.orphans],
        "conflicts": {f"{contact:016x}": list(names) for contact, names in summary.conflicts.items()},
        "shared": {name: [f"{contact:016x}" for contact in ids] for name, ids in summary.shared.items()},
        "rules": [str(rule) for rule in summary.rules],
    }


def _picasa_lines(summary: PicasaSummary) -> Iterator[str]:
    yield (
        f"  Picasa   {count(summary.inis, 'ini files')}, {count(summary.photos, 'photos')} with faces:"
        f" {summary.new:,} new, {summary.changed:,} changed; {count(summary.starred, 'stars')},"
        f" {count(summary.albums, 'albums')}"
    )
    if summary.db3_photos or summary.db3_missing:
        missing = f"{summary.db3_missing:,} with faces are not"
        yield f"           {summary.db3_photos:,} photos of Picasa's database are here, {missing}"
    for rule in summary.rules:
        yield f"           learned from {count(rule.votes, 'files')}: {rule}"


def _totals(words: str, totals: dict[str, int]) -> Iterator[str]:
    """How the regions of a source lie now, of this and all earlier imports."""
    yield (
        f"  faces    {totals['regions']:,} by {words} in {count(totals['photos'], 'photos')}:"
        f" {totals['named']:,} named, {totals['unnamed']:,} unnamed, {totals['ignored']:,} ignored"
    )
    parts = (
        ("joined", "joined to detected faces"),
        ("boxes", "kept as boxes that no detector sees"),
        ("without_box", "without a box"),
        ("outside", "outside of their photo"),
        ("not_laid", "in photos that cannot be read"),
    )
    yield "           " + ", ".join(f"{totals[key]:,} {said}" for key, said in parts if totals[key] or key == "joined")
    odd = (
        ("unverified", "with no detected face to agree"),
        ("wrapped", "past an edge"),
        ("other_frame", "turned otherwise"),
        ("rescaled", "rescaled"),
        ("cropped", "before a crop"),
    )
    said = ", ".join(f"{totals[key]:,} {words}" for key, words in odd if totals[key])
    if said:
        yield f"           {said}"


def _also(laid: RegionSummary) -> str:
    parts = [f"{laid.replaced:,} corrected"] if laid.replaced else []
    parts += [f"{laid.kept:,} left as you have said"] if laid.kept else []
    return f", {', '.join(parts)}" if parts else ""


def _doubts(summary: PicasaSummary, verbose: bool) -> Iterator[str]:
    """What a person may want to look at."""
    yield from _list("ids without a name", [placeholder(contact) for contact in summary.orphans], verbose)
    conflicts = [f"{placeholder(contact)}: {', '.join(names)}" for contact, names in summary.conflicts.items()]
    yield from _list("ids with several names, of which the first is taken", conflicts, verbose)
    shared = [f"{name}: {count(len(ids), 'ids')}" for name, ids in summary.shared.items()]
    yield from _list("people with several ids, one cluster for each", shared, verbose)
    stale = [f"{printable(folder)}: [{section}]" for folder, section in summary.stale]
    yield from _list("sections with faces of files that are not there", stale, verbose)
    unread = [f"{printable(folder)}: [{section}]" for folder, section in summary.unread]
    yield from _list("sections with faces of files that facelib does not read", unread, verbose)


def _list(what: str, rows: Sequence[str], verbose: bool) -> Iterator[str]:
    if not rows:
        return
    yield f"  {what}: {len(rows):,}"
    shown = rows if verbose else rows[:_LISTED]
    for row in shown:
        yield f"    {row}"
    if len(rows) > len(shown):
        yield f"    ... and {len(rows) - len(shown):,} more (-v lists them all)"
