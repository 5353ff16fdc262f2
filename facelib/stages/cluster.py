"""Stage five: faces that nobody could name, in groups that look alike, so that one answer settles many.

Groups grow and are not redrawn: a face keeps its group, new faces join one or found others. What somebody named, or a match did,
does not count any more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from facelib.progress import Progress, Stop
from facelib.store import Database, clusters


@dataclass(slots=True)
class ClusterSummary:
    """How the unknown faces are grouped now."""

    added: int = 0  # faces that were put into a group
    groups: int = 0  # of two faces and more
    grouped: int = 0  # faces in these
    alone: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **{name: getattr(self, name) for name in ("added", "groups", "grouped", "alone")},
            "seconds": round(self.seconds, 3),
        }


def run(db: Database, model: str, progress: Progress, stop: Stop) -> ClusterSummary:
    """Group the unknown faces that are in no group yet, by their encodings of `model`, in one transaction."""
    began = time.monotonic()
    due = 0 if stop.due else clusters.count_due(db, model)
    summary = ClusterSummary()
    if due:
        progress.start("grouping", due, "faces")
        with db.atomic():
            summary.added = _grow(db, model)
        progress.advance(due)
        progress.finish()
    summary.groups, summary.grouped, summary.alone = clusters.totals(db)
    summary.seconds = time.monotonic() - began
    return summary


def _grow(db: Database, model: str) -> int:
    import numpy as np

    from facelib.matching.cluster import STARTS, Groups, automatic_reach, grow
    from facelib.matching.faces import decode

    start = STARTS.get(model) or STARTS.get(model.split("-")[0])
    if start is None:
        return 0  # nobody has measured how near one person's faces are by this model
    rows = clusters.unknown_faces(db, model)
    length = len(rows[0].vector) // 4 if rows else 1
    ids, vectors, refused = decode(((row.face_id, model, row.vector) for row in rows), model, length)
    wrong = {one.face_id for one in refused}
    good = [row for row in rows if row.face_id not in wrong]
    if not good:
        return 0
    photos = np.array([row.photo_id for row in good], np.int64)
    old = np.array([row.cluster_id is not None for row in good])
    known = sorted({row.cluster_id for row in good if row.cluster_id is not None})
    number = {cluster_id: index for index, cluster_id in enumerate(known)}
    labels = np.array([number[row.cluster_id] for row in good if row.cluster_id is not None], np.int64)
    reach = automatic_reach(vectors, photos, start)
    groups = Groups.of(vectors[old], photos[old], labels)
    found = grow(groups, vectors[~old], photos[~old], reach)
    place = dict(enumerate(known))
    for face_id, label in zip(ids[~old].tolist(), found.tolist(), strict=True):
        if label not in place:
            place[label] = clusters.add(db)
        clusters.put(db, face_id, place[label], model)
    return len(found)
