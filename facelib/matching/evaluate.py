"""How well the matcher does on the user's own labels: each labelled face is left out once and named by the others.

Judged twice: with its person known, is it named rightly; with its person taken out, as a stranger, does it get a name.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from facelib.matching.calibrate import Chances, Strangers, Threshold, per_person, twins
from facelib.matching.centroids import gather
from facelib.matching.faces import NOBODY, Doubles, Floats, Ids, Labelled, Mask, members
from facelib.matching.gallery import SUGGESTED, WANTED, Built, build
from facelib.matching.metric import METRICS, make
from facelib.matching.prior import PRIOR_FACES, PRIOR_PEOPLE, Prior
from facelib.matching.spread import Spread, estimate
from facelib.matching.table import LeftOut, leave_one_out

# Labels from which on another metric than the model's default may be chosen. At one stranger in 200, a thousand faces leave five
# beyond the threshold, and tell a recall of .95 from one of .965; people, because strangers of few people are few.
ENOUGH_FACES, ENOUGH_PEOPLE = 1000, 50
_SURE = 2.0  # standard errors by which another metric has to be better
_POINTS = 101  # of the curve


@dataclass(frozen=True, slots=True)
class PersonScore:
    """How one person's faces fare."""

    person_id: int
    faces: int  # labelled; those that are the person's only one cannot be judged
    judged: int
    right: int  # would be named rightly
    suggested: int  # would be suggested rightly
    wrong: int  # would be named as somebody else
    taken: int  # other people's faces that would be named as this person

    @property
    def recall(self) -> float:
        """The share of this person's faces that get the name; NaN: none can be judged."""
        return self.right / self.judged if self.judged else float("nan")

    @property
    def precision(self) -> float:
        """The share of the faces with this name that are this person's; NaN: none would have it."""
        return self.right / (self.right + self.taken) if self.right + self.taken else float("nan")


@dataclass(frozen=True, slots=True)
class Doubt:
    """A label that looks wrong."""

    face_id: int
    person_id: int  # who somebody said it is
    distance: float  # to that person without this face; NaN: it is the only one
    other: int  # who it looks like; NOBODY: like none of the people either
    other_distance: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Errors against the threshold; a row per distance, ascending."""

    distance: Doubles
    strangers: Doubles  # share of strangers who would get a name
    right: Doubles  # share of the known faces that would get the right one
    wrong: Doubles  # share that would get a wrong one


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What leaving each labelled face out shows."""

    model: str
    metric: str
    threshold: Threshold
    faces: int  # labelled
    judged: int  # of people who have another one
    recall: float  # share of those judged that are named rightly; NaN: none is
    precision: float  # share of the names given to them that are right; NaN: none is
    strangers: float  # share of the faces that get a name when their person is unknown; NaN: there is one person only
    people: tuple[PersonScore, ...]  # the worst recall first
    confused: tuple[tuple[int, int, int], ...]  # who is named as whom, and how many faces; most first
    alike: tuple[
        tuple[int, int, float], ...
    ]  # whose faces would be named as whom if unknown, and what share: one person, twice?
    doubts: tuple[Doubt, ...]  # the most doubtful first
    curve: Curve


def evaluate(
    labelled: Labelled,
    prior: Prior,
    metric: str | None = None,
    *,
    wanted: float = WANTED,
    wanted_suggested: float = SUGGESTED,
) -> Evaluation:
    """Leave each labelled face out once. The metric is the model's default, or this one. Raises as `gallery.build`."""
    built = build(labelled, prior, metric, wanted=wanted, wanted_suggested=wanted_suggested, everything=True)
    left, limit, name = built.left, built.gallery.threshold, built.gallery.metric.name
    judged = np.isfinite(left.own)
    named = _named(left, limit.named)
    best = np.where(left.right, labelled.person_id, left.other)
    right = judged & named & left.right
    wrong = judged & named & ~left.right
    chances = Chances(prior.tails, name, built.gallery.centroids.counts)
    pairs = twins(labelled.person_id, left, chances.limit(wanted))
    possible = left.other != NOBODY
    as_strangers = left.other_distance <= limit.named
    return Evaluation(
        prior.model,
        name,
        limit,
        len(labelled),
        int(judged.sum()),
        _share(right[judged]),
        _share(right[right | wrong]),
        _share(as_strangers[possible]),
        _scores(labelled, left, limit, right, wrong),
        _confused(labelled.person_id[wrong], best[wrong]),
        tuple(
            sorted(((one, other, share) for (one, other), share in pairs.items()), key=lambda pair: (-pair[2], pair))
        ),
        _doubts(labelled, built),
        _curve(labelled, left, limit),
    )


def _named(left: LeftOut, limit: float) -> Mask:
    """Which faces get a name, the own one or another."""
    nearest: Mask = np.fmin(left.own, left.other_distance) <= limit
    return nearest


def _share(some: Mask) -> float:
    return float(some.mean()) if len(some) else float("nan")


def _scores(labelled: Labelled, left: LeftOut, limit: Threshold, right: Mask, wrong: Mask) -> tuple[PersonScore, ...]:
    suggested = left.right & (left.own > limit.named) & (left.own <= limit.suggested)
    taken = Counter(left.other[wrong].tolist())
    scores = [
        PersonScore(
            person,
            len(rows),
            int(np.isfinite(left.own[rows]).sum()),
            int(right[rows].sum()),
            int(suggested[rows].sum()),
            int(wrong[rows].sum()),
            taken[person],
        )
        for person, rows in members(labelled.person_id)
    ]
    return tuple(sorted(scores, key=lambda one: (not one.judged, one.recall if one.judged else 0, one.person_id)))


def _confused(person_id: Ids, other: Ids) -> tuple[tuple[int, int, int], ...]:
    pairs = Counter(zip(person_id.tolist(), other.tolist(), strict=True))
    return tuple(sorted(((one, two, count) for (one, two), count in pairs.items()), key=lambda pair: (-pair[2], pair)))


def _doubts(labelled: Labelled, built: Built) -> tuple[Doubt, ...]:
    """Faces that fit no part of their person, and those that look clearly more like another."""
    left, limit = built.left, built.gallery.threshold
    elsewhere = ~left.right & (left.other_distance <= limit.suggested)
    elsewhere &= ~(left.own - left.other_distance <= limit.margin)
    found = []
    for row in np.flatnonzero((built.member == NOBODY) | elsewhere).tolist():
        like = left.other_distance[row] <= limit.suggested
        found.append(
            Doubt(
                int(labelled.faces.face_id[row]),
                int(labelled.person_id[row]),
                float(left.own[row]),
                int(left.other[row]) if like else NOBODY,
                float(left.other_distance[row]),
            )
        )
    return tuple(sorted(found, key=lambda one: (-np.nan_to_num(one.distance - one.other_distance), one.face_id)))


def _curve(labelled: Labelled, left: LeftOut, limit: Threshold) -> Curve:
    """From the nearest labelled face to twice as far beyond the suggestions as these are beyond the names."""
    judged, possible = np.isfinite(left.own), left.other != NOBODY
    own, away = left.own[judged].astype(np.float64), left.other_distance[judged].astype(np.float64)
    far = limit.suggested + 2 * (limit.suggested - limit.named)
    steps = np.linspace(float(min(own.min(initial=limit.named), limit.named)), far, _POINTS)
    weights = per_person(labelled.person_id)[possible]
    return Curve(
        steps,
        _within(left.other_distance[possible], weights, steps, float(weights.sum())),
        _within(own[own < away], np.ones(int((own < away).sum())), steps, len(own)),
        _within(away[away <= own], np.ones(int((away <= own).sum())), steps, len(own)),
    )


def _within(distances: Doubles | Floats, weights: Doubles, steps: Doubles, total: float) -> Doubles:
    """The share of `total` that lies within each step."""
    order = np.argsort(distances, kind="stable")
    sums = np.concatenate([[0.0], np.cumsum(weights[order])])
    share: Doubles = sums[np.searchsorted(distances[order], steps, side="right")] / max(total, 1e-9)
    return share


@dataclass(frozen=True, slots=True)
class MetricScore:
    """How one metric does on labels that it was not fitted to."""

    metric: str
    recall: float  # share of the known faces named rightly, at the wanted share of strangers
    better: float  # than the model's default, in standard errors of the difference


def compare_metrics(labelled: Labelled, prior: Prior, *, wanted: float = WANTED) -> tuple[MetricScore, ...]:
    """How each metric would do, the best first: fitted to the labels of one half of the people, judged on the other's, and back.

    Metrics for which the prior is not enough (relative without typical faces) are left out.
    """
    right: dict[str, Mask] = {}
    for name in METRICS:
        if name != "relative" or len(prior.spread.typical):
            right[name] = _crosswise(labelled, prior, name, wanted)
    usual = right[prior.metric].astype(np.float64)
    scores = []
    for name, mine in right.items():
        difference = mine - usual
        error = float(np.sqrt((difference**2).sum())) / max(1, len(mine))
        scores.append(MetricScore(name, _share(mine), float(difference.mean()) / error if error else 0.0))
    return tuple(sorted(scores, key=lambda one: (-one.recall, one.metric != prior.metric, one.metric)))


def choose_metric(labelled: Labelled, prior: Prior, *, wanted: float = WANTED) -> str:
    """The model's default metric, or one that is surely better on this library's own labels, if there are enough of them."""
    if len(labelled) < ENOUGH_FACES or len(labelled.people) < ENOUGH_PEOPLE:
        return prior.metric
    best = compare_metrics(labelled, prior, wanted=wanted)[0]
    return best.metric if best.better > _SURE else prior.metric


def _crosswise(labelled: Labelled, prior: Prior, name: str, wanted: float) -> Mask:
    """Which of the faces that can be judged are named rightly."""
    odd = np.searchsorted(labelled.people, labelled.person_id) % 2 == 1
    before = prior.spread.weighing(PRIOR_PEOPLE, PRIOR_FACES)
    found = np.zeros(len(labelled), bool)
    judged = np.zeros(len(labelled), bool)
    for half in (odd, ~odd):
        spread = estimate(labelled.faces.vectors[~half], labelled.person_id[~half], before)
        rows = np.flatnonzero(half)
        member, left, counts = _left_out(labelled, rows, spread, name)
        kept = member != NOBODY
        chances = Chances(prior.tails, name, counts)
        limit = Strangers.of(labelled.person_id[rows][kept], left.take(kept), chances, wanted).limit(wanted)
        found[rows] = left.right & (left.own <= limit)
        judged[rows] = np.isfinite(left.own)
    return found[judged]


def _left_out(labelled: Labelled, rows: Ids, spread: Spread, name: str) -> tuple[Ids, LeftOut, Floats]:
    """Of these faces the centroid that each is in, and what leaving it out gives; and the faces of all centroids."""
    metric = make(name, spread)
    centroids, member = gather(labelled, metric, make("plda", spread))
    return member[rows], leave_one_out(labelled.take(rows), member[rows], metric, centroids), centroids.counts
