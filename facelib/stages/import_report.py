"""What an import says at its end, for a person and as JSON."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from facelib.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_SOME_UNREADABLE
from facelib.models import Path
from facelib.picasa.names import placeholder
from facelib.progress import count, duration
from facelib.stages.detect import DetectSummary
from facelib.stages.digest import printable
from facelib.stages.encode import EncodeSummary
from facelib.stages.picasa import PicasaSummary
from facelib.stages.regions import RegionSummary
from facelib.stages.scan import ScanSummary
from facelib.stages.xmp import XmpSummary
from facelib.store.regions import Changes

_LISTED = 20  # lines of a list that are spelled out; the others are counted


@dataclass(slots=True)
class ImportReport:
    """All that an import did, and how the library stands now."""

    command: str
    scan: ScanSummary
    read: DetectSummary
    picasa: PicasaSummary | None
    xmp: XmpSummary
    laid: RegionSummary
    encode: EncodeSummary
    totals: dict[str, dict[str, int]] = field(default_factory=dict)  # by source, see regions.totals
    people: list[tuple[str, int, str | None, str | None]] = field(default_factory=list)
    faceless: list[tuple[str, str, str]] = field(default_factory=list)  # path, name, why there is no face
    differences: list[tuple[str, str, str]] = field(default_factory=list)  # path, name in the import, what is shown
    interrupted: bool = False
    dry_run: bool = False
    seconds: float = 0.0

    @property
    def unread(self) -> list[tuple[Path, str]]:
        """Files and folders that could not be read at all, and why."""
        doubts = [self.xmp.doubts, *([self.picasa.doubts] if self.picasa else [])]
        stages = self.scan.unreadable + self.read.errors + self.encode.errors
        return stages + [row for one in doubts for row in one.unread.rows]

    @property
    def lines_unread(self) -> list[tuple[Path, int, str]]:
        """Lines and entries that could not be used; their files were read."""
        return [*(self.picasa.doubts.lines.rows if self.picasa else ()), *self.xmp.doubts.lines.rows]

    @property
    def changes(self) -> Changes:
        """Regions that are new, changed or gone."""
        changes = Changes()
        changes.add(self.xmp.changes)
        if self.picasa is not None:
            changes.add(self.picasa.changes)
        return changes

    @property
    def new_people(self) -> int:
        return self.xmp.people + (self.picasa.people if self.picasa else 0)

    @property
    def exit_code(self) -> int:
        """3 where a file could not be read. A line of an ini that makes no sense is named, and stays so for ever: no failure."""
        if self.interrupted:
            return EXIT_INTERRUPTED
        return EXIT_SOME_UNREADABLE if self.unread or self.scan.problems else EXIT_DONE

    @property
    def quiet(self) -> bool:
        """Whether nothing happened that somebody would want mail about."""
        changes, laid = self.changes, self.laid
        noted = self.xmp.noted + (self.picasa.noted + len(self.picasa.renamed) if self.picasa else 0)
        happened = changes.new + changes.changed + changes.gone + noted + self.new_people + laid.decided + laid.replaced
        return self.exit_code == EXIT_DONE and not (happened or self.scan.changes() or self.encode.done)

    def as_dict(self) -> dict[str, Any]:
        """For JSON, and for `run.summary`."""
        inside, changes = self.xmp, self.xmp.changes
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
            "faceless": [{"path": path, "name": name, "reason": why} for path, name, why in self.faceless],
            "differences": [{"path": path, "says": says, "shown": shown} for path, says, shown in self.differences],
            "lines": [
                {"path": path, "line": line or None, "problem": words} for path, line, words in self.lines_unread
            ],
            "unread": [{"path": path, "reason": reason} for path, reason in self.unread],
            "xmp": {
                **{
                    name: getattr(inside, name) for name in ("photos", "with_regions", "people", "noted", "other_kinds")
                },
                "new": changes.new,
                "changed": changes.changed,
                "gone": changes.gone,
                "complete": inside.complete,
                "turned": [{"path": path, "reason": reason} for path, reason in inside.turned.rows],
                "alone": [{"path": path, "holds": holds} for path, holds in inside.alone.rows],
            },
        }
        if self.picasa is not None:
            found["picasa"] = _picasa_dict(self.picasa)
        return found

    # ---------------------------------------------------------------------------------------------- for a person

    def lines(self, verbose: bool = False) -> Iterator[str]:
        """The report for a person."""
        ended = ", interrupted: run it again to go on" if self.interrupted else ""
        ended = ", a dry run: nothing was written" if self.dry_run else ended
        yield f"facelib {self.command}, {time.strftime('%Y-%m-%d %H:%M')}, {duration(self.seconds)}{ended}"
        if self.scan.changes():
            yield f"  indexed  {count(self.scan.new, 'new photographs')} on the way"
        if self.picasa is not None:
            yield from _picasa_lines(self.picasa)
        if self.xmp.with_regions or (self.picasa is None and self.xmp.photos):
            yield f"  XMP      face regions in {self.xmp.with_regions:,} of {count(self.xmp.photos, 'photos')}{self._pets()}"
        for source, words in (("picasa", "by Picasa"), ("xmp", "in XMP")):
            if self.totals.get(source, {}).get("regions"):
                yield from _totals(words, self.totals[source])
        yield f"  changes  {self._changes()}"
        if self.encode.done:
            yield f"  encoded  {count(self.encode.faces, 'faces')} that no detector sees, by {self.encode.model}"
        yield from self._people(verbose)
        yield from self._doubts(verbose)
        yield from self._unread(verbose)
        yield from self._next()

    def _pets(self) -> str:
        return f"; {self.xmp.other_kinds:,} more are of pets or things" if self.xmp.other_kinds else ""

    def _changes(self) -> str:
        """What is otherwise than after the last import."""
        changes, laid = self.changes, self.laid
        people = "new person" if self.new_people == 1 else "new people"
        parts = (
            (changes.new, "new"),
            (changes.changed, "changed"),
            (changes.gone, "not there any more"),
            (self.new_people, people),
            (laid.decided, "named or ignored"),
            (laid.replaced, "earlier names taken back"),
            (laid.kept, "left as you have said"),
        )
        return ", ".join(f"{number:,} {words}" for number, words in parts if number) or "none"

    def _people(self, verbose: bool) -> Iterator[str]:
        rows = []
        for name, faces, first, last in self.people:
            years = "" if first is None else f", {first}" if first == last else f", {first} to {last}"
            rows.append(f"{printable(name)}: {count(faces, 'faces')}{years}")
        yield from _list("people", rows, verbose)

    def _doubts(self, verbose: bool) -> Iterator[str]:
        """What a person may want to look at."""
        if self.picasa is not None:
            yield from _picasa_doubts(self.picasa, verbose)
        turned = [f"{printable(path)}: {words}" for path, words in self.xmp.turned.rows]
        yield from _list("sidecars of photos that are turned otherwise", turned, verbose, self.xmp.turned.count)
        alone = [f"{printable(path)}: {words}" for path, words in self.xmp.alone.rows]
        yield from _list("sidecars of no photo that facelib reads", alone, verbose, self.xmp.alone.count)
        nowhere = [f"{printable(path)}: {printable(name)}, {why}" for path, name, why in self.faceless]
        yield from _list("people in photos, on no face", nowhere, verbose)
        others = [
            f"{printable(path)}: {printable(says)}, shown as {printable(p)}" for path, says, p in self.differences
        ]
        yield from _list("faces shown otherwise than imported", others, verbose)

    def _unread(self, verbose: bool) -> Iterator[str]:
        lines = [f"{printable(p)}{f', line {n}' if n else ''}: {printable(words)}" for p, n, words in self.lines_unread]
        number = self.xmp.doubts.lines.count + (self.picasa.doubts.lines.count if self.picasa else 0)
        yield from _list("lines and entries that make no sense", lines, verbose, number)
        yield from _list("not read", [f"{printable(path)}: {words}" for path, words in self.unread], verbose)
        for root, reason in self.scan.problems:
            yield f"NOTICE {printable(root)}: {reason}"

    def _next(self) -> Iterator[str]:
        """What to do now."""
        waiting = sum(totals.get("waiting", 0) for totals in self.totals.values())
        if waiting and not self.interrupted:
            yield f"NEXT   facelib scan looks for the {count(waiting, 'faces')} in photos that no detector has searched yet"
        elif self.laid.decided:
            yield "NEXT   facelib match puts these names on other faces; the next scan does so too"
        if self.picasa is not None and self.picasa.orphans and not self.picasa.lists:
            yield "NEXT   the ids without a name may be in Picasa's contacts.xml: facelib import-picasa --contacts FILE"


def _picasa_dict(summary: PicasaSummary) -> dict[str, Any]:
    names = ("inis", "photos", "noted", "people", "starred", "albums", "db3_photos", "db3_missing", "complete")
    changes = summary.changes
    return {
        **{name: getattr(summary, name) for name in names},
        "new": changes.new,
        "changed": changes.changed,
        "gone": changes.gone,
        "contacts": list(summary.lists),
        "stale_count": summary.stale.count,
        "unknown_count": summary.unknown.count,
        "stale": [{"folder": folder, "section": section} for folder, section in summary.stale.rows],
        "unknown": [{"folder": folder, "section": section} for folder, section in summary.unknown.rows],
        "orphans": [f"{contact:016x}" for contact in summary.orphans],
        "conflicts": {f"{contact:016x}": list(names) for contact, names in summary.conflicts.items()},
        "shared": {name: [f"{contact:016x}" for contact in ids] for name, ids in summary.shared.items()},
        "renamed": [{"old": old, "new": new} for old, new in summary.renamed],
        "rules": [str(rule) for rule in summary.rules],
    }


def _picasa_lines(summary: PicasaSummary) -> Iterator[str]:
    beside = f", {summary.starred:,} with a star" if summary.starred else ""
    beside += f"; {count(summary.albums, 'albums')}" if summary.albums else ""
    yield f"  Picasa   {count(summary.inis, 'ini files')}: {count(summary.photos, 'photos')} with faces{beside}"
    for path in summary.lists:
        yield f"           names from {printable(path)}"
    if summary.db3_photos or summary.db3_missing:
        missing = f"; {summary.db3_missing:,} with faces are not" if summary.db3_missing else ""
        yield f"           {count(summary.db3_photos, 'photos')} of Picasa's database are here{missing}"
    for rule in summary.rules:
        yield f"           learned from {count(rule.votes, 'files')}: {printable(str(rule))}"


def _totals(words: str, totals: dict[str, int]) -> Iterator[str]:
    """How the faces of a source lie now, of this and all earlier imports."""
    kinds = [f"{totals['named']:,} named in {count(totals['photos_named'], 'photos')}"]
    kinds += [f"{totals['unnamed']:,} without a name"] if totals["unnamed"] else []
    kinds += [f"{totals['ignored']:,} ignored"] if totals["ignored"] else []
    yield f"  faces    {totals['faces']:,} {words} in {count(totals['photos'], 'photos')}: {', '.join(kinds)}"
    parts = (
        ("joined", "joined to detected faces"),
        ("boxes", "kept as boxes where no detector sees a face"),
        ("waiting", "in photos that no detector has searched yet"),
        ("without_box", "named without a place"),
        ("whole", "boxes around people in which no face is seen"),
        ("outside", "outside of their photo"),
        ("not_laid", "in photos that cannot be read"),
    )
    yield "           " + ", ".join(f"{totals[key]:,} {said}" for key, said in parts if totals[key] or key == "joined")
    odd = (
        ("unverified", "where no detected face confirms the place"),
        ("wrapped", "past an edge of the photo"),
        ("other_frame", "turned otherwise than usual"),
        ("rescaled", "rescaled, because Picasa took another size of the photo"),
        ("cropped", "from before a crop"),
    )
    said = ", ".join(f"{totals[key]:,} {words}" for key, words in odd if totals[key])
    if said:
        yield f"           of these {said}"


def _picasa_doubts(summary: PicasaSummary, verbose: bool) -> Iterator[str]:
    renamed = [f"{printable(old)} is now called {printable(new)}" for old, new in summary.renamed]
    yield from _list("people renamed in Picasa", renamed, verbose)
    yield from _list("ids without a name", [placeholder(contact) for contact in summary.orphans], verbose)
    conflicts = [
        f"{placeholder(contact)}: {', '.join(map(printable, names))}" for contact, names in summary.conflicts.items()
    ]
    yield from _list("ids with several names", conflicts, verbose)
    shared = [f"{printable(name)}: {count(len(ids), 'ids')}" for name, ids in summary.shared.items()]
    yield from _list("people with several ids, a cluster for each", shared, verbose)
    stale = [f"{printable(folder)}: [{printable(section)}]" for folder, section in summary.stale.rows]
    yield from _list("sections with faces of files that are not there", stale, verbose, summary.stale.count)
    unknown = [f"{printable(folder)}: [{printable(section)}]" for folder, section in summary.unknown.rows]
    words = "sections with faces of files that facelib does not read (RAW, films)"
    yield from _list(words, unknown, verbose, summary.unknown.count)


def _list(what: str, rows: Sequence[str], verbose: bool, number: int | None = None) -> Iterator[str]:
    """A heading with how many there are, and the first of them; `number` where not all are in `rows`."""
    if not rows:
        return
    number = len(rows) if number is None else number
    yield f"  {what}: {number:,}"
    shown = rows if verbose else rows[:_LISTED]
    for row in shown:
        yield f"    {row}"
    if number > len(shown):
        more = f"    ... and {number - len(shown):,} more"
        yield more if verbose else f"{more} (-v lists them)"
