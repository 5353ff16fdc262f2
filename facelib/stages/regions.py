"""Laying imported regions on faces: in which frame they are, which face each is, and what follows.

What comes out depends on the regions, the detected faces and what the user said alone, not on which were there first: it is
done again for every folder in which a detector has looked since. Decisions of the user are never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from facelib.models import Box
from facelib.picasa import frames, rect64
from facelib.picasa.group import Told, grouped
from facelib.picasa.join import fit, join, same_region
from facelib.progress import Progress, Stop
from facelib.stages.verdicts import Clusters, LaidSummary, decide
from facelib.store import Database, faces, people, regions
from facelib.store.regions import IMPORTED, KnownPhoto, Region


@dataclass(slots=True)
class RegionSummary(LaidSummary):
    """What came of the folders that were due."""

    folders: int = 0
    complete: bool = True

    def as_dict(self) -> dict[str, int | bool]:
        """For JSON."""
        return {name: getattr(self, name) for name in ("folders", "decided", "replaced", "kept", "complete")}


@dataclass(frozen=True, slots=True)
class _Laid:
    """A region in the photo: where, and in which frame."""

    region: Region
    box: Box | None  # None: without a box, or outside of the photo
    frame: str | None
    verified: bool


@dataclass(slots=True)
class _Group:
    """Regions of one photo that are one face; the most trusted first."""

    members: list[_Laid]
    box: Box
    face_id: int | None = None
    tellers: set[tuple[int, str, bool]] = field(default_factory=set)

    @property
    def whole(self) -> bool:
        """Whether the box is about somebody as a whole: no face is drawn from that."""
        return all(one.region.whole for one in self.members)

    @property
    def meant(self) -> set[int]:
        """The people that are named."""
        return {one.region.meant for one in self.members if one.region.meant is not None}


def run(db: Database, progress: Progress, stop: Stop) -> RegionSummary:
    """Lay all regions that are due, a folder a transaction."""
    summary = RegionSummary()
    clusters = Clusters(db)
    more = True
    while more and summary.complete:
        _lay_due(db, clusters, summary, progress, stop)
        with db.atomic():
            # Also when nothing was due: the run that laid the regions may have ended before this.
            more = summary.complete and regions.name_by_place(db)
            if summary.complete and not more:
                people.remove_empty_clusters(db)
    return summary


def _lay_due(db: Database, clusters: Clusters, summary: RegionSummary, progress: Progress, stop: Stop) -> None:
    due = regions.folders_due(db)
    if due:
        progress.start("laying regions", len(due), "folders")
    for folder_id in due:
        if stop.due:
            summary.complete = False
            break
        with db.atomic():
            _settle(db, folder_id, clusters, summary)
        summary.folders += 1
        progress.advance()
    if due:
        progress.finish()


def _settle(db: Database, folder_id: int, clusters: Clusters, summary: RegionSummary) -> None:
    """Lay the regions of one folder's photos; they go together, because a wrong size is common to a folder."""
    photos = regions.photos_of(db, folder_id)
    said = {photo.photo_id: regions.of_photo(db, photo.photo_id) for photo in photos}
    seen = {photo.photo_id: regions.faces_of(db, photo.photo_id) for photo in photos}
    found = {key: {one: box for one, box, source in s if source not in IMPORTED} for key, s in seen.items()}
    laid = _lay(photos, folder_id, said, {key: _evidence(db, key, boxes) for key, boxes in found.items()})
    for photo in photos:
        key = photo.photo_id
        groups = _groups(laid[key])
        _find_faces(groups, found[key])
        # What is not laid yet, by a folder that is due too, keeps its drawn faces until then.
        mine = {one.region.region_id for one in laid[key]}
        others = {region.face_id for region in said[key] if not region.gone and region.region_id not in mine}
        drawn = {one: (box, source) for one, box, source in seen[key] if source in IMPORTED and one not in others}
        _draw(db, photo, groups, found[key], drawn)
        _save(db, photo, groups, laid[key], said[key])
        by_face = [
            (group.face_id, [one.region for one in group.members]) for group in groups if group.face_id is not None
        ]
        decide(db, photo, by_face, said[key], clusters, summary)


# -------------------------------------------------------------------------------------------------------- frames


def _lay(
    photos: Sequence[KnownPhoto], folder_id: int, said: dict[int, list[Region]], seen: dict[int, list[Box]]
) -> dict[int, list[_Laid]]:
    """Every region in pixels of its photo, the most trusted first.

    Picasa's are judged by the folder, those of XMP packet by packet. What Picasa says of a copy in another folder stays as it
    was laid with that folder.
    """
    laid: dict[int, dict[int, _Laid]] = {photo.photo_id: {} for photo in photos}
    folder: list[tuple[KnownPhoto, list[Region], frames.PhotoBoxes]] = []
    for photo in photos:
        tellers: dict[tuple[int, str, bool], list[Region]] = {}
        for region in said[photo.photo_id]:
            if not region.gone and region.shares is not None:
                teller = (region.folder_id, region.source, False) if region.source == "picasa" else region.teller
                tellers.setdefault(teller, []).append(region)
            elif not region.gone:
                laid[photo.photo_id][region.region_id] = _Laid(region, None, None, False)
        for teller, part in tellers.items():
            boxes = _boxes(photo, part, seen[photo.photo_id])
            if part[0].source == "xmp":
                _note(laid, photo, part, frames.verify([boxes])[0])
            elif teller[0] == folder_id:
                folder.append((photo, part, boxes))
            else:
                _note_as_before(laid, photo, part, boxes)
    for (photo, part, _), verdict in zip(folder, frames.verify([boxes for *_, boxes in folder]), strict=True):
        _note(laid, photo, part, verdict)
    return {
        photo.photo_id: [
            laid[photo.photo_id][region.region_id]
            for region in said[photo.photo_id]
            if region.region_id in laid[photo.photo_id]
        ]
        for photo in photos
    }


def _evidence(db: Database, photo_id: int, seen: dict[int, Box]) -> list[Box]:
    """The faces that show where the boxes are; one that is none, as somebody said, shows nothing."""
    denied = regions.denied_of(db, photo_id) if seen else set()
    return [box for face_id, box in seen.items() if face_id not in denied]


def _boxes(photo: KnownPhoto, part: Sequence[Region], seen: Sequence[Box]) -> frames.PhotoBoxes:
    """What one teller says of a photo, as it is to be verified."""
    first = part[0]
    shares = tuple(region.shares for region in part if region.shares is not None)
    faces_seen = tuple(seen) if photo.searched else None
    if first.source == "xmp":
        frame: frames.Frame = "upright" if first.display else "stored"
        return frames.PhotoBoxes(
            shares, photo.width, photo.height, photo.orientation, frame=frame, firm=False, faces=faces_seen
        )
    crop = next((number for region in part if region.crop and (number := rect64.parse(region.crop)) is not None), None)
    area = None if crop is None else rect64.decode(crop)
    return frames.PhotoBoxes(
        shares, photo.width, photo.height, photo.orientation,
        frame=frames.frame_of_file(photo.name), faces=faces_seen,
        crop=None if area is None else (area.left, area.top, area.right, area.bottom),
    )  # fmt: skip


def _note(
    laid: dict[int, dict[int, _Laid]], photo: KnownPhoto, part: Sequence[Region], verdict: frames.Verdict
) -> None:
    frame = f"scaled {verdict.factor:.4f}" if verdict.hypothesis == "scaled" else verdict.hypothesis
    for region, box in zip(part, verdict.boxes, strict=True):
        laid[photo.photo_id][region.region_id] = _Laid(region, box, frame, verdict.verified)


def _note_as_before(
    laid: dict[int, dict[int, _Laid]], photo: KnownPhoto, part: Sequence[Region], boxes: frames.PhotoBoxes
) -> None:
    """Regions that belong to another folder, in the frame that was found there; those that were not laid yet wait for it."""
    for hypothesis in dict.fromkeys(region.frame for region in part if region.frame is not None):
        name, _, factor = hypothesis.partition(" ")
        placed = frames.place_as(boxes, name, float(factor or 1))
        for region, box in zip(part, placed, strict=True):
            if region.frame == hypothesis:
                laid[photo.photo_id][region.region_id] = _Laid(region, box, hypothesis, region.verified)


# --------------------------------------------------------------------------------------------------------- faces


def _groups(laid: Sequence[_Laid]) -> list[_Group]:
    """The regions of a photo by the face that they are."""
    boxed = [(one, one.region, one.box) for one in laid if one.box is not None]
    # A name that an id has from XMP elsewhere says nothing about this place.
    told = [Told(box, r.teller, r.meant if r.name is not None else None, r.contact) for _, r, box in boxed]
    found = []
    for group in grouped(told):
        members = [boxed[index][0] for index in group]
        found.append(_Group(members, boxed[group[0]][2], tellers={one.region.teller for one in members}))
    return found


def _find_faces(groups: Sequence[_Group], seen: dict[int, Box]) -> None:
    """Give each group the detected face, or the one that the user drew, that it is."""
    drawn_as_faces = [group for group in groups if not group.whole]
    for index, face in join([group.box for group in drawn_as_faces], list(seen.values())).items():
        drawn_as_faces[index].face_id = list(seen)[face]
    _find_by_name(groups)
    _find_within(groups, seen)


def _find_by_name(groups: Sequence[_Group]) -> None:
    """Where two schemas disagree about the place of a person, the one that a face agrees with is right."""
    for group in groups:
        if group.face_id is None and all(one.region.source == "xmp" for one in group.members) and len(group.meant) == 1:
            same = (g for g in groups if g.face_id is not None and g.meant == group.meant)
            group.face_id = next((g.face_id for g in same if not g.tellers & group.tellers), None)


def _find_within(groups: Sequence[_Group], seen: dict[int, Box]) -> None:
    """Of a box around a whole person, the face is the only one in it: in its middle, or in that of its upper half."""
    for group in groups:
        if group.face_id is None and group.whole:
            inside = [face_id for face_id, box in seen.items() if _is_within(box, group.box)]
            taken = {other.face_id for other in groups}
            if len(inside) == 1 and inside[0] not in taken and _is_head(seen[inside[0]], group.box):
                group.face_id = inside[0]


def _is_within(face: Box, person: Box) -> bool:
    x, y = face.center
    return person.left < x < person.right and person.top < y < person.bottom


def _is_head(face: Box, person: Box) -> bool:
    x, y = face.center
    aside = abs(x - person.center[0]) < person.width / 4
    return fit(person, face) > 0 or (aside and y < person.center[1] and face.width <= person.width)


def _draw(
    db: Database,
    photo: KnownPhoto,
    groups: Sequence[_Group],
    seen: dict[int, Box],
    drawn: dict[int, tuple[Box, str]],
) -> None:
    """Faces of their own for the groups that no detector sees: those drawn in an earlier run, or new ones.

    A drawn face that a detector sees now becomes that one, with all that was said of it. What the user said of a box that has
    proved to be in the wrong place stays where it was said.
    """
    free = dict(drawn)
    linked = {one.region.face_id for group in groups for one in group.members}
    spoken = regions.spoken_of(db, photo.photo_id) if drawn else set()
    for group in groups:
        mine = [one.region.face_id for one in group.members if one.region.face_id in free]
        mine += [face_id for face_id in free if face_id not in linked and same_region(free[face_id][0], group.box)]
        if group.face_id is not None:
            box = seen[group.face_id]
            same = [face_id for face_id in mine if fit(free[face_id][0], box)]
        elif group.whole:
            continue
        else:
            box = group.box
            same = [face_id for face_id in mine if same_region(free[face_id][0], box)]
            group.face_id = _drawn_for(db, photo, group, [*same, *(one for one in mine if one not in spoken)], free)
        for face_id in same:
            if free.pop(face_id, None):
                regions.replace_face(db, face_id, group.face_id, box)
    for face_id in free:
        (regions.keep_as_users if face_id in spoken else regions.delete_face)(db, face_id)


def _drawn_for(
    db: Database, photo: KnownPhoto, group: _Group, known: Sequence[int | None], free: dict[int, tuple[Box, str]]
) -> int:
    """The drawn face of a group: the first of those known, taken out of `free`, or a new one."""
    source = group.members[0].region.source
    for face_id in known:
        if face_id is not None:
            if free.pop(face_id) != (group.box, source):
                regions.redraw_face(db, face_id, source, group.box)
            return face_id
    return faces.draw_face(db, photo.photo_id, source, group.box)


def _save(
    db: Database, photo: KnownPhoto, groups: Sequence[_Group], laid: Iterable[_Laid], said: Iterable[Region]
) -> None:
    """Write where the regions were laid; those that are not said any more, or lie outside, are on no face."""
    on_face = {one.region.region_id: group.face_id for group in groups for one in group.members}
    for one in laid:
        region = one.region
        regions.save_laid(db, region, one.frame, one.verified, on_face.get(region.region_id), photo.newest)
    for region in said:
        if region.gone:
            regions.save_laid(db, region, region.frame, region.verified, None, photo.newest)
