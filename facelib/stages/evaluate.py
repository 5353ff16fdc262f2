"""`facelib evaluate`: how well names are guessed, by leaving each of the user's own labels out once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from facelib.config import MatchOptions
from facelib.errors import EngineError, UsageError
from facelib.progress import count
from facelib.stages.digest import printable
from facelib.stages.match import read_labels
from facelib.store import Database, faces, matches

if TYPE_CHECKING:
    from facelib.matching.evaluate import Evaluation

_LISTED = 20  # rows of a list that are spelled out


def run(db: Database, model: str, options: MatchOptions) -> Evaluation:
    """Judge the labels in encodings of `model`. Raises `UsageError` where nobody is named yet."""
    if not matches.count_labels(db, model):
        raise UsageError(
            f"no named face has an encoding of {model}: scan, and import Picasa's names or name some faces"
        )
    from facelib.matching import prior
    from facelib.matching.evaluate import choose_metric, evaluate

    labelled = read_labels(db, model)
    known = prior.load(model, labelled.faces.dimensions)
    metric = options.metric or choose_metric(labelled, known, wanted=options.wanted)
    return evaluate(labelled, known, metric, wanted=options.wanted, wanted_suggested=options.suggested)


def as_dict(db: Database, found: Evaluation) -> dict[str, Any]:
    """For JSON; numbers that are not known are null."""
    name = _Names(db)
    limit = found.threshold
    return {
        "model": found.model,
        "metric": found.metric,
        "threshold": _number(limit.named),
        "suggested_threshold": _number(limit.suggested),
        "wanted": limit.wanted,
        "faces": found.faces,
        "judged": found.judged,
        "recall": _number(found.recall),
        "precision": _number(found.precision),
        "strangers": _number(found.strangers),
        "people": [
            {"person_id": one.person_id, "name": name(one.person_id), "faces": one.faces, "judged": one.judged,
             "right": one.right, "suggested": one.suggested, "wrong": one.wrong, "taken": one.taken,
             "recall": _number(one.recall), "precision": _number(one.precision)}
            for one in found.people
        ],
        "confused": [{"is": name(a), "named": name(b), "faces": faces} for a, b, faces in found.confused],
        "alike": [{"one": name(a), "other": name(b), "share": _number(share)} for a, b, share in found.alike],
        "doubts": [
            {"face_id": one.face_id, "path": faces.where(db, one.face_id)[0], "is": name(one.person_id),
             "distance": _number(one.distance), "looks_like": name(one.other) if one.other >= 0 else None,
             "other_distance": _number(one.other_distance)}
            for one in found.doubts
        ],
        "curve": {
            key: [_number(float(value)) for value in getattr(found.curve, key)]
            for key in ("distance", "strangers", "right", "wrong")
        },
    }  # fmt: skip


def lines(db: Database, found: Evaluation, verbose: bool = False) -> Iterator[str]:
    """The same for a person."""
    name, limit = _Names(db), found.threshold
    whose = f"{count(found.faces, 'named faces')} of {count(len(found.people), 'people')}"
    yield f"{whose}, each left out once ({found.model}, {found.metric})"
    yield f"  named rightly        {_percent(found.recall)} of the {found.judged:,} whose person has another face"
    yield f"  of the names given   {_percent(found.precision)} are right"
    yield f"  strangers named      {_percent(found.strangers)}, at most {limit.wanted:.1%} wanted"
    yield f"  names up to {limit.named:.3g}, suggestions up to {limit.suggested:.3g}, from {limit.strangers:,.0f} strangers"
    worst = [one for one in found.people if one.judged and one.recall < 1]
    rows = [
        f"{name(one.person_id)}: {one.right} of {one.judged} right, {one.suggested} suggested, {one.wrong} wrong"
        for one in worst
    ]
    yield from _list("people who are not always known", rows, verbose)
    confused = [f"{name(a)} is taken for {name(b)}: {count(number, 'faces')}" for a, b, number in found.confused]
    yield from _list("confused", confused, verbose)
    alike = [f"{name(a)} and {name(b)}: {_percent(share)} of the faces" for a, b, share in found.alike]
    yield from _list("perhaps one person twice (facelib people merge)", alike, verbose)
    doubts = []
    for one in found.doubts:
        looks = f"looks like {name(one.other)}" if one.other >= 0 else "looks like nobody here"
        doubts.append(
            f"face {one.face_id}, {name(one.person_id)}: {looks}; {printable(faces.where(db, one.face_id)[0])}"
        )
    yield from _list("labels that look wrong (facelib why FACE_ID)", doubts, verbose)


def plot(found: Evaluation, path: str) -> None:
    """Draw error against threshold as PNG or SVG. Raises `EngineError` without matplotlib, `UsageError` for another ending."""
    if not path.lower().endswith((".png", ".svg")):
        raise UsageError(f"{path}: a plot is a .png or an .svg")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise EngineError("plots need matplotlib: pip install 'facelib[plot]'") from error
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    curve = found.curve
    axes.plot(curve.distance, curve.right, label="known faces named rightly")
    axes.plot(curve.distance, curve.wrong, label="known faces named wrongly")
    axes.plot(curve.distance, curve.strangers, label="strangers named")
    axes.axvline(found.threshold.named, color="grey", linestyle="--", label="threshold for names")
    axes.axvline(found.threshold.suggested, color="grey", linestyle=":", label="threshold for suggestions")
    axes.set_xlabel(f"distance ({found.metric}, {found.model})")
    axes.set_ylabel("share")
    axes.set_ylim(0, 1)
    axes.legend()
    try:
        figure.savefig(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


class _Names:
    """People's names, each asked for once."""

    def __init__(self, db: Database) -> None:
        self._db, self._known = db, dict[int, str]()

    def __call__(self, person_id: int) -> str:
        if person_id not in self._known:
            self._known[person_id] = matches.name_of(self._db, person_id)
        return self._known[person_id]


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _percent(share: float) -> str:
    return f"{share:.1%}" if math.isfinite(share) else "unknown"


def _list(what: str, rows: list[str], verbose: bool) -> Iterator[str]:
    if rows:
        yield f"  {what}: {len(rows):,}"
    shown = rows if verbose else rows[:_LISTED]
    for row in shown:
        yield f"    {row}"
    if len(rows) > len(shown):
        yield f"    ... and {len(rows) - len(shown):,} more (-v lists them all)"
