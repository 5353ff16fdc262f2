"""What follows for the faces of a photo from the regions that lie on them: decisions of the importers, and clusters.

The user goes before: where he has said who a face is, that it is none, or that it is not whom a region names, nothing is added,
and a decision of an importer that he took back is not made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facelib.store import Database, decisions, people, regions
from facelib.store.regions import KnownPhoto, Region, Said


@dataclass(slots=True)
class LaidSummary:
    """What was decided."""

    decided: int = 0  # decisions made
    replaced: int = 0  # decisions of earlier imports that do not hold any more
    kept: int = 0  # faces of which the user has said something else


class Clusters:
    """The clusters of Picasa's ids, each looked up once."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: dict[tuple[str, int], int] = {}

    def of(self, region: Region) -> int:
        """The cluster of a region with a contact."""
        if region.person_id is None:  # it may become somebody's
            return people.cluster_of_contact(self._db, region.contact, None)
        key = (region.contact, region.person_id)
        if key not in self._known:
            self._known[key] = people.cluster_of_contact(self._db, *key)
        return self._known[key]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the most trusted region of a face says of it."""

    verdict: str
    meant: int | None
    region: Region

    def is_said_by(self, said: Said) -> bool:
        return (said.verdict, said.meant) == (self.verdict, self.meant)


def decide(
    db: Database,
    photo: KnownPhoto,
    on_faces: Sequence[tuple[int, Sequence[Region]]],
    known: Sequence[Region],
    clusters: Clusters,
    summary: LaidSummary,
) -> None:
    """Let the importers' decisions be what the regions on the faces say; `known` are all regions of the photo."""
    members: dict[int, list[Region]] = {}
    for face_id, part in on_faces:
        members.setdefault(face_id, []).extend(part)
    wanted = {face_id: want for face_id, part in members.items() if (want := _wanted(part)) is not None}
    said = regions.decisions_of(db, photo)
    standing = _keep(db, wanted, said, known, summary)
    for face_id, want in wanted.items():
        by_user = [one for one in said if one.made_by == "user" and one.face_id == face_id and not one.undone]
        if _contradicts(by_user, want):
            summary.kept += 1
        elif face_id in standing:
            if want.region.decision_id != standing[face_id]:
                regions.save_decision(db, want.region.region_id, standing[face_id])
        elif _took_back(said, known, face_id, want):
            summary.kept += 1
        elif not any(map(_is_final, by_user)):
            person = want.region.person_id if want.verdict == "is" else None
            decision_id = decisions.add(db, face_id, want.verdict, person, want.region.source)
            regions.save_decision(db, want.region.region_id, decision_id)
            summary.decided += 1
    _put_into_clusters(db, photo, members, clusters)


def _wanted(part: Sequence[Region]) -> _Wanted | None:
    """What is said first by name; else the name that its id has from elsewhere."""
    for regions_that in (
        (r for r in part if r.ignored or (r.meant is not None and r.name is not None)),
        (r for r in part if r.meant is not None),
    ):
        speaker = next(regions_that, None)
        if speaker is not None:
            return _Wanted("ignore" if speaker.ignored else "is", None if speaker.ignored else speaker.meant, speaker)
    return None


def _keep(
    db: Database, wanted: dict[int, _Wanted], said: Sequence[Said], known: Sequence[Region], summary: LaidSummary
) -> dict[int, int]:
    """Take back the importers' decisions that do not hold any more; gives those that stand, by face."""
    on_face = {want.region.region_id: face_id for face_id, want in wanted.items()}
    linked: dict[int, list[Region]] = {}
    for region in known:
        if region.decision_id is not None:
            linked.setdefault(region.decision_id, []).append(region)
    standing: dict[int, int] = {}
    for one in said:
        if one.undone or one.made_by == "user":
            continue
        speakers = linked.get(one.decision_id, [])
        face_id = one.face_id
        if face_id is None:  # its face was drawn anew
            face_id = next((on_face[r.region_id] for r in speakers if r.region_id in on_face), None)
        want = None if face_id is None else wanted.get(face_id)
        if want is None and not speakers:
            continue  # carried over from the photo before an edit, or waiting for its face: nobody says otherwise
        holds = want is not None and want.is_said_by(one) and want.region.source == one.made_by
        overtakes = any(_is_final(u) and u.face_id == face_id and u.decision_id < one.decision_id for u in said)
        if face_id is None or not holds or overtakes or face_id in standing:
            decisions.replace(db, one.decision_id)
            summary.replaced += 1
            continue
        standing[face_id] = one.decision_id
        if one.face_id is None:
            regions.give_face(db, one.decision_id, face_id)
    return standing


def _is_final(said: Said) -> bool:
    """Whether the user has settled who a face is."""
    return said.made_by == "user" and not said.undone and said.verdict != "is_not"


def _contradicts(by_user: Sequence[Said], want: _Wanted) -> bool:
    """Whether the user has said something else, and nothing newer."""
    heard = (one for one in reversed(by_user) if one.verdict != "is_not" or one.meant == want.meant)
    last = next(heard, None)
    return last is not None and not want.is_said_by(last)


def _took_back(said: Sequence[Said], known: Sequence[Region], face_id: int, want: _Wanted) -> bool:
    """Whether the user took back what the region says; what an importer took back itself, no region remembers."""
    remembered = {region.decision_id for region in known}
    return any(
        one.undone
        and want.is_said_by(one)
        and (
            one.decision_id in remembered
            if one.face_id == face_id
            else one.face_id is None and one.decision_id == want.region.decision_id
        )
        for one in said
    )


def _put_into_clusters(db: Database, photo: KnownPhoto, members: dict[int, list[Region]], clusters: Clusters) -> None:
    """Let Picasa's ids group the faces."""
    before = people.clusters_by_contact(db, photo.photo_id)
    for face_id, part in members.items():
        contact = next((region for region in part if region.contact), None)
        if contact is not None:
            cluster_id = clusters.of(contact)
            if before.pop(face_id, None) != cluster_id:
                people.put_into_cluster(db, face_id, cluster_id)
    for face_id in before:
        people.take_from_cluster(db, face_id)
