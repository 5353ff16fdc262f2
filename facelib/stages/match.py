"""Stage four: names on the faces that nobody decided about, guessed from those that somebody did.

The labelled faces of one model make a gallery, which is kept until something is decided: then new faces cost only themselves. A
photo is planned whole, because no two of its faces are one person.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from facelib.config import MatchOptions
from facelib.progress import Progress, Stop
from facelib.store import Database, decisions, matches

if TYPE_CHECKING:  # a night in which nothing is due needs no numpy
    from facelib.matching.faces import Faces, Labelled
    from facelib.matching.gallery import Gallery
    from facelib.matching.plan import Plan, Said

BLOCK_PHOTOS = 5_000  # planned together; some 20,000 faces, 10 MB of encodings
_CHANGES = 10_000  # that a summary spells out


@dataclass(frozen=True, slots=True)
class Change:
    """A guess that is, or would be, another one than before."""

    face_id: int
    before: int | None  # person_id of a name that was shown
    after: int | None
    suggested: int | None
    distance: float | None


@dataclass(slots=True)
class MatchSummary:
    """What came of the faces that were due."""

    model: str = ""
    metric: str = ""
    labels: int = 0  # faces that the gallery is made of
    people: int = 0  # who can be recognised
    threshold: float | None = None  # distance up to which names are given
    due: int = 0  # photos
    faces: int = 0
    named: int = 0
    suggested: int = 0
    changes: list[Change] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)  # face, and why it cannot be compared
    complete: bool = True
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = ("model", "metric", "labels", "people", "threshold", "due", "faces", "named", "suggested", "complete")
        return {
            **{name: getattr(self, name) for name in names},
            "changed": len(self.changes),
            "refused": [{"face_id": face, "reason": reason} for face, reason in self.refused],
            "seconds": round(self.seconds, 3),
        }


def run(
    db: Database, model: str, options: MatchOptions, progress: Progress, stop: Stop, *, dry_run: bool = False
) -> MatchSummary:
    """Match all faces that are due under `model`, in one transaction; `dry_run`: only say what would change."""
    began = time.monotonic()
    summary = MatchSummary(model)
    key = gallery_key(db, model, options)
    summary.labels = matches.count_labels(db, model)
    # Without labels, and without guesses that rest on earlier ones, there is nothing to do.
    photos = matches.photos_due(db, model, key) if summary.labels or matches.any_guess(db) else []
    summary.due = len(photos)
    if photos:
        gallery = open_gallery(db, model, options, summary, keep=not dry_run)
        summary.metric, summary.threshold = gallery.metric.name, gallery.threshold.named
        summary.people = len(gallery.people)
        progress.start("matching", len(photos), "photos")
        with db.atomic():
            for start in range(0, len(photos), BLOCK_PHOTOS):
                if stop.due:
                    summary.complete = False
                    break
                _block(db, gallery, key, photos[start : start + BLOCK_PHOTOS], summary, dry_run)
                progress.advance(len(photos[start : start + BLOCK_PHOTOS]))
            if not dry_run:
                matches.forget_of_decided(db)
        progress.finish()
    summary.seconds = time.monotonic() - began
    return summary


def gallery_key(db: Database, model: str, options: MatchOptions) -> str:
    """What a gallery is made of: everything that was decided, the labelled faces with encodings, and the options."""
    said = f"{options.metric or 'default'} {options.wanted:g} {options.suggested:g}"
    return f"{decisions.state(db)} / {matches.count_labels(db, model)} / {said}"


def open_gallery(
    db: Database, model: str, options: MatchOptions, summary: MatchSummary | None = None, *, keep: bool = False
) -> Gallery:
    """The gallery of the labelled faces, the kept one where nothing was decided since."""
    import numpy as np

    from facelib.matching.gallery import Gallery

    key, kept = gallery_key(db, model, options), matches.kept_gallery(db, model)
    if kept is not None and kept[0] == key:
        with np.load(io.BytesIO(kept[1]), allow_pickle=False) as found:
            return Gallery.from_arrays(dict(found))
    gallery = build_gallery(db, model, options, summary)
    if keep:
        into = io.BytesIO()
        arrays: dict[str, Any] = gallery.to_arrays()
        np.savez(into, **arrays)
        with db.atomic():
            matches.save_gallery(db, model, key, into.getvalue())
    return gallery


def build_gallery(db: Database, model: str, options: MatchOptions, summary: MatchSummary | None = None) -> Gallery:
    """Make the gallery anew; with enough labels another metric than the model's own may turn out better."""
    from facelib.matching import gallery, prior
    from facelib.matching.evaluate import choose_metric

    labelled = read_labels(db, model, summary)
    known = prior.load(model, labelled.faces.dimensions)
    metric = options.metric or choose_metric(labelled, known, wanted=options.wanted)
    return gallery.build(labelled, known, metric, wanted=options.wanted, wanted_suggested=options.suggested).gallery


def read_labels(db: Database, model: str, summary: MatchSummary | None = None) -> Labelled:
    """The faces that somebody named, with what Picasa's contacts tell apart."""
    from facelib.matching.faces import Labelled

    rows = list(matches.labels(db, model))
    people = {row.face.face_id: row.person_id for row in rows}
    groups = {row.face.face_id: row.cluster_id for row in rows if row.cluster_id is not None}
    return Labelled.of(_faces([row.face for row in rows], model, summary), people, groups)


def read_faces(
    db: Database, model: str, photos: Sequence[int], summary: MatchSummary | None = None
) -> tuple[Faces, Said]:
    """The undecided faces of photos, and what was said about these photos' faces."""
    return _faces(list(matches.undecided(db, model, photos)), model, summary), _said(db, photos)


def faces_of(db: Database, model: str, rows: Sequence[matches.Encoded]) -> tuple[Faces, Said]:
    """The same for faces that were chosen otherwise, decided about or not."""
    return _faces(rows, model, None), _said(db, dict.fromkeys(row.photo_id for row in rows))


def _said(db: Database, photos: Iterable[int]) -> Said:
    from facelib.matching.plan import Life, Said

    lives = {
        person: Life(*(default if year is None else year for year, default in zip(years, _ALWAYS, strict=True)))
        for person, years in matches.lives(db).items()
    }
    return Said.of(matches.said_in(db, photos), lives)


_ALWAYS = (float("-inf"), float("inf"))


def _faces(rows: Sequence[matches.Encoded], model: str, summary: MatchSummary | None) -> Faces:
    """Arrays of rows; encodings that cannot be compared are left out and named."""
    import numpy as np

    from facelib.matching.faces import Faces, decode

    dimensions = len(rows[0].vector) // 4 if rows else 1
    ids, vectors, refused = decode(((row.face_id, model, row.vector) for row in rows), model, dimensions)
    if summary is not None:
        summary.refused += [(one.face_id, one.reason) for one in refused]
    wrong = {one.face_id for one in refused}
    good = [row for row in rows if row.face_id not in wrong]
    nan = float("nan")
    return Faces.of(
        ids,
        [row.photo_id for row in good],
        vectors,
        np.array([nan if row.quality is None else row.quality for row in good], np.float64),
        np.array([nan if row.year is None else row.year for row in good], np.float64),
    )


def _block(
    db: Database, gallery: Gallery, key: str, photos: Sequence[int], summary: MatchSummary, dry_run: bool
) -> None:
    from facelib.matching.plan import plan

    faces, said = read_faces(db, gallery.model, photos, summary)
    if not len(faces):
        return
    made = list(_matches(plan(faces, gallery, said)))
    before = matches.current(db, [one.face_id for one in made])
    summary.faces += len(made)
    summary.named += sum(one.sure and one.person_id is not None for one in made)
    summary.suggested += sum(not one.sure for one in made)
    for one in made:
        old_person, old_sure = before.get(one.face_id, (None, True))
        shown, new = old_person if old_sure else None, one.person_id if one.sure else None
        if shown != new and len(summary.changes) < _CHANGES:
            suggested = None if one.sure else one.person_id
            summary.changes.append(Change(one.face_id, shown, new, suggested, one.distance))
    if not dry_run:
        matches.write(
            db, made, model=gallery.model, metric=gallery.metric.name, threshold=gallery.threshold.named, gallery=key
        )


def _matches(plan: Plan) -> Iterator[matches.Match]:
    """A plan as rows."""
    from facelib.matching.faces import NOBODY
    from facelib.matching.plan import Verdict

    columns = (plan.face_id, plan.verdict, plan.person_id, plan.distance, plan.runner_up)
    for face, verdict, person, distance, runner_up in zip(*(column.tolist() for column in columns), strict=True):
        yield matches.Match(
            face,
            None if person == NOBODY else person,
            verdict != Verdict.SUGGESTED,
            None if distance != distance else distance,  # NaN
            None if runner_up == NOBODY else runner_up,
        )
