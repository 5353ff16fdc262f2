"""Centroids of people: means of their faces, weighted by quality; several where one would lie between two looks.

A person's faces are parted where their parts resemble each other no more than two people do: along what was told apart
elsewhere (Picasa's contacts), along the years (a child at 3 and at 15), or as the faces fall apart by themselves. Who resembles
whom is judged by the likelihood ratio of plda, whichever metric gives the names, and with a wide margin: hardly anybody in
LFW is parted, and all its people would be who are put together by twos. Faces that fit no part of their person are held
out of the means: most of them carry a wrong name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from facelib.matching.faces import NOBODY, Doubles, Floats, Ids, Labelled, Mask, members
from facelib.matching.metric import Metric

# Decimal logarithm of the odds from which on two parts are two looks, and a face is held out. Of people in LFW with three faces
# or more it holds out no rightly named face and 99 % of the wrongly named ones (dlib), or 0.6 and 98 % (MobileFaceNet).
APART = 10.0
# The same for parts that were told apart elsewhere, or that the years tell apart: even odds. With years and groups that mean
# nothing, because they were drawn, one in a hundred of LFW's people is parted.
_TOLD_APART = 0.0
_COUNT = 4.0  # faces that a part counts as at most when it is compared: more would make every difference certain
_LEAST_PART = 2  # faces of a part that nobody told apart
_LEAST_YEARS = 3  # faces on each side of a cut between years
_MOST_PARTS = 12  # of one person
_ROUNDS = 50  # of taking out what does not fit; each takes a tenth


@dataclass(frozen=True, slots=True)
class Centroids:
    """Means of prepared vectors (`Metric.prepare`), a row each, in the order of person_id."""

    person_id: Ids
    means: Floats  # (m, dimensions)
    weights: Doubles  # sum of the weights of the faces
    squares: Doubles  # sum of the squares of these weights
    faces: Ids  # how many there are
    first_year: Doubles  # of the faces, NaN: nobody knows
    last_year: Doubles

    def __len__(self) -> int:
        return len(self.person_id)

    @property
    def counts(self) -> Floats:
        """How many faces of equal quality each is worth."""
        worth: Floats = (self.weights**2 / self.squares).astype(np.float32)
        return worth


def gather(labelled: Labelled, metric: Metric, evidence: Metric) -> tuple[Centroids, Ids]:
    """The centroids of everybody, and for each face in which one it is: NOBODY if it is held out.

    `evidence` is a plda metric of the same encodings.
    """
    found: list[Ids] = []
    for _, rows in members(labelled.person_id):
        found += _Person(labelled, rows, evidence).parts()
    member = np.full(len(labelled), NOBODY, np.int64)
    for number, rows in enumerate(found):
        member[rows] = number
    return _means(labelled, found, metric), member


def _means(labelled: Labelled, parts: list[Ids], metric: Metric) -> Centroids:
    quality = labelled.faces.quality.astype(np.float64)
    means = np.zeros((len(parts), metric.dimensions), np.float32)
    for number, rows in enumerate(parts):
        means[number] = np.average(metric.prepare(labelled.faces.vectors[rows]), axis=0, weights=quality[rows])
    years = [labelled.faces.year[rows][np.isfinite(labelled.faces.year[rows])] for rows in parts]
    return Centroids(
        np.array([labelled.person_id[rows[0]] for rows in parts], np.int64),
        means,
        np.array([quality[rows].sum() for rows in parts], np.float64),
        np.array([(quality[rows] ** 2).sum() for rows in parts], np.float64),
        np.array([len(rows) for rows in parts], np.int64),
        np.array([some.min() if len(some) else np.nan for some in years], np.float64),
        np.array([some.max() if len(some) else np.nan for some in years], np.float64),
    )


class _Person:
    """One person's faces, in the space where the covariance within people is the unit matrix."""

    def __init__(self, labelled: Labelled, rows: Ids, evidence: Metric) -> None:
        self.rows = rows
        self.places = evidence.project(evidence.prepare(labelled.faces.vectors[rows]))
        self.weights = labelled.faces.quality[rows].astype(np.float64)
        self.groups = labelled.group_id[rows]
        self.years = np.floor(labelled.faces.year[rows])
        self.between = evidence.between

    def parts(self) -> list[Ids]:
        """Rows of the labelled faces, a part each, by their first row; at least one."""
        whole = np.ones(len(self.rows), bool)
        found = sorted(self._part(whole), key=len, reverse=True)[:_MOST_PARTS]
        return sorted((self.rows[part] for part in found), key=lambda part: int(part[0]))

    def _part(self, mask: Mask) -> Iterator[Ids]:
        """Positions of the faces of each part of these."""
        told = self._told_apart(mask)
        if told is not None:
            yield from self._part(mask & told)
            yield from self._part(mask & ~told)
            return
        fits = self._fitting(mask)
        half = self._halves(fits)
        if half is not None:
            yield from self._part(fits & half)
            yield from self._part(fits & ~half)
        else:
            yield np.flatnonzero(fits)
        strays = mask & ~fits
        if strays.sum() > _LEAST_PART:
            agreeing = self._fitting(strays)
            if agreeing.sum() > _LEAST_PART and self._spread_out(agreeing) <= APART:
                yield np.flatnonzero(agreeing)

    def _told_apart(self, mask: Mask) -> Mask | None:
        """The best cut along groups or years, if its sides are two looks."""
        rows = np.flatnonzero(mask)
        groups, years = self.groups[rows], self.years[rows]
        known = np.unique(years[np.isfinite(years)])
        by_group = groups[:, None] == np.unique(groups)
        by_year = years[:, None] < known[1:]  # a face of an unknown year is on the late side
        after = (years[:, None] >= known[1:]).sum(axis=0)
        by_year = by_year[:, np.minimum(by_year.sum(axis=0), after) >= _LEAST_YEARS]
        cuts = np.concatenate([by_group[:, ~by_group.all(axis=0)], by_year], axis=1)
        if not cuts.shape[1]:
            return None
        odds = self._apart(rows, cuts)
        best = int(odds.argmax())
        if odds[best] <= _TOLD_APART:
            return None
        told = np.zeros(len(mask), bool)
        told[rows[cuts[:, best]]] = True
        return told

    def _halves(self, mask: Mask) -> Mask | None:
        """The faces in two, around the two that are farthest from each other (2-means), if they are two looks."""
        places = self.places[mask]
        if len(places) < 2:
            return None
        start = places[_farthest(places, np.average(places, axis=0, weights=self.weights[mask]))]
        ends = np.stack([start, places[_farthest(places, start)]])
        side = np.zeros(len(places), bool)
        for _ in range(20):
            near = ((places[:, None] - ends) ** 2).sum(axis=2)
            new = near[:, 1] < near[:, 0]
            if (new == side).all() or new.all() or not new.any():
                break
            side = new
            ends = np.stack([places[~side].mean(axis=0), places[side].mean(axis=0)])
        smaller = min(side.sum(), (~side).sum())
        if (smaller < _LEAST_PART and len(places) > 2) or not smaller:
            return None
        rows = np.flatnonzero(mask)
        if self._apart(rows, side[:, None])[0] <= APART:
            return None
        half = np.zeros(len(mask), bool)
        half[rows[side]] = True
        return half

    def _fitting(self, mask: Mask) -> Mask:
        """Without the faces that do not fit the others, if these are at most a third: else it is not clear who is wrong."""
        fits = mask.copy()
        for _ in range(_ROUNDS):
            wrong = np.zeros(len(mask), bool)
            if fits.sum() > 2:
                rows = np.flatnonzero(fits)
                odds = self._each_apart(rows)
                order = np.lexsort((rows, -odds))[: max(1, len(rows) // 10)]
                wrong[rows[order[odds[order] > APART]]] = True
            if not wrong.any():
                break
            fits &= ~wrong
        return fits if (mask & ~fits).sum() * 3 <= mask.sum() else mask

    def _spread_out(self, mask: Mask) -> float:
        """How far the face is from the others that fits them least."""
        return float(self._each_apart(np.flatnonzero(mask)).max())

    def _each_apart(self, rows: Ids) -> Doubles:
        """Of each of these faces from all the others."""
        weights, places = self.weights[rows], self.places[rows]
        rest = weights.sum() - weights
        others = ((weights[:, None] * places).sum(axis=0) - weights[:, None] * places) / rest[:, None]
        worth = rest**2 / ((weights**2).sum() - weights**2)
        return _odds(others, np.minimum(worth, _COUNT), places, np.ones(len(rows)), self.between)

    def _apart(self, rows: Ids, cuts: Mask) -> Doubles:
        """Of each cut, (rows, cuts), how far its sides are apart: the decimal logarithm of the odds that they are two people."""
        weights, places = self.weights[rows], self.places[rows]
        means, worth = [], []
        for side in (cuts.T.astype(np.float64), (~cuts.T).astype(np.float64)):
            mass = side @ weights
            means.append(side @ (weights[:, None] * places) / mass[:, None])
            worth.append(np.minimum(mass**2 / (side @ weights**2), _COUNT))
        return _odds(means[0], worth[0], means[1], worth[1], self.between)


def _farthest(places: Doubles, point: Doubles) -> int:
    return int(((places - point) ** 2).sum(axis=1).argmax())


def _odds(one: Doubles, count: Doubles, other: Doubles, other_count: Doubles, between: Doubles) -> Doubles:
    """Decimal logarithm of how much likelier means of so many faces, row by row, are of two people than of one."""
    n, noise = count[:, None], 1 / other_count[:, None]
    shrink = n * between / (1 + n * between)
    same, stranger = noise + between / (1 + n * between), noise + between
    ratio = (other - shrink * one) ** 2 / same + np.log(same) - other**2 / stranger - np.log(stranger)
    odds: Doubles = 0.5 * ratio.sum(axis=1) / np.log(10)
    return odds
