"""Laying imported regions on faces: in which frame they are, which detected face each is, and what follows.

What comes out depends on the regions and the detected faces alone, not on which were there first: it is done again for
every folder in which a detector has looked since. Decisions of the user are never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from facelib.models import Box
from facelib.picasa import frames, rect64
from facelib.picasa.join import join, same_region
from facelib.progress import Progress, Stop
from facelib.store import Database, decisions, people, regions
from facelib.store.regions import KnownPhoto, Region


@dataclass(slots=True)
class RegionSummary:
    """What came of the folders that were due."""

    folders: int = 0
    decided: int = 0  # decisions made
    replaced: int = 0  # decisions of earlier imports that were wrong
    kept: int = 0  # faces of which the user has said something else
    complete: bool = True

    def as_dict(self) -> dict[str, int | bool]:
        """For JSON."""
        return {name: getattr(self, name) for name in ("folders", "decided", "replaced", "kept", "complete")}


@dataclass(slots=True)
class _Laid:
    """A region in the photo: where, in which frame, and the face that it is."""

    region: Region
    box: Box | None  # None: without a box, or outside of the photo
    frame: str | None
    verified: bool


@dataclass(slots=True)
class _Group:
    """Regions of one photo that are one face drawn several times; the most trusted first."""

    members: list[_Laid] = field(default_factory=list)
    face_id: int | None = None

    @property
    def box(self) -> Box:
        box = self.members[0].box
        assert box is not None  # what has none is in no group
        return box

    @property
    def names(self) -> set[int | None]:
        return {one.region.person_id for one in self.members} - {None}

    def may_take(self, other: _Laid) -> bool:
        """Whether another region is the same face: at the same place, and not somebody else."""
        if other.box is None or (other.region.person_id is not None and self.names - {other.region.person_id}):
            return False
        return any(same_region(one.box, other.box) for one in self.members if one.box is not None)


def run(db: Database, progress: Progress, stop: Stop) -> RegionSummary:
    """Lay all regions that are due, a folder a transaction."""
    summary = RegionSummary()
    due = regions.folders_due(db)
    if due:
        progress.start("laying regions", len(due), "folders")
    for folder_id in due:
        if stop.due:
            summary.complete = False
            break
        with db.atomic():
            _settle(db, [regions.known_photo(db, photo_id) for photo_id in regions.photos_of(db, folder_id)], summary)
        summary.folders += 1
        progress.advance()
    if due:
        progress.finish()
    return summary


def _settle(db: Database, photos: Sequence[KnownPhoto], summary: RegionSummary) -> None:
    """Lay the regions of one folder's photos; they go together, because a wrong size is common to a folder."""
    found = {photo.photo_id: regions.of_photo(db, photo.photo_id) for photo in photos}
    seen = {photo.photo_id: regions.faces_of(db, photo.photo_id) for photo in photos}
    laid = _lay(photos, found, {key: [box for _, box, drawn in faces if not drawn] for key, faces in seen.items()})
    for photo in photos:
        groups = _grouped(laid[photo.photo_id])
        _find_faces(groups, [(face_id, box) for face_id, box, drawn in seen[photo.photo_id] if not drawn])
        drawn = {face_id: box for face_id, box, drawn in seen[photo.photo_id] if drawn}
        _draw_others(db, photo, groups, drawn)
        _write(db, photo, groups, laid[photo.photo_id], summary)
        regions.remove_unused_drawn(db, photo.photo_id)


# -------------------------------------------------------------------------------------------------------- frames


def _lay(
    photos: Sequence[KnownPhoto], found: dict[int, list[Region]], faces: dict[int, list[Box]]
) -> dict[int, list[_Laid]]:
    """Every region in pixels of its photo. Picasa's are judged by the folder, those of XMP packet by packet."""
    laid: dict[int, list[_Laid]] = {photo.photo_id: [] for photo in photos}
    folder: list[tuple[KnownPhoto, list[Region], frames.PhotoBoxes]] = []
    for photo in photos:
        boxed = [region for region in found[photo.photo_id] if region.shares is not None]
        laid[photo.photo_id] += [_Laid(r, None, None, False) for r in found[photo.photo_id] if r.shares is None]
        seen = tuple(faces[photo.photo_id]) if photo.searched else None
        picasas = [region for region in boxed if region.source == "picasa"]
        if picasas:
            folder.append((photo, picasas, _picasa_boxes(photo, picasas, seen)))
        kinds = dict.fromkeys((region.scheme, region.display) for region in boxed if region.source == "xmp")
        for scheme, display in kinds:
            part = [r for r in boxed if (r.scheme, r.display) == (scheme, display) and r.source == "xmp"]
            boxes = frames.PhotoBoxes(
                _shares(part), photo.width, photo.height, photo.orientation,
                frame="upright" if display else "stored", firm=False, faces=seen,
            )  # fmt: skip
            laid[photo.photo_id] += _judged(part, frames.verify([boxes])[0])
    for (photo, part, _), verdict in zip(folder, frames.verify([boxes for *_, boxes in folder]), strict=True):
        laid[photo.photo_id] = _judged(part, verdict) + laid[photo.photo_id]
    return laid


def _picasa_boxes(photo: KnownPhoto, part: Sequence[Region], seen: tuple[Box, ...] | None) -> frames.PhotoBoxes:
    crop = next((rect64.parse(region.crop) for region in part if region.crop), None)
    area = None if crop is None else rect64.decode(crop)
    return frames.PhotoBoxes(
        _shares(part),
        photo.width,
        photo.height,
        photo.orientation,
        frame=frames.frame_of_file(photo.name),
        faces=seen,
        crop=None if area is None else (area.left, area.top, area.right, area.bottom),
    )


def _shares(part: Iterable[Region]) -> tuple[frames.Shares, ...]:
    return tuple(region.shares for region in part if region.shares is not None)


def _judged(part: Sequence[Region], verdict: frames.Verdict) -> list[_Laid]:
    frame: str = verdict.hypothesis
    if frame == "scaled":
        frame = f"scaled {verdict.factor:.3f}"
    return [_Laid(region, box, frame, verdict.verified) for region, box in zip(part, verdict.boxes, strict=True)]


# --------------------------------------------------------------------------------------------------------- faces


def _grouped(laid: Sequence[_Laid]) -> list[_Group]:
    """The regions of a photo by the face that they draw: the ini and the XMP beside it, several schemas, double boxes.

    Two boxes of Picasa's own files with different contacts stay two.
    """
    groups: list[_Group] = []
    for one in laid:
        if one.box is None:
            continue
        group = next((group for group in groups if group.may_take(one) and _may_share(group, one)), None)
        if group is None:
            groups.append(group := _Group())
        group.members.append(one)
    return groups


def _may_share(group: _Group, one: _Laid) -> bool:
    """One file's two unnamed boxes are two faces; of two files, or of one contact, they may be one."""
    return all(
        other.region.scheme != one.region.scheme or (other.region.contact == one.region.contact != "")
        for other in group.members
    )


def _find_faces(groups: Sequence[_Group], faces: Sequence[tuple[int, Box]]) -> None:
    """Give each group the detected face, or the one that the user drew, that it is."""
    pairs = join([group.box for group in groups], [box for _, box in faces])
    for index, face in pairs.items():
        groups[index].face_id = faces[face][0]
    # Where two schemas of one photo disagree about the place of a person, the one that a face agrees with is right.
    named = {name: group.face_id for group in groups if group.face_id is not None for name in group.names}
    for group in groups:
        if group.face_id is None and all(one.region.source == "xmp" for one in group.members) and len(group.names) == 1:
            (name,) = group.names
            group.face_id = named.get(name)


def _draw_others(db: Database, photo: KnownPhoto, groups: Sequence[_Group], drawn: dict[int, Box]) -> None:
    """Faces of their own for the groups that no detector sees: those drawn in an earlier run, or new ones."""
    free = dict(drawn)
    for group in groups:
        before = next((one.region.face_id for one in group.members if one.region.face_id in free), None)
        if before is not None and group.face_id is not None:
            regions.replace_face(db, before, group.face_id)
            del free[before]
        elif before is not None:
            if free.pop(before) != group.box:
                regions.redraw_face(db, before, group.box)
            group.face_id = before
        elif group.face_id is None and not all(one.region.whole for one in group.members):
            group.face_id = regions.draw_face(db, photo.photo_id, group.members[0].region.source, group.box)


# ----------------------------------------------------------------------------------------------------- decisions


def _write(
    db: Database, photo: KnownPhoto, groups: Sequence[_Group], laid: Sequence[_Laid], summary: RegionSummary
) -> None:
    for one in (one for one in laid if one.box is None):
        regions.save_laid(db, one.region, one.frame, one.verified, None, photo.newest)
    of_face: dict[int, list[_Laid]] = {}
    for group in groups:
        if group.face_id is not None:
            of_face.setdefault(group.face_id, []).extend(group.members)
        for one in group.members:
            regions.save_laid(db, one.region, one.frame, one.verified, group.face_id, photo.newest)
    for face_id, members in sorted(of_face.items()):
        contact = next((one.region for one in members if one.region.contact), None)
        if contact is not None:
            cluster = people.cluster_of_contact(db, contact.contact, contact.person_id)
            people.put_into_cluster(db, face_id, cluster)
        _decide(db, face_id, [one.region for one in members], summary)


def _decide(db: Database, face_id: int, members: Sequence[Region], summary: RegionSummary) -> None:
    """Let the decision of the importers be what the most trusted region says, unless the user has said something."""
    ordered = sorted(members, key=lambda region: region.source != "picasa")
    speaker = next((r for r in ordered if r.person_id is not None or r.ignored), None)
    said = decisions.standing(db, face_id)
    if any(decision.made_by == "user" for decision in said):
        summary.kept += speaker is not None and not any(d.person_id == speaker.person_id for d in said)
        return
    if speaker is None:
        return
    wanted: tuple[str, int | None] = ("ignore", None) if speaker.person_id is None else ("is", speaker.person_id)
    right = [decision for decision in said if (decision.verdict, decision.person_id) == wanted]
    for decision in said:
        if decision not in right:
            decisions.replace(db, decision.decision_id)
            summary.replaced += 1
    if right:
        if speaker.decision_id is None:
            regions.save_decision(db, speaker.region_id, right[-1].decision_id)
        return
    if speaker.decision_id is not None and decisions.is_undone(db, speaker.decision_id):
        return  # the user took it back
    decision_id = decisions.add(db, face_id, wanted[0], wanted[1], speaker.source)
    regions.save_decision(db, speaker.region_id, decision_id)
    summary.decided += 1
