"""`facelib import-xmp`: the face regions that programs wrote into photographs and into sidecars beside them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from facelib.models import Path
from facelib.picasa import packets, xmp
from facelib.picasa.regions import STORED, frames, in_frame
from facelib.picasa.xmp import PERSON, XmpRegion, XmpRegions
from facelib.progress import Progress, Stop
from facelib.store import Database, files, notes, people, regions

LARGEST_SIDECAR = 64 << 20  # bytes


@dataclass(slots=True)
class XmpSummary:
    """What was read and kept."""

    photos: int = 0  # looked into
    with_regions: int = 0
    new: int = 0  # regions
    changed: int = 0
    people: int = 0  # new ones
    other_kinds: int = 0  # pets, focus points, bar codes
    problems: list[tuple[Path, int, str]] = field(default_factory=list)
    complete: bool = True


def run(db: Database, run_id: int, folders: Iterable[Path], progress: Progress, stop: Stop) -> XmpSummary:
    """Read the XMP of all photos in these folders (not below them), and of their sidecars; the photos have to be indexed."""
    summary = XmpSummary()
    everybody = people.People(db)
    progress.start("reading XMP", None, "folders")
    for folder in folders:
        if stop.due:
            summary.complete = False
            break
        folder_id, photos = files.photos_in(db, folder)
        if folder_id is not None:
            with db.atomic():
                _folder(db, run_id, folder, folder_id, photos, everybody, summary)
        progress.advance()
    progress.finish()
    summary.people = everybody.added
    return summary


def _folder(
    db: Database,
    run_id: int,
    folder: Path,
    folder_id: int,
    photos: Sequence[tuple[Path, int]],
    everybody: people.People,
    summary: XmpSummary,
) -> None:
    try:
        listing = os.listdir(folder)
    except OSError as error:
        summary.problems.append((folder, 0, f"the folder cannot be listed: {error.strerror}"))
        return
    beside = packets.sidecars([os.path.basename(path) for path, _ in photos], listing)
    for path, photo_id in photos:
        found = _read(path, [os.path.join(folder, name) for name in beside.get(os.path.basename(path), ())], summary)
        summary.photos += 1
        if found is None:
            continue
        summary.with_regions += bool(found.regions)
        summary.problems += ((path, 0, problem) for problem in found.problems)
        if found.keywords or found.description:
            notes.note_photo(db, photo_id, False, found.description, found.keywords)
        if found.regions or found.people:
            known = regions.size_of(db, photo_id)
            if known is None:
                summary.problems.append((path, 0, "it has face regions, but the picture cannot be read"))
                continue
            for region in _regions(found, known, everybody, summary):
                what = regions.add(db, run_id, photo_id, folder_id, region)
                summary.new += what == "new"
                summary.changed += what == "changed"


def _read(path: Path, sidecars: Sequence[Path], summary: XmpSummary) -> XmpRegions | None:
    """What the packets in a photo and its sidecars say; None where there are none. The sidecars are newer: they come first."""
    parts = []
    suffix = path.rpartition(".")[2].lower()
    for place in (*sidecars, path):
        try:
            with open(place, "rb") as stream:
                if place != path and os.fstat(stream.fileno()).st_size > LARGEST_SIDECAR:
                    summary.problems.append((place, 0, "it is too large for a sidecar"))
                    continue
                inside = packets.find(stream)
        except OSError as error:
            summary.problems.append((place, 0, f"it cannot be read: {error.strerror}"))
            continue
        summary.problems += ((place, 0, problem) for problem in inside.problems)
        for packet in inside.packets:
            part = xmp.read(packet)
            if place == path or part.sidecar_for is None or part.sidecar_for.lower() == suffix:
                parts.append(part)
    return xmp.combined(parts) if parts else None


def _regions(
    found: XmpRegions, size: tuple[int, int, int], everybody: people.People, summary: XmpSummary
) -> list[regions.Found]:
    """The regions of people as they are kept: fractions of the frame that is the more plausible one."""
    width, height, orientation = size
    stored = (height, width) if orientation >= 5 else (width, height)
    kept: dict[tuple[str, str], regions.Found] = {}
    for region in found.regions:
        if not region.shows_person:
            summary.other_kinds += 1
            continue
        frame = frames(region.applied_to, stored, orientation)[0]
        one = _found(region, frame, stored, orientation, everybody)
        key = one.place
        while (one.scheme, key) in kept and kept[one.scheme, key].name != one.name:
            key += "'"  # two people at one place: both are kept, and the report says that they differ
        kept.setdefault((one.scheme, key), replace(one, place=key))
    named = {one.person_id for one in kept.values()}
    for name in found.people:  # named for the whole picture
        person_id = everybody.id_of(name)
        if person_id is not None and person_id not in named:
            clean = people.clean_name(name)
            kept["iptc", clean] = regions.Found(
                "xmp", "iptc", f"person {clean}", "", None, name=clean, person_id=person_id
            )
    return list(kept.values())


def _found(
    region: XmpRegion, frame: str, stored: tuple[int, int], orientation: int, everybody: people.People
) -> regions.Found:
    area = in_frame(region, frame, stored, orientation)
    name = people.clean_name(region.name or "") or None
    numbers = "" if area is None else " ".join(f"{n:.6f}" for n in (area.left, area.top, area.right, area.bottom))
    return regions.Found(
        "xmp",
        region.schema,
        numbers or f"person {name}",
        "",
        None if area is None else (area.left, area.top, area.right, area.bottom),
        display=frame != STORED,
        name=name,
        person_id=None if name is None else everybody.id_of(name),
        whole=region.kind == PERSON,
    )
