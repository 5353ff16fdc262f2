"""`facelib import-xmp`: the face regions that programs wrote into photographs and into sidecars beside them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from facelib.models import Path
from facelib.picasa import packets, xmp
from facelib.picasa.frames import known_orientation
from facelib.picasa.regions import STORED, frames, in_frame
from facelib.picasa.xmp import IPTC, MP, MWG, PERSON, XmpRegion, XmpRegions
from facelib.progress import Progress, Stop, count
from facelib.stages.beside import LARGEST, Doubts, Folder, Some
from facelib.store import Database, files, notes, people, regions

_SCHEMAS = (MWG, MP, IPTC)


@dataclass(slots=True)
class XmpSummary:
    """What was read and kept."""

    photos: int = 0  # looked into
    with_regions: int = 0
    changes: regions.Changes = field(default_factory=regions.Changes)  # of regions
    noted: int = 0  # photos of which a caption or keyword is new, or gone
    people: int = 0  # new ones
    other_kinds: int = 0  # pets, focus points, bar codes
    turned: Some[tuple[Path, str]] = field(default_factory=Some)  # sidecars that think the photo turned otherwise
    alone: Some[tuple[Path, str]] = field(default_factory=Some)  # sidecars with regions, of photos that are not there
    doubts: Doubts = field(default_factory=Doubts)
    complete: bool = True


@dataclass(frozen=True, slots=True)
class _Part:
    """What one file says."""

    place: Path
    sidecar: bool
    says: XmpRegions


@dataclass(slots=True)
class _Told:
    """What the files of one photo say, which may lie in the folder under several names."""

    parts: list[_Part] = field(default_factory=list)  # sidecars first: they are newer
    tellers: set[regions.Teller] = field(default_factory=set)  # those that were read to their end


def run(
    db: Database, run_id: int, folders: Iterable[Folder], progress: Progress, stop: Stop, *, alone: bool = True
) -> XmpSummary:
    """Read the XMP of all photos in these folders (not below them), and of their sidecars; the photos have to be indexed.

    `alone`: also look for sidecars with regions that belong to no photo.
    """
    summary = XmpSummary()
    reader = _Reader(db, run_id, people.People(db), summary)
    progress.start("reading XMP", None, "folders")
    for folder in folders:
        if stop.due:
            summary.complete = False
            break
        with db.atomic():
            reader.folder(folder, alone=alone)
        progress.advance()
    progress.finish()
    summary.people = reader.people.added
    return summary


@dataclass(slots=True)
class _Reader:
    """One import on its way through the folders."""

    db: Database
    run_id: int
    people: people.People
    summary: XmpSummary

    def folder(self, folder: Folder, *, alone: bool) -> None:
        """All photos of a folder, and the sidecars that belong to none."""
        folder_id, photos = files.photos_in(self.db, folder.path)
        names = [os.path.basename(path) for path, _ in photos]
        beside = packets.sidecars(names, folder.names)
        told: dict[int, _Told] = {}
        for (path, photo_id), name in zip(photos, names, strict=True):
            self.summary.photos += 1
            self._read(path, beside.get(name, ()), told.setdefault(photo_id, _Told()))
        for photo_id, one in told.items():
            if folder_id is not None and one.parts:
                self._photo(photo_id, folder_id, one)
        if alone:
            taken = {name for found in beside.values() for name in found}
            for name in folder.names:
                if name.lower().endswith(".xmp") and name not in taken:
                    self._note_alone(os.path.join(folder.path, name))

    def _photo(self, photo_id: int, folder_id: int, told: _Told) -> None:
        size = regions.size_of(self.db, photo_id)
        says = xmp.combined([part.says for part in told.parts])
        note = notes.Note(False, says.description, says.keywords)
        self.summary.noted += notes.note_photo(self.db, photo_id, folder_id, "xmp", note)
        self.summary.with_regions += bool(says.regions)
        if size is None:
            if says.regions or says.people:
                words = "it has face regions, but the picture cannot be read"
                self.summary.doubts.lines.add((told.parts[-1].place, 0, words))
            return
        found = self._found(told.parts, size)
        changes = regions.say(self.db, self.run_id, photo_id, folder_id, told.tellers, found, self.people.id_of)
        self.summary.changes.add(changes)

    # ------------------------------------------------------------------------------------------------ reading

    def _read(self, path: Path, sidecars: Sequence[str], told: _Told) -> None:
        """Take what the packets in a photo and its sidecars say."""
        folder, suffix = os.path.dirname(path), path.rpartition(".")[2].lower()
        for place, sidecar in (*((os.path.join(folder, name), True) for name in sidecars), (path, False)):
            packets_of = self._packets(place, sidecar=sidecar)
            if packets_of is None:
                continue
            whole = not packets_of.problems
            for packet in packets_of.packets:
                says = xmp.read(packet)
                if sidecar and says.sidecar_for is not None and says.sidecar_for.lower() != suffix:
                    continue
                for problem in says.problems:
                    self.summary.doubts.lines.add((place, 0, problem))
                whole &= not says.problems
                told.parts.append(_Part(place, sidecar, says))
            if whole:
                told.tellers.update((schema, sidecar) for schema in _SCHEMAS)
        told.parts.sort(key=lambda part: not part.sidecar)

    def _packets(self, place: Path, *, sidecar: bool) -> packets.Packets | None:
        try:
            with open(place, "rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                if sidecar and size > LARGEST:
                    self.summary.doubts.unread.add((place, f"it has {size:,} bytes and is no sidecar"))
                    return None
                found = packets.find(stream)
        except OSError as error:
            self.summary.doubts.unread.add((place, f"it cannot be read: {error.strerror}"))
            return None
        for problem in found.problems:
            self.summary.doubts.lines.add((place, 0, problem))
        return found

    def _note_alone(self, place: Path) -> None:
        found = self._packets(place, sidecar=True)
        parts = [xmp.read(packet) for packet in found.packets] if found else []
        people_in = [region for part in parts for region in part.regions if region.shows_person]
        if people_in:
            self.summary.alone.add((place, count(len(people_in), "face regions")))

    # ------------------------------------------------------------------------------------------------ regions

    def _found(self, parts: Sequence[_Part], size: tuple[int, int, int]) -> list[regions.Found]:
        """The people of a photo as they are kept, those with a place first."""
        width, height, orientation = size
        stored = (height, width) if orientation >= 5 else (width, height)
        kept: dict[tuple[str, bool, str, str], regions.Found] = {}
        named: dict[str, None] = {}
        for part in parts:
            turned = part.sidecar and part.says.orientation not in (None, known_orientation(orientation))
            if turned and any(region.box for region in part.says.regions):
                words = (
                    f"it says that the picture is turned (orientation {part.says.orientation}), the photograph itself says"
                    f" {known_orientation(orientation)}: the people in it are kept, the places of their faces are not"
                )
                self.summary.turned.add((part.place, words))
            for region in part.says.regions:
                if not region.shows_person:
                    self.summary.other_kinds += 1
                elif region.box is None or turned:
                    named.update(dict.fromkeys((region.name, *region.people) if region.name else region.people))
                else:
                    _keep(kept, _placed(region, part.sidecar, stored, orientation))
                    named.update(dict.fromkeys(region.people))
            named.update(dict.fromkeys(part.says.people))
        known = {people.name_key(one.name) for one in kept.values() if one.name}
        for name in named:  # in the picture, nobody says where
            clean = people.clean_name(name)
            if people.name_key(clean) not in known and clean:
                _keep(kept, regions.Found("xmp", IPTC, f"person {clean}", "", None, name=clean))
        return list(kept.values())


def _keep(kept: dict[tuple[str, bool, str, str], regions.Found], one: regions.Found) -> None:
    """Add a region; two people at one place are kept both."""
    while one.key in kept and kept[one.key].name != one.name:
        one = replace(one, place=one.place + "'")
    kept.setdefault(one.key, one)


def _placed(region: XmpRegion, sidecar: bool, stored: tuple[int, int], orientation: int) -> regions.Found:
    """A region with a box: fractions of the frame that is the more plausible one."""
    frame = frames(region.applied_to, stored, orientation)[0]
    area = in_frame(region, frame, stored, orientation)
    if area is None:
        raise ValueError("a region without a box has no place")
    shares = (area.left, area.top, area.right, area.bottom)
    return regions.Found(
        "xmp",
        region.schema,
        " ".join(f"{number:.6f}" for number in shares),
        "",
        shares,
        sidecar=sidecar,
        display=frame != STORED,
        name=people.clean_name(region.name or "") or None,
        whole=region.kind == PERSON,
    )
