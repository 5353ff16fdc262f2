"""The threshold under which a face gets a name: for a wanted error, from the user's own labels and from the prior.

The error is the share of strangers who get a name. Each labelled face is a stranger to all people but its own, so its distance
to the nearest of them is what strangers' distances are like in this library, among these people. One in 200 of them is not to be
counted in a hundred labels, but how near the nearest twentieth to fifth comes can be: so the prior's chances, for a gallery of
this size, are shifted by as much as these are nearer or farther than it expects, and then count as so many faces more. Where
.5 % is wanted, .3 to .7 % of LFW's strangers get a name, with five people as with 230 (`python -m bench matching`).

A wrong label makes a stranger of somebody who is in the gallery, and one in a hundred would make every threshold too strict.
So what is nearer to another person than to its own is left out here, and what is nearer than chance explains, if that is
rare; and where half of a person's faces would be named as one other (siblings, or one person under two names), that pair.
`evaluate` tells of all of these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from facelib.matching.faces import Doubles, Floats, Ids, members
from facelib.matching.prior import Tails
from facelib.matching.table import LeftOut

_SHIFTED_BY = (0.05, 0.1, 0.2)  # shares of the nearest strangers at which own distances are held against the prior's
# With labels of so many people half of the shift is believed: it hangs on who happens to resemble whom. 30 do alike.
_SHIFT_PEOPLE = 100.0
_MOST_PER_PERSON = 3.0  # strangers that one person's faces count as: they all resemble the same others; 10 do alike
# A face that comes nearer to somebody than one stranger in so many does is more likely to have a wrong label, as long as there
# are few of them. More than a tenth of all faces, and it is the prior that is wrong.
_BY_CHANCE, _FEW = 1e-4, 0.1
_TWINS = 0.5  # share of a person's faces that would be named as one other
_LEAST_TWINS = 3  # such faces
_MARGIN = 0.5  # of the way from sure to the end of the suggestions


@dataclass(frozen=True, slots=True)
class Threshold:
    """How near is near enough."""

    named: float  # distance up to which a face gets the name
    suggested: float  # up to which a name is suggested
    margin: float  # for a name, the next person and the same person's next face in the photo are farther by this
    wanted: float  # share of strangers who may get a name
    wanted_suggested: float  # or a suggestion
    strangers: float  # how many own ones it rests on, beside the prior
    recall: float  # share of the labelled faces that would be named rightly; NaN: nobody has two

    def __post_init__(self) -> None:
        if not self.named <= self.suggested or self.margin < 0:
            raise ValueError(f"no threshold: {self}")


@dataclass(frozen=True, slots=True)
class Chances:
    """How near strangers come to a gallery by chance, as the prior has it."""

    tails: Tails
    metric: str
    counts: Floats  # faces of each centroid

    def within(self, distance: float) -> float:
        """The share of strangers within this distance of anybody."""
        return self.tails.chance(self.metric, distance, self.counts)

    def limit(self, chance: float) -> float:
        """The distance within which so large a share of strangers comes."""
        return self.largest(lambda distance: self.within(distance) <= chance)

    def largest(self, good: Callable[[float], bool]) -> float:
        """The largest distance that is good, between the least and the greatest that can be a threshold."""
        distances = self.tails.distances[self.metric]
        near, high = float(distances.min()), float(distances.max())
        low = near - 3 * (high - near)
        for _ in range(60):
            middle = (low + high) / 2
            if good(middle):
                low = middle
            else:
                high = middle
        return low


def calibrate(person_id: Ids, left: LeftOut, chances: Chances, wanted: float, wanted_suggested: float) -> Threshold:
    """The threshold from labelled faces: whose they are, and what leaving each out gave."""
    strangers = Strangers.of(person_id, left, chances, wanted)
    named = strangers.limit(wanted)
    suggested = max(named, strangers.limit(max(wanted, wanted_suggested)))
    known = np.isfinite(left.own)
    recall = float((left.right & (left.own <= named))[known].mean()) if known.any() else float("nan")
    margin = _MARGIN * (suggested - named)
    return Threshold(named, suggested, margin, wanted, wanted_suggested, strangers.total, recall)


def twins(person_id: Ids, left: LeftOut, limit: float) -> dict[tuple[int, int], float]:
    """Pairs of people of whom the first one's faces would be named as the other, and the share of faces that would."""
    found = {}
    for person, rows in members(person_id):
        near = left.other[rows][left.other_distance[rows] <= limit]
        others, many = np.unique(near, return_counts=True)
        if len(others) and many.max() >= max(_LEAST_TWINS, _TWINS * len(rows)):
            found[(person, int(others[many.argmax()]))] = float(many.max() / len(rows))
    return found


@dataclass(frozen=True, slots=True)
class Strangers:
    """Distances of labelled faces to the nearest person who they are not, beside the prior's chances."""

    distances: Doubles  # ascending
    weights: Doubles  # what each counts
    people: int  # whose faces they are
    chances: Chances
    shift: float = 0.0  # how much nearer (less than nought) or farther than by the prior strangers come here

    @classmethod
    def of(cls, person_id: Ids, left: LeftOut, chances: Chances, wanted: float) -> Strangers:
        """Of labelled faces, without what is no stranger's: wrong labels and people who look like one."""
        pairs = twins(person_id, left, chances.limit(wanted))
        twin_of = dict(pairs.keys())
        of_twins = [twin_of.get(p) == o for p, o in zip(person_id.tolist(), left.other.tolist(), strict=True)]
        near = np.where(np.array(of_twins, bool), left.third_distance, left.other_distance).astype(np.float64)
        useful = np.flatnonzero(np.isfinite(near) & ~(left.own > near))
        too_near = near[useful] <= chances.limit(min(_BY_CHANCE, wanted / 5))
        if too_near.sum() <= _FEW * len(useful):
            useful = useful[~too_near]
        order = useful[np.lexsort((useful, near[useful]))]
        found = cls(near[order], per_person(person_id)[order], len(np.unique(person_id[order])), chances)
        return replace(found, shift=found.measured_shift())

    @property
    def total(self) -> float:
        """What all of them count."""
        return float(self.weights.sum())

    def measured_shift(self) -> float:
        """How much nearer or farther they are than the prior expects, as far as their number lets one believe it."""
        if not self.total:
            return 0.0
        sums = np.cumsum(self.weights)
        places = np.searchsorted(sums, np.array(_SHIFTED_BY) * sums[-1])
        expected = np.array([self.chances.limit(share) for share in _SHIFTED_BY])
        apart = float((self.distances[np.minimum(places, len(sums) - 1)] - expected).mean())
        return apart * self.people / (self.people + _SHIFT_PEOPLE)

    def share(self, distance: float) -> float:
        """The share of strangers within this distance, the prior's and the own ones together."""
        prior = self.chances.tails.strangers
        expected = prior * self.chances.within(distance - self.shift)
        own = float(self.weights[: np.searchsorted(self.distances, distance, side="right")].sum())
        return (expected + own) / (prior + self.total)

    def limit(self, wanted: float) -> float:
        """The largest distance within which there is no larger a share of strangers than wanted."""
        return self.chances.largest(lambda distance: self.share(distance) <= wanted)


def per_person(person_id: Ids) -> Doubles:
    """What each labelled face counts as a stranger."""
    weights = np.zeros(len(person_id))
    for _, rows in members(person_id):
        weights[rows] = min(len(rows), _MOST_PER_PERSON) / len(rows)
    return weights
